"""The messages between a service and a reaper: frames of byte strings over a Unix socket.

Owns the framing and the words. A frame is a length and fields, each a length and bytes; the
first field is the word. The protocol has a version: a reaper of an earlier service keeps
speaking the version it was started with, and a service that connects must speak it too.

To the reaper:
    hello VERSION                  from here on this connection gives the orders, and no other
                                   does; orders that have not begun are dropped
    start RUN …                    see Order
    cancel RUN                     if it has not begun: it never will
    signal RUN NUMBER              to its process group
    deadline RUN SECONDS GRACE     SIGTERM so many seconds from now, SIGKILL to all of it after
                                   the grace; 0 seconds: no deadline. Each replaces the one before
    pump RUN FIFO PATH MAX         reads the output of a run whose reaper is dead
    forget RUN                     its end is on record elsewhere

From the reaper:
    welcome VERSION PID            the answer to hello, then everything it knows, as below, then
    settled                        the answer to hello is complete
    started RUN PID TICKS MARK WALL BOOT
                                   TICKS: its start since boot, as in /proc/PID/stat; WALL and
                                   BOOT: seconds since the epoch and since boot
    refused RUN REASON             no process exists, and none will
    ended RUN CODE SIGNAL WALL CPU RSS
                                   CODE as a shell says it; SIGNAL and RSS (bytes) may be ''
    closed RUN CUT SIZE            no process has its output open any more; bytes cut off its head,
                                   and bytes that are left of it
    lost RUN BYTES REASON          output that could not be written
    trouble REASON                 the journal cannot be written; '' when it can again
    failed REASON                  it could not begin, and ends
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

VERSION = b"1"
MOST = 8 << 20
"""Bytes of a frame; a command and an environment have 128 KiB each at most."""

_LENGTH = struct.Struct("!I")


class BadFrame(Exception):
    """What came is not of this protocol."""


def pack(*fields: bytes) -> bytes:
    body = b"".join([_LENGTH.pack(len(field)) + field for field in fields])
    return _LENGTH.pack(len(body)) + body


class Stream:
    """Bytes in, messages out, however they were cut on the way."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, more: bytes) -> list[list[bytes]]:
        """The messages that are complete now. Raises BadFrame."""
        data = self._bytes
        data += more
        at, found = 0, []
        while len(data) - at >= 4:
            (length,) = _LENGTH.unpack_from(data, at)
            if length > MOST:
                raise BadFrame(f"a message of {length} bytes")
            if len(data) - at - 4 < length:
                break
            found.append(_fields(bytes(data[at + 4 : at + 4 + length])))
            at += 4 + length
        del data[:at]
        return found


def _fields(body: bytes) -> list[bytes]:
    at, end = 0, len(body)
    found: list[bytes] = []
    length_at, keep = _LENGTH.unpack_from, found.append
    try:
        while at < end:
            begin = at + 4
            at = begin + length_at(body, at)[0]
            keep(body[begin:at])
    except struct.error as error:
        raise BadFrame("a message that ends in the middle") from error
    if at > end:
        raise BadFrame("a message that ends in the middle")
    if not found:
        raise BadFrame("a message without a word")
    return found


class Order:
    """What is to be started, and how.

    `at`: not before this second since boot (0: now). `output`: the file for what it prints,
    which keeps `max_size` bytes; `direct`: the run writes into it itself. `soft_files`: its soft
    limit of open files. `fronts`: where in `argv` the programs in front of the command are (nice,
    setpriv): what ends as one of these never became the command.
    """

    __slots__ = (
        "argv", "at", "cwd", "direct", "environ", "fronts", "max_size", "output", "run",
        "soft_files", "umask",
    )  # fmt: skip

    def __init__(
        self, *, run: str, argv: list[bytes], environ: list[bytes], at: float = 0.0, output: str,
        max_size: int, direct: bool = False, soft_files: int, umask: int = 0o022, cwd: str = "/",
        fronts: Sequence[int] = (),
    ) -> None:  # fmt: skip
        self.run = run
        self.argv = argv
        self.environ = environ  # NAME=VALUE
        self.at = at
        self.output = output
        self.max_size = max_size
        self.direct = direct
        self.soft_files = soft_files
        self.umask = umask
        self.cwd = cwd
        self.fronts = tuple(fronts)

    def pack(self) -> bytes:
        fronts = b" ".join(b"%d" % place for place in self.fronts)
        return pack(
            b"start", self.run.encode(), repr(self.at).encode(), self.output.encode(),
            b"%d" % self.max_size, b"direct" if self.direct else b"", b"%d" % self.soft_files,
            b"%d" % self.umask, self.cwd.encode(), fronts,
            b"%d" % len(self.argv), *self.argv, *self.environ,
        )  # fmt: skip

    @classmethod
    def unpack(cls, fields: list[bytes]) -> Order:
        """Raises BadFrame."""
        try:
            count = int(fields[10])
            if not 0 < count <= len(fields) - 11:
                raise ValueError(f"{count} arguments")
            if not math.isfinite(float(fields[2])):
                raise ValueError("no instant")
            if fields[3].count(b"/") < 2:
                raise ValueError("no file")
            fronts = [int(place) for place in fields[9].split()]
            if not all(0 <= place < count for place in fronts):
                raise ValueError("a program in front that is not there")
            return cls(
                run=fields[1].decode(), at=float(fields[2]), output=fields[3].decode(),
                max_size=int(fields[4]), direct=fields[5] == b"direct",
                soft_files=int(fields[6]), umask=int(fields[7]), cwd=fields[8].decode(),
                fronts=fronts, argv=fields[11 : 11 + count],
                environ=fields[11 + count :],
            )  # fmt: skip
        except (IndexError, ValueError) as error:
            raise BadFrame(f"a start that cannot be read: {error}") from error
