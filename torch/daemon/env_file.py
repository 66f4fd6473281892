"""Reading an `env_file`: NAME=value lines, from a file only its owner can read.

Owns the names that may be set in it; which file is trusted says `torch/taskfile/private.py`. It
is read at each start; a file that others can read or write starts nothing.
"""

from __future__ import annotations

import re

from torch.taskfile.environment import loads_foreign_code
from torch.taskfile.private import read_private_text

LIMIT = 64 * 1024
_LINE_END = re.compile(r"\r\n|\n|\r")
"""Not str.splitlines, which ends a line at a form feed or U+2028 in a value too."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def read_env_file(path: str, *, for_other_user: bool) -> dict[str, str]:
    """Name -> value. Blank lines and lines with # in front are passed over; one pair of quotes
    around a value is taken off. Raises OSError or ValueError with the reason."""
    lines = _LINE_END.split(read_private_text(path, limit=LIMIT))
    environ = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not _NAME.match(name):
            raise ValueError(f"line {number} is not NAME=value")
        if name.startswith("TORCH_") or (for_other_user and loads_foreign_code(name)):
            raise ValueError(f"line {number}: '{name}' cannot be set here")
        if "\0" in value:
            raise ValueError(f"line {number} holds a NUL character")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        environ[name] = value
    return environ
