"""Many connections in one thread, each with bytes to send and no manners."""

import errno
import selectors
import socket
import struct
import time

from fleet import PATIENCE_S

RESET = struct.pack("ii", 1, 0)


class Peer:
    """A connection of a crowd. `end` says what follows when everything is sent: nothing (None), `finish` (no more
    is sent, read until the broker closes) or `reset`."""

    __slots__ = ("socket", "output", "reads", "end", "keep", "answer", "received", "closed", "about", "events", "chunk")

    def __init__(self, sock, data, reads, end, keep, about, chunk):
        self.socket = sock
        self.output = memoryview(data)
        self.reads = reads
        self.end = end
        self.keep = keep  # keep what the broker says in `answer`
        self.answer = bytearray()
        self.received = 0
        self.closed = False
        self.about = about
        self.events = -1
        self.chunk = chunk  # bytes sent, and read, at a time


class Crowd:
    """Connections to one port, from many source addresses so that their number is not bounded by free ports."""

    def __init__(self, port, receive_buffer=None, on_close=None):
        self.port = port
        self.receive_buffer = receive_buffer
        self.on_close = on_close  # called with every peer that is closed
        self.selector = selectors.EpollSelector()
        self.peers = set()
        self.opened = 0
        self.closed = 0
        self.sent = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.on_close = None
        for peer in list(self.peers):
            self.drop(peer)
        self.selector.close()

    def open(self, data=b"", reads=True, end=None, keep=False, about=None, chunk=1 << 20):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        s.bind((f"127.0.0.{2 + self.opened % 250}", 0))
        self.opened += 1
        error = s.connect_ex(("127.0.0.1", self.port))
        assert error in (0, errno.EINPROGRESS), errno.errorcode[error]
        peer = Peer(s, data, reads, end, keep, about, chunk)
        self.peers.add(peer)
        self.selector.register(s, selectors.EVENT_WRITE, peer)
        peer.events = selectors.EVENT_WRITE
        return peer

    def send(self, peer, data):
        if peer.closed:
            return
        peer.output = memoryview(bytes(peer.output) + data)
        self._watch(peer)

    def drop(self, peer, reset=True):
        """Ends a connection from this side."""
        if peer.closed:
            return
        peer.closed = True
        self.closed += 1
        self.peers.discard(peer)
        if peer.events:
            self.selector.unregister(peer.socket)
        if reset:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        peer.socket.close()
        if self.on_close:
            self.on_close(peer)

    def _watch(self, peer):
        wanted = selectors.EVENT_READ * peer.reads
        if peer.output:
            wanted |= selectors.EVENT_WRITE
        if wanted == peer.events:
            return
        if not wanted:
            self.selector.unregister(peer.socket)
        elif not peer.events:
            self.selector.register(peer.socket, wanted, peer)
        else:
            self.selector.modify(peer.socket, wanted, peer)
        peer.events = wanted

    def _write(self, peer):
        try:
            count = peer.socket.send(peer.output[:peer.chunk])
        except BlockingIOError:
            return
        except OSError:  # the broker closed; what it said is still there to be read
            count = len(peer.output)
        self.sent += count
        peer.output = peer.output[count:]
        if peer.output:
            return
        if peer.end == "reset":
            return self.drop(peer)
        if peer.end == "finish":
            peer.reads = True
            try:
                peer.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self._watch(peer)

    def _read(self, peer):
        try:
            data = peer.socket.recv(min(65536, peer.chunk))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.received += len(data)
        if peer.keep:
            peer.answer += data
        if not data:
            self.drop(peer, reset=False)

    def turn(self, wait_s=0.05):
        for key, events in self.selector.select(wait_s):
            peer = key.data
            if events & selectors.EVENT_WRITE:
                self._write(peer)
            if events & selectors.EVENT_READ and not peer.closed and peer.reads:
                self._read(peer)

    def until(self, condition, what, timeout=PATIENCE_S):
        deadline = time.monotonic() + timeout
        while not condition():
            self.turn()
            assert time.monotonic() < deadline, f"not within {timeout} s: {what} ({len(self.peers)} still open)"

    def until_all_closed(self, timeout=PATIENCE_S):
        self.until(lambda: not self.peers, "the broker closes them all", timeout)

    def press(self, still_s=0.2, timeout=60):
        """Sends until the broker takes no more."""
        deadline = time.monotonic() + timeout
        before, since = self.sent, time.monotonic()
        while time.monotonic() - since < still_s and time.monotonic() < deadline:
            self.turn()
            if self.sent != before:
                before, since = self.sent, time.monotonic()
