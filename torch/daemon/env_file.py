"""Reading an `env_file`: NAME=value lines, from a file only its owner can read.

Owns the check of the file and of the names in it. It is read at each start, so a rotated
secret needs no reload; a file that others can read or write starts nothing.
"""

from __future__ import annotations

import os
import re
import stat

from torch.taskfile.environment import loads_foreign_code

LIMIT = 64 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def read_env_file(path: str, *, for_other_user: bool) -> dict[str, str]:
    """Name -> value. Blank lines and lines with # in front are passed over; one pair of quotes
    around a value is taken off. Raises OSError or ValueError with the reason."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        if found.st_mode & 0o077:
            raise ValueError(f"others may read it; chmod 600 {path}")
        if found.st_uid not in (0, os.geteuid()):
            raise ValueError("it belongs to neither root nor the service's user")
        if found.st_size > LIMIT:
            raise ValueError(f"larger than {LIMIT} bytes")
        lines = os.read(fd, LIMIT).decode("utf-8").splitlines()
    finally:
        os.close(fd)
    environ = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not _NAME.match(name):
            raise ValueError(f"line {number} is not NAME=value")
        if name.startswith("TORCH_") or (for_other_user and loads_foreign_code(name)):
            raise ValueError(f"line {number}: '{name}' may not be set here")
        if "\0" in value:
            raise ValueError(f"line {number} holds a NUL character")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        environ[name] = value
    return environ
