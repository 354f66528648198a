"""A broker for MQTT 3.1.1 that does to certain messages what no broker may."""

import socket
import struct
import threading

import wire


class LyingBroker:
    """Serves on `port`, a free one unless given, until closed. `lies` has what to do with the n-th PUBLISH, from 1, on the first topic that it
    hears of (so it does not depend on whose turn it is): `lose`, `twice`, `hold` (until the next one on that topic is
    out), `damage`, `astray` (to everybody), `drop` (the publisher)."""

    def __init__(self, lies, port=0):
        self.lies = lies
        self.topic = None
        self.count = 0
        self.held = []
        self.subscribers = []  # (connection, filter)
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in list(self.threads):
            thread.join(10)

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _serve(self, connection):
        peer = wire.Wire.of(connection)
        with connection:
            while packet := peer.recv():
                kind, flags, body = packet
                if kind == wire.CONNECT:
                    peer.send(wire.packet(wire.CONNACK, 0, b"\0\0"))
                elif kind == wire.SUBSCRIBE:
                    length, = struct.unpack_from("!H", body, 2)
                    with self.lock:
                        self.subscribers.append((peer, body[4:4 + length].decode()))
                    peer.send(wire.packet(wire.SUBACK, 0, body[:2] + body[-1:]))
                elif kind == wire.PUBLISH and not self._publish(peer, flags, body):
                    return

    def _publish(self, peer, flags, body):
        qos = flags >> 1 & 3
        length, = struct.unpack_from("!H", body)
        topic = body[2:2 + length].decode()
        payload = body[2 + length + (2 if qos else 0):]
        if qos == 1:
            peer.send(wire.packet(wire.PUBACK, 0, body[2 + length:4 + length]))
        with self.lock:
            if self.topic in (None, topic):
                self.topic = topic
                self.count += 1
                lie = self.lies.get(self.count)
            else:
                lie = None
            if lie == "drop":
                return False
            if lie == "hold":
                self.held.append((topic, payload))
                return True
            if lie == "damage":
                payload = payload[:-1]
            for _ in range({"lose": 0, "twice": 2}.get(lie, 1)):
                self._deliver(topic, payload, everybody=lie == "astray")
            while self.held and topic == self.topic:
                self._deliver(*self.held.pop())
        return True

    def _deliver(self, topic, payload, everybody=False):
        for subscriber, filter in self.subscribers:
            if everybody or filter == topic or filter.endswith("/#") and topic.startswith(filter[:-1]):
                subscriber.send(wire.packet(wire.PUBLISH, 0, wire.text(topic) + payload))
