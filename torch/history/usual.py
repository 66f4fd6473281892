"""What is usual for a task: how long it takes when all is well, and how often it came back.

Owns these readings. Each looks at a few rows of an index, however many there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from torch.history.conditions import RAN
from torch.history.reader import reading

_NEWEST = 15
"""Successful runs whose median is the usual duration."""
_LOOKED_AT = 200
"""Rows that are looked through for them: a task that fails for weeks must not cost more."""
_MOST_STARTS = 1000


def durations(path: str, tasks: Iterable[str]) -> dict[str, float]:
    """Seconds that the newest successful runs of each task took, by their median; tasks without
    one are absent."""
    sql = (
        "SELECT ended_at - started_at FROM (SELECT outcome, started_at, ended_at FROM run "
        f"WHERE task = ? AND {RAN} "
        "ORDER BY seq DESC LIMIT ?) "
        "WHERE outcome = 'succeeded' AND started_at IS NOT NULL AND ended_at >= started_at LIMIT ?"
    )
    found = {}
    with reading(path) as db:
        for task in tasks:
            took = [row[0] for row in db.execute(sql, (task, _LOOKED_AT, _NEWEST))]
            if took:
                found[task] = statistics.median(took)
    return found


def starts(path: str, tasks: Iterable[str], since: float) -> dict[str, int]:
    """How many runs of each daemon task were recorded since an instant; a thousand at the most."""
    sql = (
        "SELECT count(*) FROM (SELECT recorded_at, trigger FROM run WHERE task = ? "
        "ORDER BY seq DESC LIMIT ?) WHERE recorded_at >= ? AND trigger = 'daemon'"
    )
    with reading(path) as db:
        return {task: db.execute(sql, (task, _MOST_STARTS, since)).fetchone()[0] for task in tasks}
