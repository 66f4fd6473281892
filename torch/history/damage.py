"""What a damaged history is, and setting it aside so that a new one can begin.

A full disk, a lock or an I/O error is not damage: it passes, and the file is good. Damage is
what SQLite says of the bytes themselves, and no waiting mends it. A file that has merely changed
(a VACUUM, a copy in its place) is only in doubt: `integrity.fault` says whether it is damaged.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside its file; of no use without it, and harmful beside another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What became of a file that was in doubt. `aside`: where it lies now, '' if nothing was left
    of it; None: nothing is wrong with the file at the path, and it is used. `same`: it is the very
    file that was open before, with all that was written to it."""

    aside: str | None
    same: bool = False


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


def beside(path: str) -> dict[str, tuple[int, int]]:
    """What lies beside the file now, each by its ending and its identity."""
    found = {end: identity(path + end) for end in BESIDE}
    return {end: known for end, known in found.items() if known is not None}


def set_aside(path: str, *, at: float, only: Mapping[str, tuple[int, int]] | None = None) -> str:
    """Moves the file away, with what lies beside it; returns its new path, '' if it is not there
    any more. Raises OSError.

    What lies beside goes first: left behind, it would be taken for the new file's own. `only`:
    not the file itself, which is another one already, but of what lies beside it these, if they
    are these still: the write-ahead log of somebody else's file is never touched.
    """
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    free = plain = f"{path}.damaged-{stamp}"
    count = 1
    while any(os.path.lexists(free + end) for end in ("", *BESIDE)):
        count += 1
        free = f"{plain}-{count}"
    there = beside(path)
    if only is None:
        moved = [*there, *[""] * os.path.lexists(path)]
    else:
        moved = [end for end, known in only.items() if there.get(end) == known]
    for end in moved:
        os.rename(path + end, free + end)
    return free if "" in moved else ""
