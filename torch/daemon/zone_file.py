"""Whether a Python can be started here: its first act is to let the C library read the zone file.

Owns the question; a child of the service that would never begin is not started.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from torch import zone


def no_file(environ: Mapping[str, str]) -> str:
    """Why no Python can be started in this environment, '' for nothing: the C library would open
    what TZ names before any line of ours is run, and wait for ever at a FIFO."""
    said = environ.get("TZ")
    path = zone.LOCALTIME if said is None else said.removeprefix(":")
    if not path.startswith("/"):
        return ""
    try:
        found = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""  # the C library takes it for UTC
    if stat.S_ISREG(found) or stat.S_ISDIR(found):
        return ""
    what = "a FIFO" if stat.S_ISFIFO(found) else "a device or a socket"
    name = path if said is None else f"TZ is '{said}', which"
    return f"{name} is {what}, not a time zone file"
