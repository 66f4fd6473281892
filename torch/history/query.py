"""Reading the history: what `torch runs` and `torch logs` ask, without the service.

Owns the shape of a row as scripts see it (docs/reference.md). Readers never write and never
block the writer: SQLite's WAL gives each its own view.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch.clock import rfc3339
from torch.history.conditions import BAD, RAN
from torch.history.reader import reading
from torch.run import NO_TROUBLE, lateness

_COLUMNS = (
    "id task fire_time last_fire count trigger attempt state outcome exit_code signal reason "
    "pid started_at ended_at version not_before fate max_rss cpu_seconds due_at"
)


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
    not_before: float | None = None  # it waits for this instant, or had waited when it ended
    fate: str | None = None  # the outcome it will have: it was told to stop
    max_rss: int | None = None  # bytes, the peak of its largest process
    cpu_seconds: float | None = None
    due_at: float | None = None  # it was to begin then, and not at its fire time

    @property
    def lateness(self) -> float | None:
        """As `torch.run.lateness`; None for a retry of which nobody wrote down when it was due."""
        due = self.fire_time if self.due_at is None and self.attempt == 1 else self.due_at
        return lateness(self.started_at, due)

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
            "max_rss": self.max_rss,
            "cpu_seconds": None if self.cpu_seconds is None else round(self.cpu_seconds, 6),
            "count": self.count,
            "version": self.version,
            "not_before": rfc3339(self.not_before),
        }


def runs(
    path: str, *, task: str | None = None, tasks: Sequence[str] = (), bad_only: bool = False,
    outcomes: Sequence[str] = (), triggers: Sequence[str] = (), unfinished: bool = False,
    since: float | None = None, until: float | None = None, limit: int = 20,
) -> list[RunRow]:  # fmt: skip
    """The newest `limit` rows, newest first; `bad_only`: not what succeeded or was skipped;
    `unfinished`: what runs or waits. `since` and `until` (exclusive) are of the recording."""
    where: list[str] = ["1"]
    values: list[object] = []
    if bad_only or (outcomes and NO_TROUBLE.isdisjoint(outcomes)):
        where.append(BAD)
    if unfinished:
        where.append("state <> 'finished'")
    names = [*tasks, *([] if task is None else [task])]
    for column, allowed in (("task", names), ("outcome", outcomes), ("trigger", triggers)):
        if allowed:
            marks = ", ".join("?" * len(allowed))
            where.append(f"{column} = ?" if len(allowed) == 1 else f"{column} IN ({marks})")
            values += allowed
    with reading(path) as db:
        if since is not None:
            where += ["seq >= ?", "+recorded_at >= ?"]  # + keeps to the order of seq
            values += [_first_since(db, since), since]
        if until is not None:
            where += ["seq <= ?", "+recorded_at < ?"]
            values += [_last_before(db, until), until]
        sql = f"SELECT {_select()} FROM run WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"
        return [RunRow(*row) for row in db.execute(sql, (*values, limit))]


def _first_since(db: sqlite3.Connection, since: float) -> int:
    """A seq below which no row was recorded since then: exact where there are few such rows,
    else 0. With many of them the newest rows are soon enough found without it."""
    sql = (
        "SELECT count(*), min(seq) FROM "
        "(SELECT seq FROM run WHERE recorded_at >= ? ORDER BY recorded_at LIMIT ?)"
    )
    count, first = db.execute(sql, (since, _MANY)).fetchone()
    return 1 << 62 if not count else int(first) if count < _MANY else 0


def _last_before(db: sqlite3.Connection, until: float) -> int:
    """The seq of the newest row that was recorded before; 0 for none."""
    sql = "SELECT seq FROM run WHERE recorded_at < ? ORDER BY recorded_at DESC LIMIT 1"
    row = db.execute(sql, (until,)).fetchone()
    return 0 if row is None else int(row[0])


_MANY = 5000


def known_tasks(path: str) -> list[str]:
    """Every task that a service of this history has ever had in its file."""
    with reading(path) as db:
        rows = db.execute("SELECT DISTINCT task FROM in_force ORDER BY task")
        return [name for (name,) in rows]


def newest_ids(path: str, limit: int) -> list[str]:
    """The newest runs' ids, newest first; not of what never became a run."""
    sql = f"SELECT id FROM run WHERE {RAN} ORDER BY seq DESC LIMIT ?"
    with reading(path) as db:
        return [run_id for (run_id,) in db.execute(sql, (limit,))]


