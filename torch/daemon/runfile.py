"""A run file, read: what the shim wrote down, and whether it still holds the file.

Owns the two lines (`S pid`, `X code`) and the order of looking: the lock first, the
lines second, because a shim that let go in between has written all it will. Only whole lines
count. Must not change a run file.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from dataclasses import dataclass

_STARTED = re.compile(rb"S ([0-9]{1,10})(?: [0-9]{1,20})?\Z")  # older shims said more
_EXITED = re.compile(rb"X ([0-9]{1,3})\Z")
_SIZE = 4096
"""Bytes that are read; a shim writes less than a hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """`held`: the shim lives. `empty`: it never wrote a thing. `shim`: its pid, once the command
    was begun. `code`: the exit code, once it has ended. `changed`: wall seconds of the last of
    these."""

    held: bool
    empty: bool = False
    shim: int | None = None
    code: int | None = None
    changed: float


def look(path: str, *, probe: bool = True) -> RunFile | None:
    """What the file says now; None where there is none (or what is there is not a file). Without
    `probe` the lock is left alone, and `held` says nothing: where a service lives, its spawn must
    find the lock free."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        held = False
        try:
            if probe:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            held = True
        text = os.read(fd, _SIZE)
        return _parse(text, held, os.fstat(fd).st_mtime)
    finally:
        os.close(fd)


def _parse(text: bytes, held: bool, changed: float) -> RunFile:
    shim: int | None = None
    code: int | None = None
    for line in text.split(b"\n")[:-1]:  # what follows the last line end is not a whole line
        if (match := _STARTED.match(line)) is not None:
            shim = int(match[1])
        elif (match := _EXITED.match(line)) is not None and int(match[1]) < 256:
            code = int(match[1])
    return RunFile(held=held, empty=not text, shim=shim, code=code, changed=changed)
