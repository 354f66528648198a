"""Attacks with packets that are wrong, or right and enormous."""

import random

import packets as p
from conversation import conversation
from mutation import mutated
from wire import PUBACK, PUBCOMP, PUBREC, PUBREL

# Of the broker: CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP, DISCONNECT.
FROM_BROKER = {2, 3, 4, 5, 6, 7, 9, 11, 13, 14}
# How the bytes of mutated conversations are cut.
CHUNKS = (1 << 20,) * 9 + (1000, 300, 100)


def well_formed(answer):
    """What the broker said is a row of packets that a server may send; the last one may be cut off."""
    at = 0
    while at < len(answer):
        if answer[at] >> 4 not in FROM_BROKER:
            return False
        length = shift = 0
        at += 1
        while at < len(answer):
            length |= (answer[at] & 0x7F) << shift
            shift += 7
            at += 1
            if answer[at - 1] < 0x80:
                break
        at += length
    return True


def mutations(target):
    """Mutated conversations. A failure names seed and numbers: mutation.py says them again."""
    packets_max = target.many(25000, 1_000_000)
    said = index = 0

    def check(peer):
        assert well_formed(peer.answer), f"seed {target.seed}, conversation {peer.about}: {peer.answer.hex()}"

    with target.crowd(on_close=check) as crowd:
        try:
            while said < packets_max:
                data = mutated(target.seed, index)
                said += len(data)
                crowd.open(b"".join(data), end="reset" if index % 20 == 0 else "finish", keep=True, about=index,
                           chunk=CHUNKS[index % len(CHUNKS)])
                index += 1
                crowd.until(lambda: len(crowd.peers) < 50, "the broker closes them", 30)
            crowd.until_all_closed(30)
        except (AssertionError, OSError) as e:
            under_way = sorted(peer.about for peer in crowd.peers)
            raise AssertionError(f"{e}; seed {target.seed}, conversations {under_way}") from None


def each_packet():
    """(version, CONNECT or nothing, packet) for every type of packet a client sends, full of fields."""
    for version in (3, 4, 5):
        props = p.user_properties(1, "k", "v")
        first = p.connect("wild-cut", version)
        yield version, b"", p.connect("wild-cut", version, user="u", password="pw", will=("wild/w", b"w", 1, False),
                                      props=b"\x11" + p.u32(1) + b"\x21" + p.u16(9) + props,
                                      will_props=b"\x18" + p.u32(0) + props)
        yield version, first, p.publish("wild/cut", b"payload", version, 1, 7, props=b"\x01\x00\x23\x00\x01" + props)
        yield version, first, p.subscribe([("wild/+", 1), ("wild/cut/#", 0)], version, 8, b"\x0b\x07" + props)
        yield version, first, p.unsubscribe(["wild/+", "wild/cut/#"], version, 9, props)
        for kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            yield version, first, p.ack(kind, 7, version, 0x10 if kind < PUBREL else 0, b"\x1f" + p.text("why") + props)
        yield version, first, p.disconnect(version, 4, b"\x1f" + p.text("why") + props)
        yield version, first, p.PING
    yield 5, p.connect("wild-cut", 5), p.packet(p.AUTH, 0, b"\x18" + p.properties(5, b"\x15" + p.text("method")))


def truncated(target):
    """Every packet cut at every byte: with the length of the whole, and with the length of what is left."""
    with target.crowd() as crowd:
        for round_number in range(target.many(1, 10)):
            for _, first, packet in each_packet():
                for at in range(1, len(packet)):
                    start = p.body_of(packet)
                    crowd.open(first + packet[:at], end=("finish", "reset")[round_number % 2])
                    if at >= start:
                        crowd.open(first + p.with_body(packet, packet[start:at]) + p.PING, end="finish")
                    crowd.until(lambda: len(crowd.peers) < 100, "answers")
        crowd.until_all_closed()


