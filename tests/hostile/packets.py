"""Packets of a client as bytes, legal and not quite, of all three versions (3, 4, 5)."""

import struct

from wire import (CONNECT, DISCONNECT, PINGREQ, PUBLISH, SUBSCRIBE, UNSUBSCRIBE,  # noqa: F401
                  packet, text, varint)

AUTH = 15
PING = packet(PINGREQ, 0, b"")
NAMES = {3: "MQIsdp", 4: "MQTT", 5: "MQTT"}


def properties(version, raw=b""):
    return varint(len(raw)) + raw if version == 5 else b""


def user_properties(count, name="name", value="value"):
    return (b"\x26" + text(name) + text(value)) * count


def u16(number):
    return struct.pack("!H", number)


def u32(number):
    return struct.pack("!I", number)


def connect(client_id="", version=4, clean=True, keep_alive=0, user=None, password=None, will=None, props=b"",
            will_props=b""):
    """`will` is (topic, payload, qos, retain)."""
    flags = 2 * clean
    body = text(client_id)
    if will:
        topic, payload, qos, retain = will
        flags |= 4 | qos << 3 | retain << 5
        body += properties(version, will_props) + text(topic) + text(payload)
    if user is not None:
        flags |= 0x80
        body += text(user)
    if password is not None:
        flags |= 0x40
        body += text(password)
    head = text(NAMES[version]) + bytes([version, flags]) + u16(keep_alive) + properties(version, props)
    return packet(CONNECT, 0, head + body)


def publish(topic, payload=b"", version=4, qos=0, packet_id=1, retain=False, dup=False, props=b""):
    body = text(topic) + (u16(packet_id) if qos else b"") + properties(version, props) + payload
    return packet(PUBLISH, dup << 3 | qos << 1 | retain, body)


def subscribe(filters, version=4, packet_id=1, props=b""):
    """`filters` are (filter, options)."""
    entries = b"".join(text(name) + bytes([options]) for name, options in filters)
    return packet(SUBSCRIBE, 2, u16(packet_id) + properties(version, props) + entries)


def unsubscribe(filters, version=4, packet_id=1, props=b""):
    return packet(UNSUBSCRIBE, 2, u16(packet_id) + properties(version, props) + b"".join(map(text, filters)))


def ack(kind, packet_id, version=4, code=None, props=None):
    """PUBACK, PUBREC, PUBREL, PUBCOMP."""
    body = u16(packet_id)
    if version == 5 and code is not None:
        body += bytes([code]) + (properties(5, props) if props is not None else b"")
    return packet(kind, 2 * (kind == 6), body)


def disconnect(version=4, code=None, props=None):
    body = b""
    if version == 5 and code is not None:
        body = bytes([code]) + (properties(5, props) if props is not None else b"")
    return packet(DISCONNECT, 0, body)


def body_of(data):
    """Where the body of a packet begins: after its type and length."""
    at = 1
    while at < 4 and data[at:at + 1] >= b"\x80":
        at += 1
    return min(len(data), at + 1)


def with_body(data, body):
    """The packet with another body and the length that fits it."""
    return data[:1] + varint(len(body)) + body
