"""Reading a file or a directory to import, with an error for what cannot be read."""

from __future__ import annotations

import io
import os
import stat
import sys
from errno import EAGAIN

from torch.errors import NotPermitted, Problem, TaskFileError, TorchError, UsageError
from torch.taskfile.problems import spaced

LIMIT = 8 * 1024 * 1024
"""Largest file that is read, in bytes; a task file's limit."""

MOST = 10_000
"""Files of one directory."""

TOTAL = 8 * LIMIT
"""Bytes of all files of one command."""

_PIPES = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""Where a shell puts a pipe that it was asked for: <(ssh HOST crontab -l)."""


def read(path: str) -> bytes:
    """The bytes of a file, `-` is standard input. Raises TorchError."""
    if path == "-":
        return _limited(path, sys.stdin.buffer.read(LIMIT + 1))
    try:
        if path.startswith(_PIPES):
            with open(path, "rb") as file:
                return _limited(path, file.read(LIMIT + 1))
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(fd, "rb", buffering=0) as raw:
            if not stat.S_ISREG(os.fstat(fd).st_mode) and (what := kind(path)):
                raise UsageError(f"{path} is {what}, not a file", hint=_HINT)
            return _limited(path, _whole(raw))
    except (OSError, ValueError) as error:
        if what := kind(path):  # a socket cannot even be opened
            raise UsageError(f"{path} is {what}, not a file", hint=_HINT) from error
        raise unreadable(path, error) from error


_HINT = "for standard input, write -"


def _whole(raw: io.FileIO) -> bytes:
    """One byte more than allowed at most. Some files of the kernel have no end: reading them
    would wait."""
    parts, size = [], 0
    while size <= LIMIT:
        part = raw.read(LIMIT + 1 - size)
        if part is None:
            raise BlockingIOError(EAGAIN, "it has no end")
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def kind(path: str) -> str:
    """'a FIFO', of what is no file and no directory; '' for those, and for what is not there."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
             (stat.S_ISBLK, "a device"))  # fmt: skip
    return next((name for is_one, name in kinds if is_one(mode)), "")


def within(total: int) -> None:
    """Raises TorchError if files of so many bytes together are too much."""
    if total > TOTAL:
        raise UsageError(
            f"the files are larger than {TOTAL // 2**20} MiB together",
            hint="import fewer files at a time",
        )


def listed(folder: str) -> list[str]:
    """The names in a directory, sorted. Raises TorchError."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise unreadable(folder, error) from error
    if len(names) > MOST:
        raise UsageError(
            f"{folder} has more than {spaced(MOST)} files", hint="import fewer files at a time"
        )
    return names


def unreadable(path: str, error: Exception) -> TorchError:
    if isinstance(error, PermissionError):
        return NotPermitted(f"{path} cannot be read by this user", hint="run as root")
    return UsageError(f"{path} cannot be read: {reason(error)}", hint=_HINT)


def reason(error: Exception) -> str:
    """'no such file or directory'"""
    if isinstance(error, OSError):
        return (error.strerror or "").lower()
    return "not a valid file name"


def _limited(name: str, data: bytes) -> bytes:
    if len(data) > LIMIT:
        message = f"the file is larger than {LIMIT // 2**20} MiB"
        raise TaskFileError((Problem(file=name, line=0, column=0, key="", message=message),))
    return data
