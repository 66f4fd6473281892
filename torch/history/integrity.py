"""Whether the history's file is sound: asked beside a living service, and by the service itself
before it sets a file aside.

Owns the look through the file. It reads only. `look` stops when the asker has waited enough: a
large history is looked at in part.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from enum import Enum, auto
from urllib.parse import quote

from torch.history.damage import is_damage, size
from torch.history.reader import reading

_STEPS = 2000
"""Steps of SQLite between two questions whether it is over: about a millisecond."""


_BUSY = 0.1
"""Seconds that the service waits for another process's lock before it looks."""


class Looked(Enum):
    SOUND = auto()
    DAMAGED = auto()
    IN_PART = auto()  # nothing was found until it was over


def look(path: str, *, over: Callable[[], bool]) -> tuple[Looked, str]:
    """What was found, and SQLite's words for what is damaged. Raises as `reading` does."""
    with reading(path) as db:
        db.set_progress_handler(lambda: int(over()), _STEPS)
        try:
            said = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return Looked.IN_PART, ""
            raise
        except sqlite3.DatabaseError as error:
            return Looked.DAMAGED, str(error)
        return (Looked.SOUND, "") if said == "ok" else (Looked.DAMAGED, said.splitlines()[-1])


def fault(path: str) -> str:
    """What SQLite finds wrong with the bytes of the file, in its words; '' if nothing. It looks
    through the whole file: about half a second for a million rows. Raises sqlite3.Error where
    that cannot be asked now (a lock, an I/O error)."""
    if size(path) == 0:  # SQLite takes it for a new one, and removes the write-ahead log
        return "the file is empty"
    try:
        db = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_BUSY)
        try:
            said: str = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            db.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        return str(error)
    return "" if said == "ok" else said.splitlines()[-1]
