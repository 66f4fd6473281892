"""The output file of one run: its newest bytes, and more than the cap only for a moment.

Owns `output/TASK/RUN.log` while the run, or a process that it left behind, may write. The file is
made with the first byte: a run that prints nothing leaves none. Past the cap the oldest bytes are
freed in place (a hole), and when no process writes any more the hole is cut off. Bytes that cannot
be written are counted and reported, and the task continues.
"""

from __future__ import annotations

import contextlib
import errno
import os

from torch.linux import collapse_head, punch_hole
from torch.reaper.instants import pause
from torch.reaper.spawning import open_output

_BLOCK = 4096
_SLACK = 1 << 20
"""Bytes over the cap, at most, at which the oldest are freed; the cap itself where it is less."""

_TRIES = 50


class Output:
    """`lost` bytes could not be kept, for `reason`; whoever tells it sets both back."""

    __slots__ = ("_fd", "_inode", "_max", "direct", "lost", "path", "reason")

    def __init__(self, path: str, max_size: int, *, direct: bool = False) -> None:
        self.path = path
        self.direct = direct  # the run writes into it itself
        self.lost = 0
        self.reason = ""
        self._max = max_size
        self._fd = -1

    def write(self, data: memoryview) -> None:
        """Never raises: what cannot be kept is counted."""
        try:
            self._open()
            while data:
                piece = data[: max(self._max, _BLOCK)]  # room can be made for so much, at most
                self._make_room(len(piece))
                data = data[os.write(self._fd, piece) :]
        except OSError as error:
            self.lost += len(data)
            self.reason = error.strerror or str(error)

    def _open(self) -> None:
        """Opens it anew where somebody took it away: late words are not for an unlinked file."""
        if self._fd >= 0:
            if os.fstat(self._fd).st_nlink:
                return
            os.close(self._fd)
            self._fd = -1
        for last in (*[False] * (_TRIES - 1), True):
            try:
                self._fd = open_output(self.path)
                return
            except OSError as error:
                if error.errno != errno.EMFILE or last:
                    raise
                pause(0.001)  # the thread that spawns has lowered the limit for a moment

    def _make_room(self, count: int) -> None:
        """Frees what is over the cap once `count` more bytes are there, before they are: the file
        never has twice its cap on disk."""
        try:
            found = os.fstat(self._fd)
            if found.st_blocks * 512 + count <= self._max + min(_SLACK, self._max):
                return
            keep = max(self._max - count, 0)
            if found.st_size <= keep:
                return
            try:
                punch_hole(self._fd, (found.st_size - keep) // _BLOCK * _BLOCK)
            except OSError:  # this file system cannot
                self._fd = _copy_tail(self._fd, self.path, found.st_size, keep)
        except OSError as error:
            self.reason = error.strerror or str(error)

    def look(self) -> bool:
        """Of a file that the run writes itself: frees what is over the cap. Whether it was over."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            found = os.fstat(fd)
            if found.st_blocks * 512 <= self._max + _BLOCK:  # only whole blocks can be freed
                return False
            punch_hole(fd, (found.st_size - self._max) // _BLOCK * _BLOCK)
        except OSError:  # this file system cannot; its end sees to it
            return False
        finally:
            os.close(fd)
        return True

    def close(self) -> tuple[int, int]:
        """Nobody writes any more: cuts it to its tail. Returns how many bytes went, and stay."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        elif not self.direct:
            return 0, 0  # it has printed nothing
        try:
            size = os.stat(self.path).st_size
        except OSError:  # it was removed
            return 0, 0
        cut = 0
        with contextlib.suppress(OSError):  # the disk is full or fails: it stays as it is
            if size == 0:
                os.unlink(self.path)
            elif size > self._max:
                cut = _cut_to_tail(self.path, size, self._max)
        return cut, size - cut


def _cut_to_tail(path: str, size: int, most: int) -> int:
    """ext4 and xfs can take its head off in place; elsewhere the tail is copied to a new file of
    the same name."""
    head = -(-(size - most) // _BLOCK) * _BLOCK
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        collapse_head(fd, head)
        return head
    except OSError:
        fd = _copy_tail(fd, path, size, most)
        return size - most
    finally:
        os.close(fd)


def _copy_tail(fd: int, path: str, size: int, most: int) -> int:
    """Puts a file with the newest bytes in its place; returns that, open, and closes the old."""
    temporary = f"{path}.tail"
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    new = os.open(temporary, flags, 0o600)
    try:
        os.fchmod(new, 0o640)
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            at = size - most
            while at < size and (data := os.pread(source, min(_SLACK, size - at), at)):
                at += os.write(new, data)
        finally:
            os.close(source)
        os.replace(temporary, path)
    except OSError:
        os.close(new)
        os.unlink(temporary)
        raise
    os.close(fd)
    return new