def find(path: str, run_id: str) -> RunRow | None:
    with reading(path) as db:
        row = db.execute(f"SELECT {_select()} FROM run WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else RunRow(*row)


def newest(path: str, tasks: tuple[str, ...]) -> dict[str, RunRow]:
    """Each task's newest row that was or is a run; tasks that never ran are absent."""
    sql = f"SELECT {_select()} FROM run WHERE task = ? AND {RAN} ORDER BY seq DESC LIMIT 1"
    found = {}
    with reading(path) as db:
        for task in tasks:
            row = db.execute(sql, (task,)).fetchone()
            if row is not None:
                found[task] = RunRow(*row)
    return found


# ── what was when ─────────────────────────────────────────────────────────────────────────


class InForce(NamedTuple):
    """A definition in force from `since` on (epoch seconds). A digest of '' says that the task
    had left the file; `text` (see `torch.definition`) is '' where it is not known."""

    digest: str
    text: str
    since: int


class Paused(NamedTuple):
    """No fire after `since` starts, until `until`; None: until it is resumed."""

    since: int
    until: float | None


class Loaded(NamedTuple):
    """A task file in force from `at` on."""

    version: str
    commit: str | None
    at: float


class Down(NamedTuple):
    """A span without a service. `since` None: there was none before. `until` None: the newest
    service gave its last sign of life at `since`; whether it lives, its lock says. `how` tells
    how the service before it ended: '' not known, 'died', or what it said itself."""

    since: float | None
    until: float | None
    how: str


def nearest(path: str, task: str, at: float) -> list[RunRow]:
    """Every attempt of the fire of the task that is nearest to an instant, in order. A collapsed
    row is as near as the nearest fire that it stands for; of two as near, the earlier."""
    sql = (
        f"SELECT {_select()} FROM run WHERE task = ? AND fire_time {{}} ? "
        "ORDER BY fire_time {} LIMIT ?"
    )
    with reading(path) as db:
        # More than one before it: a collapsed row reaches past the fires that follow its first.
        found = [
            RunRow(*row)
            for half, order, most in (("<=", "DESC", 50), (">", "ASC", 1))
            for row in db.execute(sql.format(half, order), (task, at, most))
        ]
        if not found:
            return []
        best = min(found, key=lambda row: (_distance(row, at), row.fire_time))
        same = f"SELECT {_select()} FROM run WHERE task = ? AND fire_time = ? ORDER BY attempt"
        return [RunRow(*row) for row in db.execute(same, (task, best.fire_time))]


def _distance(row: RunRow, at: float) -> float:
    first = row.fire_time or 0
    last = row.last_fire if row.last_fire is not None else first
    return max(first - at, at - last, 0.0)


_DEFINITION = (
    "SELECT f.digest, coalesce(t.text, ''), f.since FROM in_force AS f "
    "LEFT JOIN definition_text AS t ON t.digest = f.digest WHERE f.task = ?"
)


def definition_at(path: str, task: str, at: float) -> InForce | None:
    """What was in force then; None: this host had never had the task."""
    sql = f"{_DEFINITION} AND f.since <= ? ORDER BY f.since DESC LIMIT 1"
    with reading(path) as db:
        row = db.execute(sql, (task, at)).fetchone()
    return None if row is None else InForce(*row)


def definitions(path: str, task: str) -> list[InForce]:
    """All of a task that the history still has, oldest first."""
    with reading(path) as db:
        return [InForce(*row) for row in db.execute(f"{_DEFINITION} ORDER BY f.since", (task,))]


def file_at(path: str, at: float) -> Loaded | None:
    """The task file that was in force then; None: none is on record."""
    sql = "SELECT version, commit_id, at FROM loaded WHERE at <= ? ORDER BY seq DESC LIMIT 1"
    with reading(path) as db:
        row = db.execute(sql, (at,)).fetchone()
    return None if row is None else Loaded(*row)


def down_at(path: str, at: float) -> Down | None:
    """The span without a service that holds an instant; None: one lived then."""
    before = (
        "SELECT ended_at, coalesce(how, '') FROM service WHERE started_at <= ? "
        "ORDER BY seq DESC LIMIT 1"
    )
    after = "SELECT min(started_at) FROM service WHERE started_at > ?"
    with reading(path) as db:
        span = db.execute(before, (at,)).fetchone()
        until = db.execute(after, (at,)).fetchone()[0]
        seen = db.execute("SELECT value FROM meta WHERE key = 'seen_at'").fetchone()
    if span is None:
        return Down(None, until, "")
    ended, how = span
    if ended is not None:
        return None if at <= ended else Down(ended, until, how)
    last = float(seen[0]) if seen else 0.0
    return None if at <= last else Down(last, until, how)


def pause_of(path: str, task: str) -> Paused | None:
    """The task's pause, if it is paused now."""
    with reading(path) as db:
        row = db.execute("SELECT since, until FROM pause WHERE task = ?", (task,)).fetchone()
    return None if row is None else Paused(*row)


def _select() -> str:
    return ", ".join(_COLUMNS.split())
