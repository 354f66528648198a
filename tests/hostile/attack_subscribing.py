"""Attacks on the subscription tree and the retained messages."""

import itertools

import packets as p

LEVELS = 10000


def subscriptions(filters, version=5, at_once=100):
    """SUBSCRIBEs for many filters."""
    filters = list(filters)
    return b"".join(p.subscribe([(name, 1) for name in filters[at:at + at_once]], version, 1 + at % 60000)
                    for at in range(0, len(filters), at_once))


def deep_topics(target):
    """Topics and filters of 10,000 levels, and as deep and long as is allowed."""
    deep = "/" * (LEVELS - 1)
    named = "/".join("l" * LEVELS)
    with target.client("wild-reader") as reader, target.crowd() as crowd:
        reader.subscribe("wild/#", 1)
        for n in range(target.many(30, 300)):
            for version in (3, 4, 5):
                first = p.connect(f"wild-{version}-{n}", version)
                for data in ([p.publish(t, b"x", version, qos, 1, retain=True)
                              for t in (deep, named, "/" * 65535) for qos in (0, 1, 2)] +
                             [p.subscribe([(f, 1)], version)
                              for f in (deep, named, named + "/#", "+/" * (LEVELS - 1) + "+", "+/" * 32000 + "#")] +
                             [p.unsubscribe([deep, named, "+/" * (LEVELS - 1) + "+"], version),
                              p.publish("wild/" + "/".join("l" * 126), b"x", version, 1),
                              p.publish("wild/" + "l" * 4000, b"x", version, 1),
                              p.publish("wild/" + "/" * 126, b"x", version, 1),
                              p.publish("wild/" + "/" * 127, b"x", version, 1)]):
                    crowd.open(first + data + p.PING, end="finish")
                crowd.until(lambda: len(crowd.peers) < 100, "answers")
        crowd.until_all_closed()
        reader.ping()


def plus_filters(target):
    """`+/+/+/…`: every mixture of `+` and a name in ten levels, held by many; then topics that match them all."""
    mixtures = ["/".join(m) for m in itertools.product(("+", "a"), repeat=10)][:1000]
    with target.crowd() as crowd:
        for n in range(target.many(20, 100)):
            crowd.open(p.connect(f"wild-{n}", 5) + subscriptions(mixtures))
        crowd.press()
        with target.client("wild-writer") as writer:
            for n in range(target.many(200, 1000)):
                writer.publish("/".join("a" * 10), b"x", n % 2, packet_id=1 + n % 60000)
                writer.publish("/".join("a" * 9) + f"/{n}", b"x", n % 2, packet_id=1 + n % 60000)
                if n % 20 == 0:
                    writer.ping()
            writer.ping()


def deep_plus_filters(target):
    """Filters of 128 levels, names and `+` at random, so that a topic walks through as many nodes as can be."""
    rng = target.rng
    with target.crowd() as crowd:
        for n in range(target.many(4, 8)):
            filters = {"/".join(rng.choice("+a") for _ in range(128)) for _ in range(1000)}
            crowd.open(p.connect(f"wild-{n}", 5) + subscriptions(sorted(filters)))
            crowd.press()
        with target.client("wild-writer") as writer:
            for n in range(target.many(10, 30)):
                writer.publish("/".join("a" * 127) + f"/{n}", b"x", 1, packet_id=1 + n)
            writer.ping()


def subscribe_bomb(target):
    """As many filters as are allowed and more, again and again, by many clients."""
    filters = [f"wild/{n}/+/{'x' * 20}/#" for n in range(1200)]
    with target.crowd() as crowd:
        for n in range(target.many(30, 100)):
            crowd.open(p.connect(f"wild-{n}", 4 + n % 2) +
                       (subscriptions(filters, 4 + n % 2) +
                        subscriptions((f"wild/{n}/{m}" for m in range(300)), 4 + n % 2, 7)) * target.many(3, 10) +
                       p.unsubscribe(filters, 4 + n % 2), end="finish")
        crowd.until_all_closed(60)


def wide_subscribe(target):
    """SUBSCRIBE and UNSUBSCRIBE packets of 1 MiB with as many filters as fit."""
    entries = b"\x00\x01a\x01" * 250000
    with target.crowd() as crowd:
        for n in range(target.many(5, 100)):
            data = p.packet(8, 2, p.u16(1) + entries) + p.packet(10, 2, p.u16(2) + b"\x00\x01a" * 300000)
            crowd.open(p.connect(f"wild-{n}", 4) + data, end="finish")
        crowd.until_all_closed(60)


def retain(target, count, topic="wild/kept/{}", size=16):
    """Retained messages, `count` of them; afterwards they are cleared with `size` 0."""
    with target.crowd() as crowd:
        data = p.connect("wild-retainer", 4) + b"".join(
            p.publish(topic.format(n), bytes(size), 4, 0, retain=True) for n in range(count))
        crowd.open(data, end="finish")
        crowd.until_all_closed(60)


def retained_again(target):
    """Very many retained messages are asked for again and again by some who read and some who do not."""
    count = target.many(20000, 90000)
    retain(target, count)
    target.prepared()
    with target.crowd(receive_buffer=4096) as crowd:
        for n in range(40):
            version = 4 + n % 2
            crowd.open(p.connect(f"wild-{n}", version) +
                       b"".join(p.subscribe([("wild/kept/#", n % 3)], version, 1 + m) for m in range(20)),
                       reads=n % 4 == 0)
        crowd.press()
    retain(target, count, size=0)


def deep_retained(target):
    """Retained messages on topics of 128 levels that share none, cleared, and set again."""
    for _ in range(2):
        for size in (1, 0):
            retain(target, target.many(1000, 4000), "wild/{0}/" + "/".join(f"{{0}}-{n}" for n in range(100)), size)


def shared_groups(target):
    """Shared subscriptions in very many groups, whose members come and go."""
    with target.crowd() as crowd:
        for n in range(target.many(30, 300)):
            crowd.open(p.connect(f"wild-{n}", 5) +
                       subscriptions(f"$share/g{n}-{m}/wild/shared/#" for m in range(500)) +
                       subscriptions(f"$share/g{m}/wild/shared/+" for m in range(300)) +
                       p.publish("wild/shared/x", b"x" * 100, 5, 1) * 20, end=("finish", "reset")[n % 2])
            crowd.until(lambda: len(crowd.peers) < 10, "answers", 60)
        crowd.until_all_closed(60)
