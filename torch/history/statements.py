"""What a record becomes in the tables: the statements that write, and no transaction.

Owns the writing of rows. All run inside a transaction of `store`, on its connection.
Invariants: a finished row never moves again; a row that was told to stop never runs again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from torch.definition import to_text
from torch.run import Ending, Outcome, State
from torch.schedule.record import Defined, Entry, File, Pausing, Progress, Step
from torch.task import Task

_FEW = 64
"""Up to so many definitions are looked up one by one, more in one sweep."""

_ENTRY = """
INSERT OR IGNORE INTO run (id, task, fire_time, last_fire, count, trigger, attempt, state,
                           outcome, reason, recorded_at, ended_at, version, boot_id, digest,
                           not_before)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


_SAME = """
UPDATE run SET digest = iif(digest = '', ?, digest),
               not_before = iif(state = 'intent', ?, not_before)
WHERE id = ? AND state <> 'finished'
"""


_GROWN = """
UPDATE run SET count = ?, last_fire = ?
WHERE id = ? AND state = 'finished' AND outcome = ? AND count <= ?
"""


def insert(db: sqlite3.Connection, entry: Entry, *, at: float, boot_id: str) -> bool:
    """Writes a row; False: its firing has one already. A run that has its own and has not ended
    (it was made anew from its progress, before the core could say the rest) keeps that. A row of
    fires that never became runs grows: the same row again, with a larger count; and it begins with
    the first of its fires that has none."""
    rest: Entry | None = entry
    while rest is not None:
        if _insert(db, rest, at=at, boot_id=boot_id):
            return True
        rest = rest.shorter()
    return False


def _insert(db: sqlite3.Connection, entry: Entry, *, at: float, boot_id: str) -> bool:
    run, ending = entry.run, entry.ending
    row = (
        run.id, run.task, run.fire_time, entry.last, entry.count, run.trigger.value,
        run.attempt, State.FINISHED.value if ending else State.INTENT.value,
        ending.outcome.value if ending else None, ending.reason if ending else "",
        at, at if ending else None, run.version, boot_id, entry.digest, entry.not_before,
    )  # fmt: skip
    if db.execute(_ENTRY, row).rowcount:
        return True
    if ending is not None and entry.count > 1:
        grown = (entry.count, entry.last, run.id, ending.outcome.value, entry.count)
        if db.execute(_GROWN, grown).rowcount:
            return True
    return db.execute(_SAME, (entry.digest, entry.not_before, run.id)).rowcount == 1


