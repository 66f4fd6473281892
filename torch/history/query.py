"""Reading the history: what `torch runs` and `torch logs` ask, without the service.

Owns the shape of a row as scripts see it (docs/operations.md). Readers never write and never
block the writer: SQLite's WAL gives each its own view.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from torch.clock import rfc3339
from torch.errors import NotPermitted, NotRunning, SettingsError, TryAgain

_COLUMNS = (
    "id task fire_time last_fire count trigger attempt state outcome exit_code signal reason "
    "pid started_at ended_at version"
)
_BAD = "outcome NOT IN ('succeeded', 'skipped')"  # the words of the index run_bad


@dataclass(frozen=True, slots=True)
class RunRow:
    """One disposition. Times are epoch seconds; None where there is none."""

    id: str
    task: str
    fire_time: int | None
    last_fire: int | None
    count: int
    trigger: str
    attempt: int
    state: str
    outcome: str | None
    exit_code: int | None
    signal: int | None
    reason: str
    pid: int | None
    started_at: float | None
    ended_at: float | None
    version: str

    @property
    def lateness(self) -> float | None:
        """Seconds between the fire time and the start; None where one of them is missing."""
        if self.started_at is None or self.fire_time is None:
            return None
        return self.started_at - self.fire_time

    def as_json(self) -> dict[str, object]:
        late = self.lateness
        return {
            "id": self.id,
            "task": self.task,
            "fire_time": rfc3339(self.fire_time),
            "last_fire_time": rfc3339(self.last_fire),
            "trigger": self.trigger,
            "attempt": self.attempt,
            "state": self.state,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "reason": self.reason,
            "pid": self.pid,
            "started_at": rfc3339(self.started_at, milliseconds=True),
            "ended_at": rfc3339(self.ended_at, milliseconds=True),
            "lateness_ms": None if late is None else round(late * 1000, 1),
            "count": self.count,
            "version": self.version,
        }


@contextlib.contextmanager
def reading(path: str) -> Iterator[sqlite3.Connection]:
    """A read-only connection. Names the three ways in which there can be nothing to read."""
    try:
        db = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=2)
        try:
            yield db
        finally:
            db.close()
    except sqlite3.OperationalError as error:
        text = str(error)
        if "unable to open" in text:
            raise _absent(path) from error
        if "locked" in text or "busy" in text:
            raise TryAgain("the history is locked by another process") from error
        if "no such table" in text:
            raise TryAgain("the history is being made; the service has just started") from error
        raise _unfit(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _unfit(path, error) from error


def _unfit(path: str, error: sqlite3.Error) -> SettingsError:
    return SettingsError(
        f"the history {path} cannot be read: {error}",
        hint="set the file aside; torch starts a new one",
    )


def _absent(path: str) -> NotRunning | NotPermitted:
    try:
        with open(path, "rb"):
            pass
    except PermissionError:
        return NotPermitted(f"{path} belongs to another user", hint="run torch as that user")
    except OSError:
        pass
    return NotRunning(
        f"there is no history at {path}",
        hint="start the service once (torch start), or name its --state-dir",
    )


def runs(
    path: str, *, task: str | None = None, bad_only: bool = False, since: float | None = None,
    limit: int = 20,
) -> list[RunRow]:  # fmt: skip
    """The newest `limit` rows, newest first; `bad_only`: not what succeeded or was skipped."""
    where: list[str] = ["1"]
    values: list[object] = []
    if task is not None:
        where.append("task = ?")
        values.append(task)
    if bad_only:
        where.append(_BAD)
    if since is not None:
        where.append("recorded_at >= ?")
        values.append(since)
    sql = f"SELECT {_select()} FROM run WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"
    with reading(path) as db:
        return [RunRow(*row) for row in db.execute(sql, (*values, limit))]


def known_tasks(path: str) -> list[str]:
    """Every task that a service of this history has ever had in its file."""
    with reading(path) as db:
        return [name for (name,) in db.execute("SELECT task FROM definition ORDER BY task")]


def find(path: str, run_id: str) -> RunRow | None:
    with reading(path) as db:
        row = db.execute(f"SELECT {_select()} FROM run WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else RunRow(*row)


def newest(path: str, tasks: tuple[str, ...]) -> dict[str, RunRow]:
    """Each task's newest row that was or is a run; tasks that never ran are absent."""
    sql = (
        f"SELECT {_select()} FROM run WHERE task = ? AND "
        "(outcome IS NULL OR outcome NOT IN ('skipped', 'missed')) ORDER BY seq DESC LIMIT 1"
    )
    found = {}
    with reading(path) as db:
        for task in tasks:
            row = db.execute(sql, (task,)).fetchone()
            if row is not None:
                found[task] = RunRow(*row)
    return found


def _select() -> str:
    return ", ".join(_COLUMNS.split())
