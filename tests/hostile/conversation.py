"""Whole conversations of a valid client, from CONNECT on, made from a random source."""

import packets as p
from wire import PUBACK, PUBCOMP, PUBREC, PUBREL

LEVELS = ("wild", "a", "b", "", "plant", "é", "温", "x" * 40)
FILTER_LEVELS = LEVELS + ("+", "+")
CLIENTS = [""] + [f"wild-{n}" for n in range(40)]


def topic(rng):
    return "/".join(["wild"] + [rng.choice(LEVELS) for _ in range(rng.randrange(4))])


def filter_name(rng, version):
    name = "/".join(["wild"] + [rng.choice(FILTER_LEVELS) for _ in range(rng.randrange(4))])
    if rng.random() < 0.3:
        name += "/#"
    kind = rng.random()
    if kind < 0.1:
        return "$SYS/#"
    if kind < 0.2 and version == 5:
        return f"$share/g{rng.randrange(3)}/{name}"
    return name


def payload(rng):
    return bytes(rng.choice((0, 1, 20, 20, 200, 3000)))


def user_props(rng):
    return p.user_properties(rng.randrange(3), "k", "v" * rng.randrange(20)) if rng.random() < 0.3 else b""


def publish_props(rng):
    raw = user_props(rng)
    for identifier, value in ((0x01, bytes([rng.randrange(2)])), (0x02, p.u32(rng.randrange(3))), (0x03, p.text("t/p")),
                              (0x08, p.text("answer/here")), (0x09, p.text(b"\1\2\3")), (0x23, p.u16(1 + rng.randrange(16)))):
        if rng.random() < 0.15:
            raw += bytes([identifier]) + value
    return raw


def connect_props(rng):
    raw = user_props(rng)
    for identifier, value in ((0x11, p.u32(rng.choice((0, 1, 5)))), (0x21, p.u16(1 + rng.randrange(100))),
                              (0x27, p.u32(100 + rng.randrange(100000))), (0x22, p.u16(rng.randrange(10))),
                              (0x19, b"\1"), (0x17, b"\0")):
        if rng.random() < 0.2:
            raw += bytes([identifier]) + value
    return raw


def connect(rng, version):
    will = None
    will_props = b""
    if rng.random() < 0.3:
        will = (topic(rng), payload(rng), rng.randrange(3), rng.random() < 0.2)
        will_props = b"\x18" + p.u32(rng.randrange(2)) if rng.random() < 0.5 else b""
    client_id = rng.choice(CLIENTS)
    clean = not client_id or rng.random() < 0.7
    if version != 5 and not client_id:
        client_id = "wild-anonymous"
    user = "somebody" if rng.random() < 0.1 else None
    return p.connect(client_id, version, clean, rng.choice((0, 10, 600)), user=user,
                     password="secret" if user else None, will=will, props=connect_props(rng), will_props=will_props)


def step(rng, version, packet_id):
    """Packets of one exchange."""
    kind = rng.randrange(10)
    props = publish_props(rng) if version == 5 else b""
    if kind < 2:
        return [p.publish(topic(rng), payload(rng), version, 0, retain=rng.random() < 0.1, props=props)]
    if kind == 2:
        return [p.publish(topic(rng), payload(rng), version, 1, packet_id, rng.random() < 0.1, props=props)]
    if kind == 3:
        done = [p.publish(topic(rng), payload(rng), version, 2, packet_id, props=props)]
        if rng.random() < 0.3:
            done.append(p.publish(topic(rng), payload(rng), version, 2, packet_id, dup=True, props=props))
        return done + [p.ack(PUBREL, packet_id, version, rng.choice((None, 0)))]
    if kind < 6:
        options = rng.choice((0, 1, 2, 5, 10, 26) if version == 5 else (0, 1, 2))
        filters = [(filter_name(rng, version), options & 0xFB) for _ in range(1 + rng.randrange(4))]
        props = b"\x0b" + p.varint(1 + rng.randrange(300)) if version == 5 and rng.random() < 0.3 else b""
        return [p.subscribe(filters, version, packet_id, props)]
    if kind == 6:
        return [p.unsubscribe([filter_name(rng, version)], version, packet_id)]
    if kind == 7:  # for what the broker may have sent meanwhile
        sent_id = 1 + rng.randrange(5)
        return [p.ack(rng.choice((PUBACK, PUBREC)), sent_id, version), p.ack(PUBCOMP, sent_id, version)][:1 + rng.randrange(2)]
    return [p.PING]


def conversation(rng):
    """A version and its packets, in order."""
    version = rng.choice((3, 4, 4, 5, 5, 5))
    said = [connect(rng, version)]
    for packet_id in range(1, 2 + rng.randrange(12)):
        said += step(rng, version, packet_id)
    if rng.random() < 0.5:
        said.append(p.disconnect(version, rng.choice((None, 0, 4))))
    return version, said
