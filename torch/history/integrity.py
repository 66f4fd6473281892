"""Whether the history's file is sound, asked beside a living service.

Owns the look through the file. It reads only, and stops when the asker has waited enough: a
large history is looked at in part.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from enum import Enum, auto

from torch.history.reader import reading

_STEPS = 2000
"""Steps of SQLite between two questions whether it is over: about a millisecond."""


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
