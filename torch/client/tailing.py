"""Output files, read from their ends: the newest lines first, and what is written after them.

Owns that no file is read whole where its tail is wanted, and that a head which was freed is
passed over. Must not know what a line is for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

_BLOCK = 1 << 16
_CHUNK = 1 << 20
_LONGEST = 1 << 24
"""Bytes of a line without an end that are kept until its end comes."""


def backwards(path: str, end: int | None = None) -> Iterator[str]:
    """The lines up to byte `end`, the last first; nothing where there is no file."""
    for line in _backwards(path, end):
        yield line.decode("utf-8", "replace")


def _backwards(path: str, end: int | None) -> Iterator[bytes]:
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = size if end is None else min(end, size)
        begin = data(file.fileno(), 0, at)
        later: list[bytes] = []  # of the line whose beginning is not found yet, the last first
        fresh = True
        while at > begin:
            start = max(at - _BLOCK, begin)
            block = os.pread(file.fileno(), at - start, start)
            if fresh and block.endswith(b"\n"):
                block = block[:-1]
            fresh = False
            first, *rest = block.split(b"\n")
            if rest:
                yield b"".join(chain((rest.pop(),), reversed(later)))
                yield from reversed(rest)
                later = []
            later.append(first)
            at = start
        if not fresh:
            yield b"".join(reversed(later))


def forwards(path: str) -> Iterator[str]:
    """Every line, the first first."""
    yield from Growing(path).read(whole=True)


def whole_lines(path: str) -> int:
    """The byte after the last line that is whole; 0 where there is none."""
    try:
        with open(path, "rb") as file:
            at = size = os.fstat(file.fileno()).st_size
            while at > 0 and size - at < _LONGEST:
                start = max(at - _BLOCK, 0)
                found = os.pread(file.fileno(), at - start, start).rfind(b"\n")
                if found >= 0:
                    return start + found + 1
                at = start
    except FileNotFoundError:
        pass
    return 0


def data(fd: int, offset: int, size: int) -> int:
    """Where the file has bytes, from `offset` on: what was freed is a hole."""
    if offset >= size:
        return offset
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError:
        return offset


@dataclass(slots=True)
class Growing:
    """A file read on from where the last look ended."""

    path: str
    offset: int = 0
    rest: bytes = field(default=b"")
    inode: int = 0

    def read(self, *, whole: bool) -> Iterator[str]:
        """The lines since the last look; a last line without its end only if `whole`."""
        try:
            with open(self.path, "rb") as file:
                state = os.fstat(file.fileno())
                if state.st_size < self.offset:  # cut to its tail, or a new file of that name
                    self.offset = 0 if self._is_other(state.st_ino) else state.st_size
                self.inode = state.st_ino
                self.offset = data(file.fileno(), self.offset, state.st_size)
                file.seek(self.offset)
                while chunk := file.read(_CHUNK):
                    self.offset += len(chunk)
                    *ends, self.rest = (self.rest + chunk).split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in ends)
                    if len(self.rest) > _LONGEST:
                        yield self.rest.decode("utf-8", "replace")
                        self.rest = b""
        except FileNotFoundError:
            return
        if whole and self.rest:
            yield self.rest.decode("utf-8", "replace")
            self.rest = b""

    def _is_other(self, inode: int) -> bool:
        return bool(self.inode) and inode != self.inode
