"""Attacks before and around CONNECT."""

import time

import packets as p

# Of the instances under test.
CONNECT_TIMEOUT_S = 2
CONNECTIONS_MAX = 3000


def half_open(target):
    """2,000 connections that say nothing, or one byte; meanwhile others still get in."""
    with target.crowd() as crowd:
        for n in range(2000):
            crowd.open(b"\x10" if n % 2 else b"")
            if n % 50 == 0:
                crowd.turn(0)
        crowd.press()
        target.serves()
        crowd.until_all_closed(CONNECT_TIMEOUT_S + 10)


def byte_by_byte(target):
    """CONNECTs of which a byte comes now and then, never all of them."""
    whole = p.connect("slow", 5, props=p.user_properties(3000), will=("wild/will", b"x" * 100, 1, False))
    with target.crowd() as crowd:
        slow = [crowd.open(whole[:1]) for _ in range(target.many(300, 900))]
        at = 1
        deadline = time.monotonic() + CONNECT_TIMEOUT_S + 10
        while crowd.peers:
            assert time.monotonic() < deadline, "a CONNECT may take for ever"
            for peer in slow:
                crowd.send(peer, whole[at:at + 1])
            at += 1
            crowd.turn(0.05)
        assert all(peer.received == 0 for peer in slow)


def endless_connect(target):
    """CONNECTs of nearly 1 MiB whose last byte never comes."""
    whole = p.connect("endless", 5, props=p.user_properties(74000))
    assert 1_000_000 < len(whole) < 1 << 20
    with target.crowd() as crowd:
        for _ in range(target.many(200, 900)):
            crowd.open(whole[:-1])
        crowd.press()
        crowd.until_all_closed(CONNECT_TIMEOUT_S + 10)


def connect_flood(target):
    """Connections that come and go as fast as possible, with and without CONNECT."""
    with target.crowd() as crowd:
        count = target.many(4000, 40000)
        while crowd.opened < count:
            while len(crowd.peers) < 100:
                n = crowd.opened
                data = (p.connect(f"flood-{n}", 4 + n % 2), b"", p.connect("", 5) + p.PING, p.connect("", 3))[n % 4]
                crowd.open(data, end=("finish", "reset")[n % 3 == 0])
            crowd.turn()
        crowd.until_all_closed(30)


def foreign_protocols(target):
    """What speaks something else."""
    said = [b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
            b"AMQP\x00\x01\x00\x00", b"CONNECTED\n\n\0", b"\0" * 4096, b"\xff" * 65536, b"\x10" * 4096, b"\r\n" * 1000,
            p.packet(1, 0, p.text("MQTT") + bytes([6, 2, 0, 0]) + p.text("")),
            p.packet(1, 0, p.text("mqtt") + bytes([4, 2, 0, 0]) + p.text("")),
            p.packet(1, 0, p.text("M" * 65535)), p.PING, p.publish("wild/a"), p.disconnect()]
    with target.crowd() as crowd:
        for _ in range(target.many(40, 400)):
            for data in said:
                crowd.open(data, end="finish")
                crowd.turn(0)
        crowd.until_all_closed()


def too_many(target):
    """More clients than the instance takes; who is in stays in."""
    def answered(code):
        return sum(len(peer.answer) > 3 and peer.answer[3] == code for peer in peers)

    with target.crowd() as crowd:
        peers = []
        for n in range(CONNECTIONS_MAX + 500):
            peers.append(crowd.open(p.connect(f"wild-{n}", 4 + n % 2) + p.subscribe([(f"wild/{n}", 1)], 4 + n % 2),
                                    keep=True))
            if n % 50 == 0:
                crowd.turn(0)
        crowd.until(lambda: all(peer.answer for peer in peers), "answers")
        # Two connections are of the well-behaved pair.
        assert answered(0) == CONNECTIONS_MAX - 2, f"{answered(0)} clients are in"
        assert answered(3) + answered(0x97) == 502