_MOVE = {
    # It may have waited through the end of a boot, and through an edit.
    Step.OFFERED: "not_before = NULL, boot_id = :boot_id, "
                  "digest = iif(:digest = '', digest, :digest)",
    Step.STARTED: "state = iif(state = 'stopping', state, 'running'), not_before = NULL, "
                  "pid = coalesce(:pid, pid), started_at = :at, "
                  "due_at = coalesce(:due, due_at)",
    Step.STOPPING: "state = 'stopping', fate = :outcome, reason = :reason, "
                   "stopping_at = coalesce(stopping_at, :at)",
    Step.ENDED: "state = 'finished', fate = NULL, ended_at = :at, outcome = :outcome, "
                "exit_code = :exit_code, signal = :signal, reason = :reason, "
                "max_rss = :max_rss, cpu_seconds = :cpu_seconds, "
                "pid = iif(:never_began, NULL, coalesce(:pid, pid)), "
                "started_at = iif(:never_began, NULL, coalesce(:began, started_at)), "
                "not_before = iif(:began IS NULL, not_before, NULL), "
                "due_at = coalesce(:due, due_at)",
}  # fmt: skip
_MOVE_SQL = {
    step: f"UPDATE run SET {change} WHERE id = :id AND state <> 'finished'"
    for step, change in _MOVE.items()
}
_STATES = {
    Step.OFFERED: State.INTENT,
    Step.STARTED: State.RUNNING,
    Step.STOPPING: State.STOPPING,
    Step.ENDED: State.FINISHED,
}
_ANEW = """
INSERT OR IGNORE INTO run (id, task, fire_time, trigger, attempt, state, outcome, fate,
                           exit_code, signal, reason, pid, recorded_at, started_at, ended_at,
                           version, boot_id, max_rss, cpu_seconds, due_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def advance(
    db: sqlite3.Connection, progress: Progress, *, at: float, boot_id: str,
    begun: Progress | None = None,
) -> None:  # fmt: skip
    """One step of a run; `begun`: its start, which is written together with its end. A row that was
    lost with an earlier file is made anew; a finished one, and one whose firing belongs to another
    run, stays as it is."""
    step = progress.step
    end = progress.ending
    if step is Step.ENDED and end is None:
        end = Ending(outcome=Outcome.UNKNOWN)
    known = (None, None, None, "") if end is None else (
        end.outcome.value, end.exit_code, end.signal, end.reason,
    )  # fmt: skip
    outcome, exit_code, signal, reason = known
    usage = progress.usage
    max_rss, cpu_seconds = (None, None) if usage is None else (usage.max_rss, usage.cpu_seconds)
    pid = progress.pid if begun is None else begun.pid
    values = {
        "began": begun.at if begun is not None else None,
        "due": progress.due if begun is None else begun.due,
        "id": progress.run.id, "pid": pid, "at": progress.at, "outcome": outcome,
        "exit_code": exit_code, "signal": signal, "reason": reason, "boot_id": boot_id,
        "digest": progress.digest, "never_began": progress.never_began, "max_rss": max_rss,
        "cpu_seconds": cpu_seconds,
    }  # fmt: skip
    if db.execute(_MOVE_SQL[step], values).rowcount:
        return
    run = progress.run
    ended = step is Step.ENDED
    row = (
        run.id, run.task, run.fire_time, run.trigger.value, run.attempt, _STATES[step].value,
        outcome if ended else None, None if ended else outcome, exit_code, signal, reason,
        pid, at, progress.at if step is Step.STARTED else progress.started_at,
        progress.at if ended else None, run.version, boot_id, max_rss, cpu_seconds,
        values["due"],
    )  # fmt: skip
    db.execute(_ANEW, row)


# ── definitions, pauses, files ────────────────────────────────────────────────────────────

_NEWEST = "SELECT task, max(since), digest FROM in_force"
_IN_FORCE = "INSERT OR REPLACE INTO in_force (task, since, digest, at) VALUES (?, ?, ?, ?)"
_TEXT = "INSERT OR IGNORE INTO definition_text (digest, text) VALUES (?, ?)"


def define(db: sqlite3.Connection, definitions: Sequence[Defined], *, at: float) -> None:
    """Writes what is new. A definition that begins before the newest one of its task says that
    the clock had been ahead: what was in force after it never was."""
    if not definitions:
        return
    known = _in_force(db, definitions)
    texts: list[Task] = []
    rows: list[tuple[str, int, str, float]] = []
    for definition in definitions:
        name, since, task = definition.name, definition.since, definition.task
        digest = task.digest if task is not None else ""
        newest = known.get(name)
        if newest is not None and since < newest[0]:
            db.executemany(_IN_FORCE, rows)
            rows.clear()
            db.execute("DELETE FROM in_force WHERE task = ? AND since > ?", (name, since))
        elif newest is not None and newest[1] == digest:
            if task is not None:
                texts.append(task)  # a history of the first version has no text of it yet
            continue
        known[name] = (since, digest)
        rows.append((name, since, digest, at))
        if task is not None:
            texts.append(task)
    fresh = {task.digest: task for task in texts}
    if len(fresh) <= _FEW:
        found = "SELECT 1 FROM definition_text WHERE digest = ?"
        fresh = {d: t for d, t in fresh.items() if db.execute(found, (d,)).fetchone() is None}
    else:
        have = {digest for (digest,) in db.execute("SELECT digest FROM definition_text")}
        fresh = {d: t for d, t in fresh.items() if d not in have}
    db.executemany(_TEXT, ((digest, to_text(task)) for digest, task in fresh.items()))
    db.executemany(_IN_FORCE, rows)


def _in_force(db: sqlite3.Connection, definitions: Sequence[Defined]) -> dict[str, tuple[int, str]]:
    """Task -> (since, digest) of its newest definition. Read each time: a dictionary that is
    kept would cost megabytes, and would have to be taken back with every failed commit."""
    if len(definitions) > _FEW:
        rows: Iterable[tuple[str, int, str]] = db.execute(f"{_NEWEST} GROUP BY task")
        return {task: (since, digest) for task, since, digest in rows}
    one = f"{_NEWEST} WHERE task = ? GROUP BY task"
    found = (db.execute(one, (definition.name,)).fetchone() for definition in definitions)
    return {row[0]: (row[1], row[2]) for row in found if row is not None}


def pause(db: sqlite3.Connection, pausing: Pausing) -> None:
    if pausing.pause is None:
        db.execute("DELETE FROM pause WHERE task = ?", (pausing.task,))
        return
    row = (pausing.task, pausing.pause.since, pausing.pause.until)
    db.execute("INSERT OR REPLACE INTO pause (task, since, until) VALUES (?, ?, ?)", row)


def load(db: sqlite3.Connection, file: File, *, at: float) -> None:
    row = (at, file.version, file.commit)
    db.execute("INSERT INTO loaded (at, version, commit_id) VALUES (?, ?, ?)", row)


def set_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
