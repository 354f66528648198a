"""Many clients in one thread: each stays connected, and connects again as soon as it is dropped."""

import errno
import selectors
import socket
import time

from wire import connect_packet


class Swarm:
    """`logins` is a list of keyword arguments for CONNECT, one for each client."""

    def __init__(self, port, logins):
        self.port = port
        self.packets = [connect_packet(**login) for login in logins]
        self.selector = selectors.EpollSelector()
        self.connected = set()
        self.refused = []  # codes of CONNACKs that said no
        self.waiting = list(range(len(logins)))  # to be connected when `retry_at` has come
        self.retry_at = 0.0
        self.under_way = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _open(self, index):
        s = socket.socket()
        s.setblocking(False)
        error = s.connect_ex(("127.0.0.1", self.port))
        assert error in (0, errno.EINPROGRESS), errno.errorcode[error]
        self.selector.register(s, selectors.EVENT_WRITE, index)
        self.under_way += 1

    def _drop(self, s, index):
        if index in self.connected:
            self.connected.remove(index)
        else:
            self.under_way -= 1
        self.selector.unregister(s)
        s.close()
        self.waiting.append(index)
        self.retry_at = max(self.retry_at, time.monotonic() + 0.05)

    def _handle(self, s, index, events):
        try:
            if events & selectors.EVENT_WRITE:
                s.send(self.packets[index])
                self.selector.modify(s, selectors.EVENT_READ, index)
                return
            data = s.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._drop(s, index)
        elif index not in self.connected and data[0] == 0x20:
            if data[3]:
                self.refused.append(data[3])
                return
            self.connected.add(index)
            self.under_way -= 1

    def turn(self, wait_s=0.1):
        """Lets things happen for a moment."""
        if self.waiting and time.monotonic() >= self.retry_at:
            while self.waiting and self.under_way < 1000:
                self._open(self.waiting.pop())
        for key, events in self.selector.select(wait_s):
            self._handle(key.fileobj, key.data, events)

    def until(self, count, limit_s):
        """Seconds until `count` clients are connected."""
        since = time.monotonic()
        while len(self.connected) < count:
            self.turn()
            assert time.monotonic() - since < limit_s, \
                f"{len(self.connected)} of {count} after {limit_s} s, refused {len(self.refused)}"
        return time.monotonic() - since

    def until_dropped(self, limit_s=10):
        since = time.monotonic()
        while self.connected and len(self.waiting) + self.under_way == 0:
            self.turn(0.01)
            assert time.monotonic() - since < limit_s, "still connected"
