"""The connection to one reaper, ours or an earlier service's: orders out, facts in.

Owns the socket and what the reaper has said about itself. supervisor.py interprets the facts.
A reaper that hangs does not block the service: orders wait here until it reads them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Callable

from torch.reaper.processes import stat
from torch.reaper.service import Connection, address_of
from torch.reaper.wire import VERSION, pack


class Link:
    """`settled`: it has said all that it knew when we came. The facts of a reaper that is not ours
    are `gathered` until `go_on`: what they mean is not known before recovery is done."""

    def __init__(self, directory: str, sock: socket.socket, *, ours: bool, pid: int = 0) -> None:
        self.directory = directory
        self.ours = ours
        self.pid = pid
        self.settled = asyncio.Event()
        self.closed = False
        self.problem = ""  # why its journal cannot be written
        self.failure = ""  # why it did not begin
        self.gathered: list[list[bytes]] = []
        self.gathers = not ours
        self._connection = Connection(sock)
        self._writing = False
        self._hear: Callable[[Link, list[bytes]], None] = lambda _, __: None
        self._lose: Callable[[Link], None] = lambda _: None

    @property
    def name(self) -> str:
        return os.path.basename(self.directory)

    def listen(
        self, hear: Callable[[Link, list[bytes]], None], lose: Callable[[Link], None]
    ) -> None:
        """`hear` gets every fact, `lose` is called once when it is gone."""
        self._hear, self._lose = hear, lose
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read)

    def go_on(self) -> None:
        """Facts are heard from here on, those that were gathered first."""
        self.gathers = False
        gathered, self.gathered = self.gathered, []
        for message in gathered:
            self._hear(self, message)

    def send(self, *fields: bytes) -> None:
        self.send_packed(pack(*fields))
        self.flush()

    def owe(self, *fields: bytes) -> None:
        """To be flushed by the caller."""
        self.send_packed(pack(*fields))

    def send_packed(self, frame: bytes) -> None:
        """To be flushed by the caller: many orders go in one write."""
        if not self.closed:
            self._connection.owe(frame)

    def flush(self) -> None:
        if self.closed:
            return
        done = self._connection.flush()
        loop = asyncio.get_running_loop()
        if not done and not self._writing:
            self._writing = True
            loop.add_writer(self._connection.fileno(), self.flush)
        elif done and self._writing:
            self._writing = False
            loop.remove_writer(self._connection.fileno())

    def is_stopped(self) -> bool:
        """Whether somebody has stopped its process (SIGSTOP)."""
        seen = stat(self.pid) if self.pid else None
        return seen is not None and seen.state in "Tt"

    def press(self, number: signal.Signals) -> None:
        """To the reaper itself: to one that somebody stopped, or that hangs."""
        if self.closed or not self.pid:
            return
        with contextlib.suppress(OSError):
            fd = os.pidfd_open(self.pid)
            try:
                signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)

    def _read(self) -> None:
        messages = self._connection.read()
        if messages is None:
            self.close()
            self._lose(self)
            return
        for message in messages:
            match message:
                case [b"welcome", _, pid]:
                    self.pid = int(pid)
                case [b"settled"]:
                    self.settled.set()
                    self._fact(message)
                case [b"trouble", reason]:
                    self.problem = reason.decode("utf-8", "replace")
                    self._fact(message)
                case [b"failed", reason]:
                    self.failure = reason.decode("utf-8", "replace")
                case _:
                    self._fact(message)

    def _fact(self, message: list[bytes]) -> None:
        if self.gathers:
            self.gathered.append(message)
        else:
            self._hear(self, message)

    def close(self) -> None:
        """From here on it is without us. What it was sent before, it still reads."""
        if self.closed:
            return
        self.closed = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._connection.fileno())
        loop.remove_writer(self._connection.fileno())
        self._connection.flush()
        self._connection.close()
        self.settled.set()


def connect(directory: str) -> Link | None:
    """To an earlier service's reaper, which from here on hears us alone; None: it is dead."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        sock.connect(address_of(folder))
        # Who listens, also where that one is stopped and says nothing.
        pid, _, _ = struct.unpack("iii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        sock.close()
        return None
    finally:
        os.close(folder)
    link = Link(directory, sock, ours=False, pid=pid)
    link.send(b"hello", VERSION)
    return link
