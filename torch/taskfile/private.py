"""Reading a small file with a secret in it, which nobody but its owner may read or write.

Owns when such a file is trusted: a regular file of root or our own user, closed to group and
others. Symlinks on the way to it belong to root or our own user and lie where nobody else can
exchange them. On a file system that is mounted read-only modes do not count, as for the task file:
a Secret of Kubernetes is a symlink to a file of mode 0644 there, and chmod is no way out. It is
read each time it is needed, so a secret that is rotated needs no reload; whole, or not at all.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat

from torch.linux import is_open_for_writing
from torch.paths import walk

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ATTEMPTS = 5


class BeingSaved(ValueError):
    """What is read may be half of what is meant: a process writes it."""


def read_private(path: str, *, limit: int) -> bytes:
    """The bytes of the file. Raises OSError, BeingSaved or ValueError with the reason; never
    waits."""
    for _ in range(_ATTEMPTS):
        data, before, after = _read(path, limit)
        if before == after and len(data) == before[0]:
            return data
    raise BeingSaved("it keeps changing while it is read")


def _read(path: str, limit: int) -> tuple[bytes, tuple[int, int], tuple[int, int]]:
    """What it holds, and its size and time of change before and after it was read."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
    fd = os.open(_way(path), flags)
    try:
        found = os.fstat(fd)
        if why := _distrust(path, found, fd):
            raise ValueError(why)
        if found.st_size > limit:
            raise ValueError(f"larger than {limit} bytes")
        data = os.read(fd, limit)
        if is_open_for_writing(fd):
            raise BeingSaved("it is being written: a process has it open for writing")
        after = os.fstat(fd)
    finally:
        os.close(fd)
    return data, (found.st_size, found.st_mtime_ns), (after.st_size, after.st_mtime_ns)


def _way(path: str) -> str:
    """The path without symlinks. Raises ValueError for one that is not to be followed."""

    def look(here: str, found: os.stat_result, _is_last: bool) -> None:
        if not stat.S_ISLNK(found.st_mode):
            return
        if found.st_uid not in _trusted():
            raise ValueError(f"it is reached through the symlink {here} of another user")
        folder = os.path.dirname(here)
        place = os.stat(folder)
        free = place.st_mode & 0o002 and not place.st_mode & stat.S_ISVTX
        if place.st_uid not in _trusted() or (free and not _is_read_only(folder)):
            raise ValueError(f"it is reached through {here}, and others can exchange that symlink")

    return walk(path, look)


def _distrust(path: str, found: os.stat_result, place: int | str) -> str:
    """Why the file is not read; '' for nothing."""
    if not stat.S_ISREG(found.st_mode):
        return "not a regular file"
    if found.st_uid not in _trusted():
        return "it belongs to neither root nor the service's user"
    if found.st_mode & 0o077 and not _is_read_only(place):
        return f"others can read it; chmod 600 {path}"
    return ""


def _is_read_only(place: int | str) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def _trusted() -> tuple[int, int]:
    return 0, os.geteuid()


def read_private_text(path: str, *, limit: int) -> str:
    """The same as text. A byte-order mark, which some editors put in front, is no part of it.
    Raises OSError or ValueError with the reason."""
    data = read_private(path, limit=limit)
    if data.startswith(_UTF_16):
        raise ValueError("it is UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8; save it as UTF-8") from None


def why_not_private(path: str) -> str:
    """What would keep `read_private` from reading the file now, in words that follow its name;
    '' for nothing."""
    try:
        real = _way(path)
        found = os.lstat(real)
        read_only = _is_read_only(os.path.dirname(real))
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a loop of symlinks"
        return f"cannot be read: {(error.strerror or 'error').lower()}"
    except ValueError as error:
        return f"is not read: {error}"
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_mode & 0o077 and not read_only:
        return "is accessible to other users"
    return "" if found.st_uid in _trusted() else "belongs to another user"
