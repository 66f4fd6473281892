"""Removing old rows in slices so small that the writer is not held up.

Owns what may go: finished rows that are too old or too many, oldest first, and what only they
needed. Never a run that has not ended; and of a task in force never its newest end, nor its
newest fire: a new service asks for both. All run inside a transaction of `store`.

Deciding by seq keeps a slice cheap: rows are numbered in the order of recording, so "the newest
million" is a bound, and no row is counted.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from torch.history.conditions import RAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Rows recorded before `before` (wall seconds) may go, and all but the newest `keep`;
    None: no such limit."""

    before: float | None = None
    keep: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """How many rows went; and `after`: where the next slice begins, None when all is done."""

    rows: int
    after: int | None


_NEWER_END = f"""EXISTS (
    SELECT 1 FROM run AS n WHERE n.task = r.task AND n.seq > r.seq
    AND {RAN} AND n.state = 'finished')"""
_NEWER_FIRE = """EXISTS (
    SELECT 1 FROM run AS n WHERE n.task = r.task AND n.fire_time > r.fire_time)"""
_GONE = """coalesce((
    SELECT digest FROM in_force WHERE task = r.task ORDER BY since DESC LIMIT 1), '') = ''"""
_OLD = f"""
SELECT seq FROM (
    SELECT seq, task, fire_time, state, recorded_at, outcome AS how FROM run
    WHERE seq > :after AND seq <= :until ORDER BY seq LIMIT :limit) AS r
WHERE state = 'finished' AND (recorded_at < :before OR seq <= :surplus)
    AND ({_GONE} OR ((how IN ('skipped', 'missed') OR {_NEWER_END})
                     AND (fire_time IS NULL OR {_NEWER_FIRE})))
"""


def prune(db: sqlite3.Connection, limits: Limits, *, after: int, limit: int) -> Slice:
    """Looks at `limit` rows beyond `after` and removes those that may go."""
    before, surplus = _before(limits), _surplus(db, limits)
    row = db.execute(
        "SELECT seq FROM run WHERE recorded_at < ? ORDER BY recorded_at DESC LIMIT 1", (before,)
    ).fetchone()
    until = max(surplus, row[0] if row else 0)
    last = db.execute(
        "SELECT max(seq) FROM (SELECT seq FROM run WHERE seq > ? AND seq <= ? "
        "ORDER BY seq LIMIT ?)",
        (after, until, limit),
    ).fetchone()[0]
    if last is None:
        return Slice(rows=0, after=None)
    values = {
        "after": after, "until": until, "limit": limit, "before": before, "surplus": surplus,
    }  # fmt: skip
    old = db.execute(_OLD, values).fetchall()
    db.executemany("DELETE FROM run WHERE seq = ?", old)
    return Slice(rows=len(old), after=last if last < until else None)


def prune_rest(db: sqlite3.Connection, limits: Limits, *, limit: int) -> int:
    """Removes definitions, files and spans that no row is left to ask for: those that were no
    longer in force when the oldest rows that stay were recorded. At most `limit` of each;
    returns how many of the most frequent kind went."""
    row = db.execute(
        "SELECT recorded_at FROM run WHERE seq > ? ORDER BY seq LIMIT 1", (_surplus(db, limits),)
    ).fetchone()
    counted = row[0] if row and limits.keep is not None else 0.0
    horizon = max(_before(limits), counted)
    counts = [db.execute(sql, {"horizon": horizon, "limit": limit}).rowcount for sql in _REST]
    return max(counts)


def _before(limits: Limits) -> float:
    return limits.before if limits.before is not None else 0.0


def _surplus(db: sqlite3.Connection, limits: Limits) -> int:
    """The seq up to which rows are too many."""
    newest = db.execute("SELECT max(seq) FROM run").fetchone()[0]
    return 0 if newest is None or limits.keep is None else max(0, newest - limits.keep)


_REST = (
    # Superseded before the horizon; or a task that left the file, of which nothing is left.
    """DELETE FROM in_force WHERE (task, since) IN (
        SELECT task, since FROM in_force AS f WHERE since <= :horizon AND (
            EXISTS (SELECT 1 FROM in_force AS n WHERE n.task = f.task AND n.since > f.since
                    AND n.since <= :horizon)
            OR (digest = '' AND NOT EXISTS (SELECT 1 FROM run WHERE run.task = f.task)
                AND NOT EXISTS (SELECT 1 FROM in_force AS n WHERE n.task = f.task
                                AND n.since > f.since)))
        LIMIT :limit)""",
    """DELETE FROM definition_text WHERE digest IN (
        SELECT digest FROM definition_text WHERE digest NOT IN (SELECT digest FROM in_force)
        AND digest NOT IN (SELECT digest FROM run WHERE state <> 'finished') LIMIT :limit)""",
    """DELETE FROM loaded WHERE seq IN (SELECT seq FROM loaded WHERE
        seq < (SELECT max(seq) FROM loaded WHERE at <= :horizon) LIMIT :limit)""",
    """DELETE FROM notice WHERE rowid IN (SELECT rowid FROM notice WHERE
        at < :horizon AND state <> 'owed' LIMIT :limit)""",
    """DELETE FROM service WHERE seq IN (SELECT seq FROM service WHERE
        seq < (SELECT max(seq) FROM service WHERE started_at <= :horizon) LIMIT :limit)""",
)
