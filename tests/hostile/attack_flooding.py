"""Attacks by clients that send much, or read nothing."""

import packets as p
from wire import PUBACK, PUBCOMP, PUBREC, PUBREL


def qos2_without_pubrel(target):
    """QoS 2 messages that are never released: within receive maximum by very many, beyond it by some."""
    def flood(first, last):
        return b"".join(p.publish("wild/two", b"x" * 50, 5, 2, n) for n in range(first, last))

    with target.crowd() as crowd:
        for n in range(target.many(500, 4000)):
            crowd.open(p.connect(f"wild-{n}", 5, props=b"\x11" + p.u32(1)) + flood(1, 101 if n % 5 else 60000 // (1 + n)))
            crowd.turn(0)
        crowd.press()


def unknown_acknowledgements(target):
    """PUBACK, PUBREC, PUBREL and PUBCOMP for messages that never were, by clients that do not read."""
    with target.crowd(receive_buffer=4096) as crowd:
        for n in range(target.many(40, 200)):
            version = 4 + n % 2
            acks = b"".join(p.ack(kind, 1 + m % 60000, version) for m in range(5000)
                            for kind in ((PUBREL,), (PUBREC,), (PUBACK, PUBREC, PUBREL, PUBCOMP))[n % 3])
            crowd.open(p.connect(f"wild-{n}", version) + acks * 4, reads=n % 2 == 0)
        crowd.press()


def unread_answers(target):
    """Requests whose answers nobody reads: PINGREQ, SUBSCRIBE, UNSUBSCRIBE, QoS 1 and 2."""
    requests = (p.PING, p.subscribe([("wild/u", 1)] * 50, 5), p.unsubscribe(["wild/none"] * 50, 5),
                p.publish("wild/none", b"", 5, 1), p.publish("wild/none", b"", 5, 2) + p.ack(PUBREL, 1, 5))
    with target.crowd(receive_buffer=4096) as crowd:
        for n in range(target.many(100, 500)):
            data = requests[n % len(requests)]
            crowd.open(p.connect(f"wild-{n}", 5) + data * (target.many(1 << 20, 4 << 20) // len(data)), reads=False)
        crowd.press()


def slow_readers(target, qos, readers, size, total, own_topics=False):
    """Subscribers that never read, while others publish `total` bytes."""
    with target.crowd(receive_buffer=4096) as crowd, target.crowd() as writers:
        for n in range(readers):
            name = f"wild/slow/{n}" if own_topics else "wild/slow/#"
            crowd.open(p.connect(f"wild-{n}", 4 + n % 2) + p.subscribe([(name, qos)], 4 + n % 2), reads=False)
        crowd.press(0.2)
        count = total // size
        for w in range(20):
            messages = b"".join(p.publish(f"wild/slow/{n % readers}", bytes(size), 5, qos, 1 + n % 60000)
                                for n in range(w, count, 20))
            writers.open(p.connect(f"wild-writer-{w}", 5) + messages, end="finish")
        writers.until_all_closed(60)


def slow_readers_qos0(target):
    slow_readers(target, 0, target.many(200, 1000), 1000, target.many(8 << 20, 64 << 20))


def slow_readers_qos0_large(target):
    slow_readers(target, 0, target.many(200, 1000), 200_000, target.many(64 << 20, 512 << 20))


def slow_readers_qos1(target):
    slow_readers(target, 1, target.many(200, 1000), 1000, target.many(8 << 20, 64 << 20))


def slow_readers_qos1_own_topics(target):
    """Every reader has a queue of its own messages."""
    slow_readers(target, 1, target.many(100, 400), 4000, 64 << 20, own_topics=True)


def trickle_readers(target):
    """Subscribers that read 40 bytes now and then, and acknowledge nothing; the broker has something to write all
    the time."""
    with target.crowd(receive_buffer=4096) as readers, target.crowd() as writers:
        for n in range(target.many(100, 500)):
            readers.open(p.connect(f"wild-{n}", 4 + n % 2) + p.subscribe([("wild/slow/#", n % 3)], 4 + n % 2), chunk=40)
        readers.press(0.1)
        for w in range(10):
            writers.open(p.connect(f"wild-writer-{w}", 5) + b"".join(
                p.publish(f"wild/slow/{n}", bytes(3000), 5, n % 2, 1 + n) for n in range(target.many(40, 400))),
                end="finish")
        while writers.peers:
            writers.turn(0.01)
            readers.turn(0)


def distinct_topics(target):
    """Every message has a topic of its own, and every filter lives for a moment: nothing of them may stay."""
    with target.client("wild-reader") as reader, target.crowd() as crowd:
        reader.subscribe("wild/#", 0)
        for n in range(20):
            names = [f"wild/{n}/{m}/{'t' * 60}/{m}" for m in range(target.many(500, 10000))]
            said = b"".join(p.publish(name, b"", 4, m % 2, 1 + m) + p.subscribe([(name + "/+", 1)], 4, 1 + m) +
                            p.unsubscribe([name + "/+"], 4, 1 + m) for m, name in enumerate(names))
            crowd.open(p.connect(f"wild-{n}", 4) + said, end="finish")
        reader.socket.setblocking(False)
        while crowd.peers:
            crowd.turn(0.01)
            try:
                reader.socket.recv(1 << 20)
            except BlockingIOError:
                pass


def will_storm(target):
    """Everybody has a large will and is gone at once; some read them, some do not; some are delayed."""
    with target.crowd(receive_buffer=4096) as readers, target.crowd() as crowd:
        for n in range(10):
            readers.open(p.connect(f"wild-reader-{n}", 5) + p.subscribe([("wild/will/#", n % 3)], 5), reads=n % 2 == 0)
        readers.press(0.1)
        for _ in range(target.many(2, 10)):
            for n in range(target.many(500, 2000)):
                delay = b"\x18" + p.u32(n % 3)
                crowd.open(p.connect(f"wild-{n}", 5, props=b"\x11" + p.u32(2), will_props=delay,
                                     will=(f"wild/will/{n}", bytes(30000 if n % 4 == 0 else 300), n % 3, False)))
                crowd.turn(0)
            crowd.press(0.2)
            for n, peer in enumerate(list(crowd.peers)):
                crowd.drop(peer, reset=n % 2 == 0)
                readers.turn(0)


def publish_flood(target):
    """As much as one can, at every QoS, into nothing and to readers that acknowledge nothing."""
    with target.crowd() as readers, target.crowd() as crowd:
        for qos in (0, 1, 2):
            readers.open(p.connect(f"wild-reader-{qos}", 5) + p.subscribe([("wild/flood/read", qos)], 5))
        readers.press(0.1)
        for n in range(target.many(20, 50)):
            topic = ("wild/flood/read", "wild/flood/unread")[n % 2]
            messages = b"".join(p.publish(topic, b"x" * 100, 5, m % 3, 1 + m % 90) + p.ack(PUBREL, 1 + m % 90, 5)
                                for m in range(500))
            crowd.open(p.connect(f"wild-{n}", 5) + messages * target.many(1, 40), end="finish")
        while crowd.peers:
            crowd.turn(0.01)
            readers.turn(0)
