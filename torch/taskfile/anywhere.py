"""Reading a task file that is only looked at, wherever it lies and whoever owns it.

Owns what `torch check --anywhere` and `torch diff` read: in a build container, or the clone of
another user, nothing that the file says is run. What is to be run is read by `open` alone.
"""

from __future__ import annotations

import os
import stat
import sys

from torch.errors import Problem, TaskFileError
from torch.taskfile.closed import refuse_writer
from torch.taskfile.open import ATTEMPTS, Missing
from torch.taskfile.text import LIMIT
from torch.taskfile.writers import writer_of


def read_anywhere(path: str) -> bytes:
    """The bytes of a regular file of at most 8 MiB, or of standard input for '-'. Raises
    TaskFileError and BeingWritten. Never waits for a FIFO or a device."""
    if path == "-":
        return _small(path, sys.stdin.buffer.read(LIMIT + 1))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        raise Missing((_problem(path, "does not exist"),)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is not valid"
        raise TaskFileError((_problem(path, f"cannot be read: {reason}"),)) from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise TaskFileError((_problem(path, "is not a regular file"),))
        return _still(path, fd)
    finally:
        os.close(fd)


def _still(path: str, fd: int) -> bytes:
    """What a regular file holds while nobody writes it."""
    for _ in range(ATTEMPTS):
        before = os.fstat(fd)
        with open(fd, "rb", closefd=False) as file:
            file.seek(0)
            data = _small(path, file.read(LIMIT + 1))
        refuse_writer(path, writer_of(fd)[0])
        after = os.fstat(fd)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return data
    raise TaskFileError((_problem(path, "keeps changing while it is read"),))


def _small(path: str, data: bytes) -> bytes:
    if len(data) > LIMIT:
        raise TaskFileError((_problem(path, f"is larger than {LIMIT // 2**20} MiB"),))
    return data


def _problem(path: str, message: str) -> Problem:
    return Problem(file=path, line=0, column=0, key="", message=f"the task file {message}")
