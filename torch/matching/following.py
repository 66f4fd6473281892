"""One output file that is read as it grows, and what its patterns find there.

Owns how far it was read. Only whole lines are looked at; one that does not end is looked at in
pieces of `LONGEST`, or when the file is complete. A file that is capped meanwhile has a hole
where its oldest bytes were; the hole is stepped over. Must not know who is told.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass, field

from torch.matching.patterns import Pattern

PIECE = 256 * 1024
LONGEST = 64 * 1024
"""Bytes of a line that are looked at together."""

KEPT_LINES, KEPT_BYTES = 5, 500
"""How many lines a find brings along, and how much of each."""


@dataclass(slots=True)
class Find:
    """`count` lines matched; `offset` is the byte behind the last of them, which the first byte of
    the line's end is counted to."""

    pattern: str
    lines: list[str] = field(default_factory=list)
    count: int = 0
    offset: int = 0


class Following:
    def __init__(self, path: str, patterns: dict[Pattern, int]) -> None:
        """`patterns`: each with the byte from which on it is wanted."""
        self._path = path
        self._fd = -1
        self._at = min(patterns.values(), default=0)
        self._patterns = patterns
        self._gone = 0  # bytes that were cut off the head: offsets stay those of the whole
        self.finds: dict[str, Find] = {}

    @property
    def patterns(self) -> list[str]:
        return [pattern.text for pattern in self._patterns]

    def cut(self, length: int) -> None:
        """So many bytes were cut off its head, because it is complete and was too long."""
        with contextlib.suppress(OSError):
            if self._open() and os.stat(self._path).st_ino == os.fstat(self._fd).st_ino:
                self._at = max(self._at - length, 0)
                self._gone = length

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read_on(self, *, complete: bool = False) -> bool:
        """Looks at the next piece; True: there may be more right away."""
        if not self._open():
            return False
        before = self._at
        data = self._next_piece()
        if not data:
            return self._at > before  # nothing but zeros so far: text may stand behind them
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end and (complete or len(data) >= LONGEST):
            end = len(data)  # a last line without its end, or one that is too long
        elif end < len(data) and complete and len(data) < PIECE:
            end = len(data)
        if end:
            self._look(data[:end])
            self._at += end
        return bool(end)

    def _open(self) -> bool:
        if self._fd < 0:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            with contextlib.suppress(OSError):
                self._fd = os.open(self._path, flags)
        return self._fd >= 0

    def _next_piece(self) -> bytes:
        try:
            size = os.fstat(self._fd).st_size
            if size <= self._at:  # less: its head was cut off, and `cut` will say how much
                return b""
            self._at = os.lseek(self._fd, self._at, os.SEEK_DATA)
            if self._at and os.pread(self._fd, 2, self._at - 1) == b"\r\n":
                self._at += 1  # the rest of an end of a line that was seen when it began
            data = os.pread(self._fd, PIECE, self._at)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                self._at = size
            return b""
        head = len(data) - len(data.lstrip(b"\0"))  # the rest of a hole within its block
        self._at += head
        return data[head:]

    def _look(self, piece: bytes) -> None:
        for pattern, wanted in self._patterns.items():
            for end, line in pattern.lines(piece):
                offset = self._gone + self._at + end
                if offset > wanted:
                    self._keep(pattern.text, line, offset)

    def _keep(self, pattern: str, line: bytes, offset: int) -> None:
        find = self.finds.setdefault(pattern, Find(pattern))
        find.count += 1
        find.offset = offset
        if len(find.lines) < KEPT_LINES:
            find.lines.append(_shown(line))


def _shown(line: bytes) -> str:
    """Cut between two characters."""
    end = KEPT_BYTES
    while KEPT_BYTES - 3 < end < len(line) and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end].decode("utf-8", "replace")
