"""What a new service asks of the old one's file.

Owns these readings; they run once, before the first fire. Each takes the store's connection.
Must not decide what becomes of what is found.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from torch.clock import FireTime
from torch.history import notices
from torch.history.conditions import RAN
from torch.run import Ending, Outcome, Run, State, Trigger
from torch.schedule.record import Paused, Posted, Trouble, Unsent

AHEAD = 60
"""A fire is decided this many seconds ahead of the watermark at the very most (the lead is far
less). A row further ahead is of a time in which the clock was wrong."""

STEP_BACK = 3 * 3600
"""What lies further ahead of the clock is of a clock that was wrong, as in
`torch.schedule.timeline`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A run that no end is recorded for. `definition` is the text it started under (see
    `torch.definition`), None where that is not known; times are wall seconds."""

    run: Run
    state: State
    recorded_at: float
    boot_id: str
    started_at: float | None = None
    not_before: float | None = None
    pid: int | None = None
    fate: Ending | None = None
    stopping_at: float | None = None
    digest: str = ""
    definition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All of it in one: see the functions below. `last` is of the tasks in force."""

    boot_id: str | None
    decided: dict[str, tuple[str, FireTime]]
    unfinished: list[Unfinished]
    paused: dict[str, Paused]
    last: dict[str, tuple[Run, Ending, float]]
    watermark: FireTime | None
    troubles: tuple[Trouble, ...] = ()
    owed: tuple[Posted, ...] = ()
    unsent: tuple[Unsent, ...] = ()


def recall(db: sqlite3.Connection, at: float) -> Past:
    where = decided(db, at)
    return Past(
        boot_id=meta(db, "boot_id"),
        decided=where,
        unfinished=unfinished(db),
        paused=paused(db),
        last=newest_ends(db, [task for task, (digest, _) in where.items() if digest]),
        watermark=watermark(db),
        troubles=notices.troubles(db),
        owed=notices.owed(db),
        unsent=notices.unsent(db),
    )


_RUN = "run.id, task, trigger, fire_time, attempt, version"


def meta(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def watermark(db: sqlite3.Connection) -> FireTime | None:
    found = meta(db, "watermark")
    return None if found is None else FireTime(int(found))


def decided(db: sqlite3.Connection, at: float | None = None) -> dict[str, tuple[str, FireTime]]:
    """Task -> (digest of the definition last in force, up to where its fires are decided).

    That is the latest of three: where the definition began, the watermark, and the newest fire
    that has a row, since some are decided a moment ahead of the watermark. Rows further ahead
    than that do not count: the clock was wrong when they were made, and set back since. A
    paused task is decided up to where its pause began. What lies hours ahead of `at`, where
    that is given, is of a wrong clock too: then fires are counted from `at` on.
    """
    mark = watermark(db)
    most = 1 << 60 if mark is None else mark + AHEAD
    rows = db.execute(
        "SELECT f.task, f.digest, f.since, p.since, (SELECT fire_time FROM run WHERE "
        "run.task = f.task AND fire_time <= ? ORDER BY fire_time DESC LIMIT 1) FROM "
        "(SELECT task, max(since) AS since, digest FROM in_force GROUP BY task) AS f "
        "LEFT JOIN pause AS p ON p.task = f.task",
        (most,),
    )
    found = {}
    for task, digest, since, paused, newest in rows:
        until = max(since, paused if paused is not None else max(mark or 0, newest or 0))
        if at is not None and until > at + STEP_BACK:
            until = int(at)
        found[task] = (digest, FireTime(until))
    return found


def unfinished(db: sqlite3.Connection) -> list[Unfinished]:
    """Every run that no end is recorded for, in the order of recording."""
    rows = db.execute(
        f"SELECT {_RUN}, state, recorded_at, boot_id, started_at, not_before, pid, fate, reason, "
        "stopping_at, run.digest, text "
        "FROM run LEFT JOIN definition_text AS t ON t.digest = run.digest "
        "WHERE state <> 'finished' ORDER BY seq"
    )
    return [
        Unfinished(
            run=_run(row[:6]), state=State(row[6]), recorded_at=row[7], boot_id=row[8],
            started_at=row[9], not_before=row[10], pid=row[11],
            fate=None if row[12] is None else Ending(outcome=Outcome(row[12]), reason=row[13]),
            stopping_at=row[14], digest=row[15], definition=row[16],
        )
        for row in rows
    ]  # fmt: skip


def paused(db: sqlite3.Connection) -> dict[str, Paused]:
    rows = db.execute("SELECT task, since, until FROM pause")
    return {task: Paused(since=FireTime(since), until=until) for task, since, until in rows}


def newest_ends(
    db: sqlite3.Connection, tasks: Iterable[str]
) -> dict[str, tuple[Run, Ending, float]]:
    """Each task's newest run that has ended, how and when; not what was skipped or missed."""
    sql = (
        f"SELECT {_RUN}, outcome, exit_code, signal, reason, ended_at FROM run WHERE task = ? "
        f"AND {RAN} AND state = 'finished' "
        "ORDER BY seq DESC LIMIT 1"
    )
    found = {}
    for task in tasks:
        row = db.execute(sql, (task,)).fetchone()
        if row is not None:
            ending = Ending(outcome=Outcome(row[6]), exit_code=row[7], signal=row[8], reason=row[9])
            found[task] = (_run(row[:6]), ending, float(row[10]))
    return found


def is_recorded(db: sqlite3.Connection, run_ids: Iterable[str]) -> set[str]:
    """Those of the ids that have a row."""
    sql = "SELECT 1 FROM run WHERE id = ?"
    return {run_id for run_id in run_ids if db.execute(sql, (run_id,)).fetchone() is not None}


def _run(row: tuple[str, str, str, int | None, int, str]) -> Run:
    run_id, task, trigger, fire_time, attempt, version = row
    return Run(
        id=run_id, task=task, trigger=Trigger(trigger), attempt=attempt, version=version,
        fire_time=None if fire_time is None else FireTime(fire_time),
    )  # fmt: skip
