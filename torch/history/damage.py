"""What a damaged history is, and setting it aside so that a new one can begin.

A full disk, a lock or an I/O error is not damage: it passes, and the file is good. Damage is
what SQLite says of the bytes themselves, and no waiting mends it.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside its file; of no use without it, and harmful beside another."""


def is_damage(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Whether the bytes of the file are at fault."""
    # Python's own module cannot decode a text of the file, or SQLite's sentence that quotes it.
    if isinstance(error, UnicodeDecodeError) or "Could not decode" in str(error):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def identity(path: str) -> tuple[int, int] | None:
    """What tells a file from another in its place; None: there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def size(path: str) -> int:
    """In bytes; 0 where there is none. A history grows, or stays as it is."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def set_aside(path: str, *, at: float, whole: bool = True) -> str:
    """Moves the file away, with what lies beside it; returns its new path, '' if it is not there
    any more. Raises OSError.

    What lies beside goes first: left behind, it would be taken for the new file's own. `whole`
    False moves only that: the file itself is another one already.
    """
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    free = plain = f"{path}.damaged-{stamp}"
    count = 1
    while any(os.path.lexists(free + end) for end in ("", *BESIDE)):
        count += 1
        free = f"{plain}-{count}"
    moved = [end for end in (*BESIDE, *[""] * whole) if os.path.lexists(path + end)]
    for end in moved:
        os.rename(path + end, free + end)
    return free if "" in moved else ""
