"""The connection to the service that gives the orders: the one that started us, or the next one.

Owns the sockets: the one we were started with, and one in our directory for later services. Only
the same user and root are accepted. The newest connection that says hello gives the orders; the one
before is closed unread, so that none of its orders can begin later.
"""

from __future__ import annotations

import os
import socket
import struct

from torch.reaper.wire import BadFrame, Stream, pack

SOCKET = "socket"
_MOST_OWED = 64 << 20
"""Bytes that wait for a service that does not read; then it must ask again."""


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._stream = Stream()
        self._owed = bytearray()
        self.flushed = True  # what the one who sleeps on it knows

    def fileno(self) -> int:
        return self.socket.fileno()

    def read(self) -> list[list[bytes]] | None:
        """Messages; None: it has closed, or speaks something else."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            return None
        try:
            return self._stream.feed(data) if data else None
        except BadFrame:
            return None

    def send(self, *fields: bytes) -> None:
        self._owed += pack(*fields)

    def owe(self, frame: bytes) -> None:
        self._owed += frame

    def flush(self) -> bool:
        """False: some of it has to wait until it can be written. Errors show when it is read."""
        while self._owed:
            try:
                del self._owed[: self.socket.send(self._owed)]
            except BlockingIOError:
                if len(self._owed) > _MOST_OWED:
                    self.socket.shutdown(socket.SHUT_RDWR)
                    self._owed.clear()
                return not self._owed
            except OSError:
                self._owed.clear()
        return True

    def close(self) -> None:
        self.socket.close()


def address_of(directory_fd: int) -> str:
    """By the descriptor of the directory: the path of a socket has 107 bytes, a state directory
    may have more."""
    return f"/proc/self/fd/{directory_fd}/{SOCKET}"


def listen(directory_fd: int) -> socket.socket:
    """Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    os.umask(0o077)
    sock.bind(address_of(directory_fd))
    sock.listen(8)
    sock.setblocking(False)
    return sock


def accept(listening: socket.socket) -> Connection | None:
    """Whoever comes; None: a stranger, or gone already."""
    try:
        sock, _ = listening.accept()
    except OSError:
        return None
    try:
        told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        told = struct.pack("iii", 0, -1, -1)
    if struct.unpack("iii", told)[1] not in (0, os.geteuid()):
        sock.close()
        return None
    return Connection(sock)
