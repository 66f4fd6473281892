"""What `torch explain` asks of the history, beyond what `query` gives: who was alive when.

Owns these readings. Each is bounded, however many rows there are: they follow an index.
"""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

from torch.history.conditions import RAN
from torch.history.query import RunRow
from torch.history.reader import reading

_COLUMNS = ", ".join(field.name for field in fields(RunRow))
_MOST_ALIVE = 300
"""Runs of a task that are looked at for those that lived at an instant, newest first."""


class Lived(NamedTuple):
    """The span in which a service lived; `ended` None: it may live still."""

    started: float
    ended: float | None


def in_span(path: str, task: str, first: int, last: int, *, limit: int) -> list[RunRow]:
    """The rows of the fires from `first` to `last`, oldest first, each fire's attempts in turn."""
    sql = (
        f"SELECT {_COLUMNS} FROM run WHERE task = ? AND fire_time BETWEEN ? AND ? "
        "ORDER BY fire_time, attempt LIMIT ?"
    )
    with reading(path) as db:
        return [RunRow(*row) for row in db.execute(sql, (task, first, last, limit))]


def runs_before(path: str, task: str, at: float) -> list[RunRow]:
    """The newest runs of a task that were recorded by then, newest first; not what was skipped
    or missed."""
    last = "SELECT seq FROM run WHERE recorded_at <= ? ORDER BY recorded_at DESC LIMIT 1"
    sql = (
        f"SELECT {_COLUMNS} FROM run WHERE task = ? AND {RAN} AND seq <= ? "
        "ORDER BY seq DESC LIMIT ?"
    )
    with reading(path) as db:
        found = db.execute(last, (at,)).fetchone()
        if found is None:
            return []
        return [RunRow(*row) for row in db.execute(sql, (task, found[0], _MOST_ALIVE))]


def service_at(path: str, at: float) -> Lived | None:
    """The service that lived then, or the last one before."""
    sql = (
        "SELECT started_at, ended_at FROM service WHERE started_at <= ? "
        "ORDER BY started_at DESC LIMIT 1"
    )
    with reading(path) as db:
        row = db.execute(sql, (at,)).fetchone()
    return None if row is None else Lived(*row)


def oldest(path: str) -> float | None:
    """When the oldest row that is left was recorded (wall seconds)."""
    with reading(path) as db:
        row = db.execute("SELECT min(recorded_at) FROM run").fetchone()
    return None if row is None else row[0]


def starts_since(path: str, at: float) -> list[float]:
    """When services began after an instant, in order; the newest thousand of them."""
    sql = "SELECT started_at FROM service WHERE started_at > ? ORDER BY started_at DESC LIMIT 1000"
    with reading(path) as db:
        return [started for (started,) in db.execute(sql, (at,))][::-1]