def lengths(target):
    """Every place in every packet where a length may stand says something else; lengths of whole packets that
    are too large, too long or not in the shortest form."""
    with target.crowd() as crowd:
        def say(data):
            crowd.open(data, end="finish")
            crowd.until(lambda: len(crowd.peers) < 100, "answers")

        for _, first, packet in each_packet():
            start = p.body_of(packet)
            for at in range(start, len(packet)):
                for number in (b"\xff\xff", b"\x00\x00", b"\x7f", b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x01"):
                    say(first + packet[:at] + number + packet[at + len(number):] + p.PING)
            body = packet[start:]
            for length in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x00", b"\x80\x80\x40",
                           p.varint(len(body)) [:-1] + bytes([p.varint(len(body))[-1] | 0x80]) + b"\x00"):
                say(first + packet[:1] + length + body + p.PING)
        for length in (1 << 20, (1 << 20) + 1, 200 << 20):
            for kind in range(16):
                say(p.connect("wild-long", 4 + kind % 2) + bytes([kind << 4 | 2 * (kind in (6, 8, 10))]) +
                    p.varint(length) + bytes(100000))
        crowd.until_all_closed()


def endless_publish(target):
    """PUBLISHes of nearly 1 MiB whose last byte never comes, from clients that are connected."""
    with target.crowd() as crowd:
        for n in range(target.many(600, 1000)):
            crowd.open(p.connect(f"wild-{n}", 4) + p.publish("wild/endless", bytes(1_040_000), 4)[:-1])
        crowd.press()


def property_bombs(target):
    """10,000 and more user properties in everything that takes them."""
    props = p.user_properties(10000, "k", "v")
    large = p.user_properties(90000, "", "")
    with target.client("wild-reader") as reader, target.crowd() as crowd:
        reader.subscribe("wild/#", 1)
        for n in range(target.many(10, 200)):
            name = f"wild-{n % 40}"
            first = p.connect(name, 5)
            for data in (p.connect(name, 5, props=props), p.connect(name, 5, props=large),
                         p.connect(name, 5, will=("wild/will", b"w", 1, n % 2), will_props=props),
                         first + p.publish("wild/props", b"x", 5, 1, props=props) + p.PING,
                         first + p.publish("wild/kept", b"x", 5, 1, retain=True, props=large) + p.PING,
                         first + p.subscribe([("wild/none", 1)], 5, props=props) + p.PING,
                         first + p.unsubscribe(["wild/none"], 5, props=props) + p.PING,
                         first + p.ack(PUBREC, 1, 5, 0, props) + p.PING,
                         first + p.ack(PUBREL, 1, 5, 0, props) + p.PING,
                         first + p.disconnect(5, 4, props),
                         first + p.subscribe([("wild/none", 1)], 5, props=(b"\x0b\x01" * 10000)) + p.PING,
                         first + p.publish("wild/x", b"", 5, props=b"\x01\x01" * 10000)):
                crowd.open(data, end="finish")
            crowd.until(lambda: len(crowd.peers) < 50, "answers")
        crowd.until_all_closed()
        reader.ping()
        with target.client("wild-kept") as last:
            last.publish("wild/kept", b"", 1, retain=True)
            last.recv()


def topic_aliases(target):
    """Aliases that were never set, are too large, are zero; tables full of long topics on many connections."""
    long_topic = "wild/" + "t" * 4000
    with target.crowd() as crowd:
        for n in range(target.many(500, 4000)):
            first = p.connect(f"wild-{n}", 5)

            def alias(number, topic):
                return p.publish(topic, b"x", 5, props=b"\x23" + p.u16(number))
            for data in (alias(0, "wild/a"), alias(17, "wild/a"), alias(65535, "wild/a"), alias(1, ""),
                         alias(1, "wild/a") + alias(2, ""), alias(1, "wild/+"),
                         p.publish("wild/a", b"", 5, props=b"\x23\0\1\x23\0\2")):
                crowd.open(first + data + p.PING, end="finish")
            crowd.until(lambda: len(crowd.peers) < 100, "answers")
        crowd.until_all_closed()
        for n in range(target.many(500, 2000)):
            crowd.open(p.connect(f"wild-{n}", 5) +
                       b"".join(alias(number, long_topic + str(number)) for number in range(1, 17)) * 3)
        crowd.press()


def random_bytes(target):
    """Noise, as it is and behind a CONNECT."""
    rng = random.Random(target.seed)
    with target.crowd() as crowd:
        for n in range(target.many(1000, 50000)):
            first = rng.choice((b"", conversation(rng)[1][0]))
            crowd.open(first + rng.randbytes(rng.randrange(2000)), end="finish")
            crowd.until(lambda: len(crowd.peers) < 100, "answers")
        crowd.until_all_closed()