def long_client_ids(target):
    """Sessions that are kept, each with a name as long as it can be."""
    with target.crowd() as crowd:
        for n in range(target.many(1500, 5000)):
            name = f"{n:08}" + "n" * 65527
            crowd.open(p.connect(name, 5, props=b"\x11" + p.u32(target.many(5, 600))), end="finish")
            crowd.until(lambda: len(crowd.peers) < 50, "answers")
        crowd.until_all_closed()


def take_over_storm(target):
    """Everybody has the same client id."""
    with target.crowd() as crowd:
        count = target.many(2000, 40000)
        while crowd.opened < count:
            while len(crowd.peers) < 50 and crowd.opened < count:
                n = crowd.opened
                version = 4 + n % 2
                kept = b"\x11" + p.u32(60) if n % 4 < 2 else b""
                crowd.open(p.connect("wild-one", version, clean=n % 3 == 0, props=kept,
                                     will=("wild/gone", b"x", 1, False)) +
                           p.subscribe([("wild/#", 1)], version) + p.publish("wild/x", bytes(50), version, 1))
            crowd.turn()
        crowd.until(lambda: len(crowd.peers) <= 1, "one is left")


def resume_storm(target):
    """A session with a full queue is resumed again and again by somebody who is gone before reading it."""
    kept = b"\x11" + p.u32(60)
    with target.crowd() as crowd:
        crowd.open(p.connect("wild-full", 5, props=kept) + p.subscribe([("wild/full", 1)], 5), end="finish")
        crowd.until_all_closed()
        messages = b"".join(p.publish("wild/full", bytes(500), 5, 1, 1 + n % 60000) for n in range(9000))
        crowd.open(p.connect("wild-writer", 5) + messages, end="finish")
        crowd.until_all_closed()
        for n in range(target.many(1000, 20000)):
            receive = b"\x21" + p.u16((1, 100, 65535)[n % 3])
            crowd.open(p.connect("wild-full", 5, clean=False, props=kept + receive), reads=n % 2 == 0,
                       end=(None, "reset", "finish")[n % 3])
            crowd.until(lambda: len(crowd.peers) < 20 or [crowd.drop(peer) for peer in list(crowd.peers)], "answers")
    with target.client("wild-full", clean=True):
        pass


def tiny_maximum(target):
    """Clients that accept packets of a few bytes only, and subscribe to everything."""
    with target.crowd() as crowd:
        for n in range(target.many(500, 5000)):
            most = (1, 2, 5, 20, 40)[n % 5]
            crowd.open(p.connect(f"wild-{n % 50}", 5, props=b"\x27" + p.u32(most) + b"\x21" + p.u16(1)) +
                       p.subscribe([("wild/#", 2)] * 50, 5) + p.publish("wild/tiny", b"x" * 100, 5, 1) * 20 +
                       p.publish("wild/tiny", b"x", 5, 2, 9) + p.disconnect(5, 0xFF), end="finish")
            crowd.until(lambda: len(crowd.peers) < 50, "answers")
        crowd.until_all_closed()


def churn(target):
    """Clients that connect, subscribe, publish and vanish; half of their sessions stay."""
    with target.crowd() as crowd:
        count = target.many(3000, 100000)
        while crowd.opened < count:
            while len(crowd.peers) < 100 and crowd.opened < count:
                n = crowd.opened
                kept = b"\x11" + p.u32(target.many(5, 600)) if n % 2 else b""
                data = p.connect(f"churn-{n}", 5, props=kept, will=("wild/gone", b"x" * 20, 0, False)) + \
                    p.subscribe([(f"wild/{n}/#", 1), ("wild/+/all", 2)], 5) + p.publish(f"wild/{n}/x", b"y" * 30, 5, 1)
                crowd.open(data + p.disconnect(5) * (n % 3 == 0), end=("finish", "finish", "reset")[n % 3])
            crowd.turn()
        crowd.until_all_closed()
