"""Each type of fact and the one function that writes it.

Owns the table. All run inside a transaction of `store`, on its connection; a writer gets the facts
of its type that follow one another, since many statements cost less together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from torch.history import notices, statements
from torch.schedule.record import (
    Defined,
    Delivery,
    Entry,
    Fact,
    Failing,
    File,
    Pausing,
    Posted,
    Progress,
    Rebooted,
    Record,
    Step,
    Troubling,
    Watermark,
)


@dataclass(slots=True, kw_only=True)
class Batch:
    """What is written in one transaction. `file` is the one that was recorded last."""

    at: float
    boot_id: str
    file: File | None
    lost: set[str] = field(default_factory=set)  # runs whose firing had a row already
    ends: set[str] = field(default_factory=set)  # runs that end in it
    begun: dict[str, Progress] = field(default_factory=dict)  # runs that start in it


def write(db: sqlite3.Connection, records: Iterable[Record], batch: Batch) -> None:
    facts = [fact for record in records for fact in record.facts]
    for fact in facts:
        if isinstance(fact, Progress):
            if fact.step is Step.ENDED:
                batch.ends.add(fact.run.id)
            elif fact.step is Step.STARTED:
                batch.begun[fact.run.id] = fact
    for kind, found in groupby(facts, type):
        WRITERS[kind](db, [*found], batch)


def _entries(db: sqlite3.Connection, facts: Sequence[Entry], batch: Batch) -> None:
    for entry in facts:
        if not statements.insert(db, entry, at=batch.at, boot_id=batch.boot_id):
            batch.lost.add(entry.run.id)


def _progress(db: sqlite3.Connection, facts: Sequence[Progress], batch: Batch) -> None:
    for progress in facts:
        run_id = progress.run.id
        if progress.step is Step.STARTED and run_id in batch.ends:
            continue  # its end says it too, a moment later
        if run_id not in batch.lost:
            ends = progress.step is Step.ENDED and not progress.never_began
            start = batch.begun.get(run_id) if ends else None
            statements.advance(db, progress, at=batch.at, boot_id=batch.boot_id, begun=start)


def _definitions(db: sqlite3.Connection, facts: Sequence[Defined], batch: Batch) -> None:
    statements.define(db, facts, at=batch.at)


def _pauses(db: sqlite3.Connection, facts: Sequence[Pausing], _: Batch) -> None:
    for pausing in facts:
        statements.pause(db, pausing)


def _files(db: sqlite3.Connection, facts: Sequence[File], batch: Batch) -> None:
    for file in facts:
        if file != batch.file:
            batch.file = file
            statements.load(db, file, at=batch.at)


def _watermarks(db: sqlite3.Connection, facts: Sequence[Watermark], _: Batch) -> None:
    statements.set_meta(db, "watermark", str(facts[-1].at))


def _reboots(db: sqlite3.Connection, _: Sequence[Rebooted], batch: Batch) -> None:
    statements.set_meta(db, "boot_id", batch.boot_id)


WRITERS: dict[type[Fact], Callable[[sqlite3.Connection, Sequence[Any], Batch], None]] = {
    Entry: _entries,
    Progress: _progress,
    Defined: _definitions,
    Pausing: _pauses,
    File: _files,
    Troubling: lambda db, facts, _: notices.trouble(db, facts),
    Posted: lambda db, facts, _: notices.post(db, facts),
    Delivery: lambda db, facts, _: notices.deliver(db, facts),
    Failing: lambda db, facts, _: notices.fail(db, facts),
    Watermark: _watermarks,
    Rebooted: _reboots,
}
