"""Well-behaved pairs in a process of their own: a QoS 1 publisher and a QoS 1 subscriber per instance.

    calm_pairs.py NAME=PORT...

Every pair sends numbered messages all the time and checks that each arrives once and in order. Lines on stdin, each
answered by a line of JSON about what happened since the last one: `rest` stops sending, after some messages at least,
and answers when all that was sent has arrived; `go` begins again.
"""

import json
import os
import selectors
import struct
import sys
import time

import wire

PERIOD_S = 0.005
WINDOW = 4
MESSAGES_MIN = 10
PING_S = 20.0
PATIENCE_S = 20.0


class Side:
    """One non-blocking connection that has done its CONNECT."""

    def __init__(self, pair, port, client_id, version):
        with_handshake = wire.Wire(port)
        assert with_handshake.connect(client_id, version, keep_alive=60) == (False, 0)
        if client_id.endswith("-sub"):
            assert with_handshake.subscribe(pair.topic, 1) == 1
        self.pair = pair
        self.version = version
        self.socket = with_handshake.socket
        self.socket.setblocking(False)
        self.input = b""
        self.output = b""
        self.ping_at = time.monotonic() + PING_S

    def send(self, data):
        self.output += data
        self.flush()

    def flush(self):
        try:
            while self.output:
                self.output = self.output[self.socket.send(self.output):]
        except BlockingIOError:
            pass
        except OSError as e:
            self.pair.fault(f"send: {e}")
            self.output = b""

    def packets(self):
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.pair.fault("closed by the broker")
            self.pair.dead = True
            return
        self.input += data
        while len(self.input) >= 2:
            length, at = self.input[1], 2
            assert length < 128, "only short packets are awaited"
            if len(self.input) < at + length:
                return
            head, body = self.input[0], self.input[at:at + length]
            self.input = self.input[at + length:]
            yield head >> 4, head & 15, body


class Pair:
    def __init__(self, name, port, number):
        self.name = name
        self.topic = f"calm/{name}"
        self.sent = self.arrived = self.acknowledged = 0
        self.send_at = 0.0
        self.faults = []
        self.delays = []
        self.since = 0
        self.dead = False
        publisher, subscriber = ((4, 5), (5, 4), (5, 5), (4, 4))[number % 4]
        self.subscriber = Side(self, port, f"calm-{name}-sub", subscriber)
        self.publisher = Side(self, port, f"calm-{name}-pub", publisher)

    def fault(self, what):
        if len(self.faults) < 10:
            self.faults.append(f"{what} (sent {self.sent}, acknowledged {self.acknowledged}, arrived {self.arrived})")

    def settled(self):
        return self.dead or (self.enough() and self.sent == self.acknowledged == self.arrived)

    def enough(self):
        return self.sent - self.since >= MESSAGES_MIN

    def send_one(self, now):
        self.send_at = now + PERIOD_S
        if self.dead or self.sent - min(self.acknowledged, self.arrived) >= WINDOW:
            return
        payload = struct.pack("!Qd", self.sent, now) + bytes(40)
        self.sent += 1
        body = wire.text(self.topic) + struct.pack("!H", 1 + self.sent % 60000)
        body += b"\0" if self.publisher.version == 5 else b""
        self.publisher.send(wire.packet(wire.PUBLISH, 2, body + payload))

    def read(self, side, now):
        for kind, flags, body in side.packets():
            if kind == wire.PINGRESP:
                continue
            if side is self.publisher:
                self.acknowledgement(kind, body)
            else:
                self.message(kind, flags, body, now)

    def acknowledgement(self, kind, body):
        self.acknowledged += 1
        wanted = struct.pack("!H", 1 + self.acknowledged % 60000)
        if kind != wire.PUBACK or body[:2] != wanted or (len(body) > 2 and body[2]):
            self.fault(f"packet {kind} {body.hex()} instead of PUBACK {wanted.hex()}")

    def message(self, kind, flags, body, now):
        if kind != wire.PUBLISH or flags != 2:
            return self.fault(f"packet {kind} with flags {flags}: {body[:40].hex()}")
        at = 2 + len(self.topic)
        packet_id, payload = body[at:at + 2], body[at + 2 + (self.subscriber.version == 5):]
        number, sent_at = struct.unpack("!Qd", payload[:16])
        if number != self.arrived:
            self.fault(f"message {number} instead of {self.arrived}")
        self.arrived = number + 1
        self.delays.append(now - sent_at)
        self.subscriber.send(wire.packet(wire.PUBACK, 0, packet_id))

    def report(self):
        delays = sorted(self.delays) or [0.0]
        said = {"messages": self.arrived - self.since, "worst_ms": round(delays[-1] * 1e3, 1),
                "p99_ms": round(delays[len(delays) * 99 // 100] * 1e3, 1),
                "p50_ms": round(delays[len(delays) // 2] * 1e3, 1), "faults": self.faults}
        self.since, self.delays, self.faults = self.arrived, [], []
        return said


def main():
    pairs = [Pair(name, int(port), n) for n, (name, port) in enumerate(a.split("=") for a in sys.argv[1:])]
    selector = selectors.EpollSelector()
    for pair in pairs:
        for side in (pair.publisher, pair.subscriber):
            selector.register(side.socket, selectors.EVENT_READ, side)
    selector.register(0, selectors.EVENT_READ, None)
    resting = asked = False
    give_up_at = 0.0
    print("ready", flush=True)
    while True:
        for key, _ in selector.select(PERIOD_S):
            if key.data:
                key.data.pair.read(key.data, time.monotonic())
                if key.data.pair.dead and key.fd in selector.get_map():
                    selector.unregister(key.fd)
                continue
            line = os.read(0, 100).decode().strip()  # who asks waits for the answer: never two at once
            if not line:
                return
            resting = asked = line == "rest"
            give_up_at = time.monotonic() + PATIENCE_S
            if line != "rest":
                print(json.dumps({p.name: p.report() for p in pairs}), flush=True)
        now = time.monotonic()
        for pair in pairs:
            if now >= pair.send_at and not (resting and pair.enough()):
                pair.send_one(now)
            for side in (pair.publisher, pair.subscriber):
                if side.output:
                    side.flush()
                if now >= side.ping_at and not pair.dead:
                    side.ping_at = now + PING_S
                    side.send(wire.packet(wire.PINGREQ, 0, b""))
        if asked and (all(pair.settled() for pair in pairs) or now >= give_up_at):
            asked = False
            for pair in pairs:
                if not pair.settled():
                    pair.fault(f"still missing after {PATIENCE_S} s")
            print(json.dumps({p.name: p.report() for p in pairs}), flush=True)


if __name__ == "__main__":
    main()
