"""What a worker needs for a burst it gives back when the burst is over."""

import os
import selectors
import socket
import threading
import time
from pathlib import Path

import pytest

from fleet import wait_until
from wire import CONNACK, SUBSCRIBE, Wire, connect_packet, packet, text

pytestmark = [pytest.mark.release, pytest.mark.alone]

# Room for every burst; few in flight, so that the rest has to queue in the broker.
INSTANCE = """
[instances.burst]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
persistence = "none"
[instances.burst.limits]
connections = 15000
connects_per_second = 15000
half_open = 5000
subscriptions = 100000
inflight = 5
queued_bytes_total = 2000000000
queued_bytes_connected = 2000000000
"""


def resident_kb(pid):
    """Its own memory: pages of the program that were needed once are no memory it took."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anonymous:"))


class Crowd:
    """Many connections that never read again once they are there."""

    def __init__(self, port, count, subscribe=None, clean=True):
        self.sockets = []
        for first in range(0, count, 500):
            some = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(min(500, count - first))]
            for i, s in enumerate(some, first):
                hello = connect_packet(f"crowd{i}", clean=clean)
                if subscribe:
                    hello += packet(SUBSCRIBE, 2, b"\0\1" + text(subscribe(i)) + b"\1")
                s.sendall(hello)
            for s in some:
                self.wait_for(s, 9 if subscribe else 4)
            self.sockets += some

    @staticmethod
    def wait_for(s, count):
        data = b""
        while len(data) < count:
            more = s.recv(count - len(data))
            assert more, "closed"
            data += more
        assert data[0] >> 4 == CONNACK and data[3] == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.sockets:
            s.close()


def connections(port):
    with Crowd(port, 10000, lambda i: f"a/{i}/b"):
        yield


def queues(port):
    with Crowd(port, 10000, lambda i: "all"), Wire(port) as publisher:
        publisher.connect("publisher")
        for i in range(100):
            publisher.publish("all", b"x" * 100, 1, packet_id=i + 1)
        publisher.ping()
        yield


def sessions(port):
    with Crowd(port, 10000, lambda i: "all", clean=False):
        pass
    with Wire(port) as publisher:
        publisher.connect("publisher")
        for i in range(100):
            publisher.publish("all", b"x" * 100, 1, packet_id=i + 1)
        publisher.ping()
        yield
    with Crowd(port, 10000):
        pass


def subscriptions(port):
    with Crowd(port, 100) as crowd:
        for i, s in enumerate(crowd.sockets):
            for part in range(10):
                filters = b"".join(text(f"site{i}/line{part}/+/device{j}/#") + b"\1" for j in range(100))
                s.sendall(packet(SUBSCRIBE, 2, b"\0\1" + filters))
                s.recv(4096)
        with Wire(port) as c:
            c.connect("ping")
            c.ping()
        yield


def retained(port):
    def store(payload):
        for i in range(50000):
            c.publish(f"site{i % 100}/device{i}/state", payload, retain=True)
            if i % 1000 == 0:
                c.ping()
        c.ping()

    with Wire(port) as c:
        c.connect("publisher")
        store(b"x" * 64)
        yield
        store(b"")


def large(port):
    with Crowd(port, 50, lambda i: "large"), Wire(port) as publisher:
        publisher.connect("publisher")
        for i in range(100):
            publisher.publish("large", bytes(1000000), 1, packet_id=i + 1)
        publisher.ping()
        yield


def topics(port):
    """Results by topic are remembered."""
    with Crowd(port, 20, lambda i: "t/#"), Wire(port) as publisher:
        publisher.connect("publisher")
        for i in range(20000):
            publisher.publish(f"t/{i}/" + "x" * 100)
            if i % 1000 == 0:
                publisher.ping()
        publisher.ping()
        yield


def incomplete(port):
    with Crowd(port, 1000) as crowd:
        for s in crowd.sockets:
            s.sendall(b"\x30\x80\x80\x20\0\1t" + bytes(20000))
        with Wire(port) as c:
            c.connect("ping")
            c.ping()
        time.sleep(0.2)
        yield


KINDS = [connections, queues, sessions, subscriptions, retained, large, topics, incomplete]
LEFT_KB_MAX = 1024


HOW = {"none": 'persistence = "none"', "crash_safe": 'persistence = "crash_safe"',
       "threads": 'persistence = "none"\nthreads = 2'}


@pytest.mark.parametrize("burst, how", [(kind, "none") for kind in KINDS] +
                         [(kind, "crash_safe") for kind in (sessions, retained)] +
                         [(kind, "threads") for kind in (connections, subscriptions, retained, topics)],
                         ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_a_burst_leaves_no_memory_behind(make_fleet, burst, how):
    fleet = make_fleet(INSTANCE.replace(HOW["none"], HOW[how])).start()
    port, pid = fleet.port("burst"), fleet.pid("burst")
    with Wire(port) as c:
        c.connect("first")
    time.sleep(1)
    before = resident_kb(pid)
    for _ in burst(port):
        most = resident_kb(pid)
    wait_until(lambda: fleet.ps()["burst"]["clients"] == 0, "all gone")

    def given_back():
        time.sleep(0.2)
        return resident_kb(pid) <= before + LEFT_KB_MAX

    try:
        wait_until(given_back, "memory given back", 10)
    finally:
        print(f"{burst.__name__}: idle {before} kB, in the burst {most} kB, {resident_kb(pid) - before:+} kB afterwards")
    assert fleet.pid("burst") == pid and most > before + 4 * LEFT_KB_MAX


class Readers(threading.Thread):
    """Reads what comes on many connections, and counts it."""

    def __init__(self, sockets):
        super().__init__(daemon=True)
        self.received = 0
        self.end = False
        self.selector = selectors.DefaultSelector()
        for s in sockets:
            self.selector.register(s, selectors.EVENT_READ)
        self.start()

    def run(self):
        while not self.end:
            for key, _ in self.selector.select(0.05):
                self.received += len(key.fileobj.recv(1 << 20))


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("qos", [0, 1])
def test_large_messages_are_kept_once_however_many_are_slow(make_fleet, qos):
    """100 readers, of whom every second one does not read: 1 MiB for each would be 1 GiB after 20 messages."""
    count, size = 20, 1 << 20
    fleet = make_fleet(INSTANCE + "packet_size = 2097152\n").start()
    port, pid = fleet.port("burst"), fleet.pid("burst")
    before = most = resident_kb(pid)
    with Crowd(port, 100, lambda i: "large") as crowd, Wire(port) as publisher:
        publisher.connect("publisher")
        readers = Readers(crowd.sockets[::2])
        spent = cpu_s(pid)
        inflight = 5  # unacknowledged, as INSTANCE says: what is more waits in the queue
        for i in range(count):
            publisher.publish("large", bytes(size), qos, packet_id=i + 1)
            publisher.ping()
            most = max(most, resident_kb(pid))
            wanted = 50 * size * (min(i + 1, inflight) if qos else i + 1)
            wait_until(lambda: readers.received >= wanted, f"message {i + 1} with all who read")
        most = max(most, resident_kb(pid))
        readers.end = True
        readers.join()
        print(f"QoS {qos}: {most - before} kB more for {count} messages of 1 MiB to 100 readers, half of them slow; "
              f"{(cpu_s(pid) - spent) * 1e6 / (readers.received / size):.0f} us CPU for each that was read")
        kept = count if qos else 4
        assert most - before < (kept + 4) * 1024
