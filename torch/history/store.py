"""The one writer of the history: a SQLite file in WAL mode, every intent fsynced.

Owns the shape of the file and what goes into it. A batch is committed whole or not at all; the
caller learns which intents lost because their fire has a row already (losing is a normal result).
The file itself is `connection`'s, what is written stands in `facts`, what a new service asks in
`past`. Must not know what a row means to the scheduler, nor the time: readings are arguments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Concatenate, ParamSpec, TypeVar

from torch.clock import FireTime
from torch.errors import SettingsError
from torch.history import facts, past, prune, statements
from torch.history.connection import (
    Connection,
    HistoryClosed,
    HistoryDamaged,
    HistoryError,
    SetAside,
)
from torch.history.past import Past, Unfinished
from torch.history.prune import Limits, Slice
from torch.run import Ending, Run
from torch.schedule.record import File, Paused, Record

SCHEMA_VERSION = 5

_P = ParamSpec("_P")
_R = TypeVar("_R")


__all__ = ["SCHEMA_VERSION", "HistoryClosed", "HistoryDamaged", "HistoryError", "Store"]


class Store(Connection):
    def __init__(
        self, path: str, *, at: float = 0.0, set_aside: SetAside = lambda _path, _reason: None
    ) -> None:
        """As `Connection`."""
        self._file: File | None = None  # the one that was recorded last
        self._service: tuple[int, str, float] | None = None
        super().__init__(path, at=at, set_aside=set_aside)

    def _prepare(self, db: sqlite3.Connection) -> None:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise SettingsError(
                f"the history {self.path} was written by a newer torch (schema {found})",
                hint="install that version again, or move the file away",
            )
        if found == SCHEMA_VERSION:
            return
        from importlib.resources import files  # half a MiB, for the first start and upgrades

        for version in range(found + 1, SCHEMA_VERSION + 1):
            script = (files("torch.history") / "schema" / f"{version:03}.sql").read_text("utf-8")
            db.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;"
            )

    def _begun(self) -> None:
        self._file = None
        if self._service is not None:
            with self._transaction(durable=True) as db:
                db.execute(_SERVICE, self._service)

    # ── writing ───────────────────────────────────────────────────────────────────────────

    def commit(
        self, records: Iterable[Record], *, at: float, boot_id: str, durable: bool = True
    ) -> frozenset[str]:
        """Writes the records in one transaction; returns the run ids of intents that lost.

        `durable` False leaves out the fsync: such a commit survives the death of the service
        but may be lost with the power, which is enough for "it is running now".
        Raises HistoryError, and HistoryDamaged where only `begin_anew` helps.
        """
        batch = facts.Batch(at=at, boot_id=boot_id, file=self._file)
        with self._transaction(durable) as db:
            facts.write(db, records, batch)
            statements.set_meta(db, "seen_at", repr(at))
        self._file = batch.file
        return frozenset(batch.lost)

    def begin_service(self, *, pid: int, boot_id: str, at: float) -> None:
        """A service lives from now on. A span that is still open is of one that died: it ends
        with the last commit. Raises HistoryError."""
        with self._transaction(durable=True) as db:
            db.execute(
                "UPDATE service SET how = 'died', ended_at = max(started_at, coalesce((SELECT "
                "cast(value AS REAL) FROM meta WHERE key = 'seen_at'), 0)) WHERE ended_at IS NULL"
            )
            db.execute(_SERVICE, (pid, boot_id, at))
            statements.set_meta(db, "seen_at", repr(at))
        self._service = (pid, boot_id, at)

    def end_service(self, *, at: float, how: str) -> None:
        """It ends now; `how` is for people. Raises HistoryError."""
        with self._transaction(durable=True) as db:
            db.execute("UPDATE service SET ended_at = ?, how = ? WHERE ended_at IS NULL", (at, how))
            statements.set_meta(db, "seen_at", repr(at))
        self._service = None

    def prune(self, limits: Limits, *, after: int = 0, limit: int = 100) -> Slice:
        """Looks at `limit` rows beyond `after`, oldest first, and removes those that may go: a
        few milliseconds, and no fsync. Raises HistoryError."""
        with self._transaction(durable=False) as db:
            return prune.prune(db, limits, after=after, limit=limit)

    def prune_rest(self, limits: Limits, *, limit: int = 100) -> bool:
        """Removes what only removed rows needed; True: there is more. Raises HistoryError."""
        with self._transaction(durable=False) as db:
            return prune.prune_rest(db, limits, limit=limit) >= limit

    # ── what a new service asks of the old one's file; each raises HistoryError ───────────

    def recall(self, *, at: float) -> Past:
        """All that is asked below, in one. A file that turns out to be damaged is set aside
        (`damaged`, `reason`), and nothing is known. Raises SettingsError where even that cannot
        be done."""
        try:
            for refused in (False, True):
                try:
                    return self._asked(past.recall, at)
                except HistoryDamaged as error:
                    self.begin_anew(at=at, reason=str(error), refused=refused)
            return self._asked(past.recall, at)
        except HistoryError as error:
            raise SettingsError(
                f"the history {self.path} cannot be read: {error}",
                hint="check the disk, or choose another --state-dir",
            ) from error

    def watermark(self) -> FireTime | None:
        return self._asked(past.watermark)

    def boot_id(self) -> str | None:
        """The boot whose `@reboot` fires are decided; None before the first."""
        return self._asked(past.meta, "boot_id")

    def decided(self, at: float | None = None) -> dict[str, tuple[str, FireTime]]:
        """Task -> (digest last in force, up to where its fires are decided): `past.decided`."""
        return self._asked(past.decided, at)

    def unfinished(self) -> list[Unfinished]:
        """Every run that no end is recorded for, in the order of recording."""
        return self._asked(past.unfinished)

    def paused(self) -> dict[str, Paused]:
        return self._asked(past.paused)

    def newest_ends(self, tasks: Iterable[str]) -> dict[str, tuple[Run, Ending, float]]:
        """Each task's newest run that has ended, how and when."""
        return self._asked(past.newest_ends, tasks)

    def is_recorded(self, run_ids: Iterable[str]) -> set[str]:
        """Those of the ids that have a row."""
        return self._asked(past.is_recorded, run_ids)

    def _asked(
        self, ask: Callable[Concatenate[sqlite3.Connection, _P], _R],
        *values: _P.args, **keys: _P.kwargs,
    ) -> _R:  # fmt: skip
        with self._connected() as db:
            try:
                return ask(db, *values, **keys)
            except (ValueError, TypeError, OverflowError) as error:
                # What we have not written: a page of something else in the place of ours.
                raise HistoryDamaged(f"a row is not to be understood: {error}") from error


_SERVICE = "INSERT INTO service (pid, boot_id, started_at) VALUES (?, ?, ?)"
