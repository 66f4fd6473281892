"""Reading a small file with a secret in it, which nobody but its owner may read or write.

Owns when such a file is trusted: a regular file, no symlink, of root or our own user, closed to
group and others. It is read each time it is needed, so a secret that is rotated needs no reload.
"""

from __future__ import annotations

import codecs
import os
import stat

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_private(path: str, *, limit: int) -> bytes:
    """The bytes of the file. Raises OSError or ValueError with the reason; never waits."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        if found.st_mode & 0o077:
            raise ValueError(f"others can read it; chmod 600 {path}")
        if found.st_uid not in (0, os.geteuid()):
            raise ValueError("it belongs to neither root nor the service's user")
        if found.st_size > limit:
            raise ValueError(f"larger than {limit} bytes")
        return os.read(fd, limit)
    finally:
        os.close(fd)


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
        found = os.lstat(path)
    except OSError as error:
        return f"cannot be read: {(error.strerror or 'error').lower()}"
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if found.st_mode & 0o077:
        return "is accessible to other users"
    return "" if found.st_uid in (0, os.geteuid()) else "belongs to another user"
