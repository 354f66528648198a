"""MQTT by hand: packets as bytes over a socket, for tests that need exactly these bytes."""

import socket
import struct

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14


def varint(number):
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("!H", len(raw)) + raw


def packet(kind, flags, body):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def connect_packet(client_id="", version=4, clean=True, keep_alive=0, user=None, password=None, will=None,
                   properties=b""):
    """`will` is (topic, payload, qos, retain)."""
    flags = 2 * clean
    body = text(client_id)
    if will:
        topic, payload, qos, retain = will
        flags |= 4 | qos << 3 | retain << 5
        body += (b"\0" if version == 5 else b"") + text(topic) + text(payload)
    if user is not None:
        flags |= 0x80
        body += text(user)
    if password is not None:
        flags |= 0x40
        body += text(password)
    head = text("MQTT") + bytes([version, flags]) + struct.pack("!H", keep_alive)
    if version == 5:
        head += varint(len(properties)) + properties
    return packet(CONNECT, 0, head + body)


class Wire:
    """A blocking connection. `recv` returns (type, flags, body), or None at end of stream."""

    def __init__(self, port, host="127.0.0.1", timeout=20.0):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        self.version = 4

    @classmethod
    def of(cls, connected):
        """The same for a socket that is connected, such as an accepted one."""
        wire = cls.__new__(cls)
        wire.socket, wire.input, wire.version = connected, b"", 4
        return wire

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def resets(self):
        """From now on closing it is a reset, which takes with it what was not sent yet."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # recv tells

    def _fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.input += data
        return bool(data)

    def recv(self):
        while True:
            length, shift, at = 0, 0, 1
            while at < len(self.input):
                byte = self.input[at]
                length |= (byte & 127) << shift
                shift, at = shift + 7, at + 1
                if byte < 128:
                    if len(self.input) >= at + length:
                        head, body = self.input[0], self.input[at:at + length]
                        self.input = self.input[at + length:]
                        return head >> 4, head & 15, body
                    break
            if not self._fill():
                return None

    def connect(self, client_id="", version=4, **options):
        """CONNECT; returns (session present, code)."""
        self.version = version
        self.send(connect_packet(client_id, version, **options))
        answer = self.recv()
        assert answer and answer[0] == CONNACK, answer
        return bool(answer[2][0]), answer[2][1]

    def subscribe(self, filter, qos=0, packet_id=1):
        """SUBSCRIBE; returns the code. Messages that arrive before SUBACK are dropped."""
        properties = b"\0" if self.version == 5 else b""
        self.send(packet(SUBSCRIBE, 2, struct.pack("!H", packet_id) + properties + text(filter) + bytes([qos])))
        while True:
            answer = self.recv()
            assert answer, "closed before SUBACK"
            if answer[0] == SUBACK:
                return answer[2][-1]

    def publish(self, topic, payload=b"", qos=0, retain=False, packet_id=1, dup=False):
        body = text(topic) + (struct.pack("!H", packet_id) if qos else b"")
        body += (b"\0" if self.version == 5 else b"") + payload
        self.send(packet(PUBLISH, dup << 3 | qos << 1 | retain, body))

    def ping(self):
        """PINGREQ and its answer: everything the broker sent before has been read."""
        self.send(packet(PINGREQ, 0, b""))
        before = []
        while True:
            answer = self.recv()
            assert answer, "closed before PINGRESP"
            if answer[0] == PINGRESP:
                return before
            before.append(answer)
