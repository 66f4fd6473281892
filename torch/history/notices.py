"""Notices and troubles in the tables: what is written of them, and read back.

Owns the tables `notice` and `trouble`, and of `meta` the rows of channels that fail. All run
inside a transaction of `store`, on its connection. Must not decide who is told what.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from torch.notice import from_text
from torch.schedule.record import Delivery, Failing, Posted, Trouble, Troubling, Unsent


def post(db: sqlite3.Connection, posted: Iterable[Posted]) -> None:
    """A notice that is known already stays as it is."""
    db.executemany(
        "INSERT OR IGNORE INTO notice (id, channel, task, kind, at, text) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (p.notice.id, p.channel, p.notice.task, p.notice.kind.value, p.notice.at,
             p.notice.to_text())
            for p in posted
        ],
    )  # fmt: skip


def deliver(db: sqlite3.Connection, deliveries: Iterable[Delivery]) -> None:
    db.executemany(
        "UPDATE notice SET state = ?, tries = ?, ended_at = ?, detail = ? "
        "WHERE id = ? AND channel = ? AND state = 'owed'",
        [
            ("sent" if d.sent else "given_up", d.tries, d.at, d.detail, d.notice, d.channel)
            for d in deliveries
        ],
    )


def trouble(db: sqlite3.Connection, troubles: Iterable[Troubling]) -> None:
    for each in troubles:
        known = each.trouble
        if known is None:
            db.execute("DELETE FROM trouble WHERE task = ? AND kind = ?", (each.task, each.kind))
        else:
            row = (
                known.task, known.kind, known.since, known.told_at, known.count,
                json.dumps(known.seen),
            )  # fmt: skip
            db.execute("INSERT OR REPLACE INTO trouble VALUES (?, ?, ?, ?, ?, ?)", row)


_CHANNEL = "unsent "
"""In `meta`, in front of a channel's name: a new table would shut out the version before."""


def fail(db: sqlite3.Connection, channels: Iterable[Failing]) -> None:
    for each in channels:
        key, now = _CHANNEL + each.channel, each.unsent
        if now is None:
            db.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            value = json.dumps([now.since, now.problem])
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def unsent(db: sqlite3.Connection) -> tuple[Unsent, ...]:
    """The channels that fail, by name."""
    rows = db.execute(
        "SELECT key, value FROM meta WHERE substr(key, 1, ?) = ? ORDER BY key",
        (len(_CHANNEL), _CHANNEL),
    )
    found = ((key.removeprefix(_CHANNEL), json.loads(value)) for key, value in rows)
    return tuple(
        Unsent(channel=name, since=since, problem=problem) for name, (since, problem) in found
    )


def owed(db: sqlite3.Connection) -> tuple[Posted, ...]:
    """What nobody knows to have been sent, oldest first."""
    rows = db.execute("SELECT text, channel FROM notice WHERE state = 'owed' ORDER BY at, rowid")
    return tuple(Posted(notice=from_text(text), channel=channel) for text, channel in rows)


def troubles(db: sqlite3.Connection) -> tuple[Trouble, ...]:
    rows = db.execute(
        "SELECT task, kind, since, told_at, count, seen FROM trouble ORDER BY task, kind"
    )
    return tuple(
        Trouble(
            task=task,
            kind=kind,
            since=since,
            told_at=told,
            count=count,
            seen=tuple((str(run), int(at)) for run, at in json.loads(seen)),
        )
        for task, kind, since, told, count, seen in rows
    )
