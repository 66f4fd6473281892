"""The one writer of the history: a SQLite file in WAL mode, every intent fsynced.

Owns the file, its transactions, and what becomes of a damaged one. A batch is committed whole
or not at all; the caller learns which intents lost because their fire has a row already
(losing is a normal result). What is written stands in `rows`, what a new service asks in `past`.
Must not know what a row means to the scheduler, nor the time: readings are arguments.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from typing import Concatenate, ParamSpec, TypeVar

from torch.clock import FireTime
from torch.errors import SettingsError, TryAgain
from torch.history import notices, past, prune, rows
from torch.history.damage import identity, is_damage, set_aside, size
from torch.history.past import Past, Unfinished
from torch.history.prune import Limits, Slice
from torch.run import Ending, Run
from torch.schedule.record import File, Pause, Record

SCHEMA_VERSION = 3
BUSY_SECONDS = 0.1
"""How long a write waits for another process's lock before it counts as failed."""

OPEN_SECONDS = 5.0
"""How long opening waits for one."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class HistoryError(Exception):
    """A transaction failed and left nothing behind. The text is SQLite's own."""


class HistoryDamaged(HistoryError):
    """The file itself is at fault, or gone: no waiting helps, `begin_anew` does."""


class Store:
    """`damaged`: where the file that was found damaged lies now, '' if nothing was left of it;
    None: it was good."""

    def __init__(self, path: str, *, at: float = 0.0) -> None:
        """Opens or makes the file (0600). One that is damaged is set aside under the time `at`
        (wall seconds), and a new one begun. Raises SettingsError where it cannot be used, and
        TryAgain where another process holds it."""
        self.path = path
        self.damaged: str | None = None
        self.reason = ""  # what was wrong with the one that was set aside
        self._moved = ""  # set aside, while no new one could be begun
        self._file: File | None = None  # the one that was recorded last
        self._service: tuple[int, str, float] | None = None
        self._db: sqlite3.Connection | None = None
        try:
            try:
                self._open()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not is_damage(error):
                    raise
                self.reason = str(error)
                self._anew(at)
        except (OSError, sqlite3.Error) as error:
            if "locked" in str(error):
                raise TryAgain(
                    f"the history {path} is locked by another process",
                    hint="end what holds it (a backup, a shell of sqlite3), and start again",
                ) from error
            raise SettingsError(
                f"the history {path} cannot be used: {error}",
                hint="free disk space, or choose another --state-dir",
            ) from error

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def begin_anew(self, *, at: float) -> str:
        """Sets the damaged file aside and begins a new one; returns where the old one lies, ''
        where nothing was left of it.

        Raises HistoryError where that cannot be done now; it may be asked for again.
        """
        try:
            return self._anew(at)
        except (OSError, sqlite3.Error, SettingsError) as error:
            raise HistoryError(f"a new history cannot be begun: {error}") from error

    def _anew(self, at: float) -> str:
        ours = self._db is None or identity(self.path) == self._identity
        self.close()
        self._moved = set_aside(self.path, at=at, whole=ours) or self._moved
        self._file = None
        self._open()
        self.damaged, self._moved = self._moved, ""
        if self._service is not None:
            with self._transaction(durable=True) as db:
                db.execute(_SERVICE, self._service)
        return self.damaged

    def _open(self) -> None:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(self.path, timeout=OPEN_SECONDS, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            self._migrate(db)
            db.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
        except BaseException:
            db.close()
            raise
        self._db = db
        self._identity = identity(self.path)
        self._size = size(self.path)

    def _migrate(self, db: sqlite3.Connection) -> None:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise SettingsError(
                f"the history {self.path} was written by a newer torch (schema {found})",
                hint="install that version again, or set the file aside",
            )
        for version in range(found + 1, SCHEMA_VERSION + 1):
            script = (files("torch.history") / "schema" / f"{version:03}.sql").read_text("utf-8")
            db.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;"
            )

    # ── writing ───────────────────────────────────────────────────────────────────────────

    def commit(
        self, records: Iterable[Record], *, at: float, boot_id: str, durable: bool = True
    ) -> frozenset[str]:
        """Writes the records in one transaction; returns the run ids of intents that lost.

        `durable` False leaves out the fsync: such a commit survives the death of the service
        but may be lost with the power, which is enough for "it is running now".
        Raises HistoryError, and HistoryDamaged where only `begin_anew` helps.
        """
        lost: set[str] = set()
        file = self._file
        with self._transaction(durable) as db:
            for record in records:
                for entry in record.entries:
                    if not rows.insert(db, entry, at=at, boot_id=boot_id):
                        lost.add(entry.run.id)
                for progress in record.progress:
                    if progress.run.id not in lost:
                        rows.advance(db, progress, at=at, boot_id=boot_id)
                rows.define(db, record.definitions, at=at)
                for pausing in record.pauses:
                    rows.pause(db, pausing)
                notices.post(db, record.posted)
                notices.deliver(db, record.deliveries)
                notices.trouble(db, record.troubles)
                if record.file is not None and record.file != file:
                    file = record.file
                    rows.load(db, file, at=at)
                if record.watermark is not None:
                    rows.set_meta(db, "watermark", str(record.watermark))
                if record.rebooted:
                    rows.set_meta(db, "boot_id", boot_id)
            rows.set_meta(db, "seen_at", repr(at))
        self._file = file
        return frozenset(lost)

    def begin_service(self, *, pid: int, boot_id: str, at: float) -> None:
        """A service lives from now on. A span that is still open is of one that died: it ends
        with the last commit. Raises HistoryError."""
        with self._transaction(durable=True) as db:
            db.execute(
                "UPDATE service SET how = 'died', ended_at = max(started_at, coalesce((SELECT "
                "cast(value AS REAL) FROM meta WHERE key = 'seen_at'), 0)) WHERE ended_at IS NULL"
            )
            db.execute(_SERVICE, (pid, boot_id, at))
            rows.set_meta(db, "seen_at", repr(at))
        self._service = (pid, boot_id, at)

    def end_service(self, *, at: float, how: str) -> None:
        """It ends now; `how` is for people. Raises HistoryError."""
        with self._transaction(durable=True) as db:
            db.execute("UPDATE service SET ended_at = ?, how = ? WHERE ended_at IS NULL", (at, how))
            rows.set_meta(db, "seen_at", repr(at))
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

    @contextlib.contextmanager
    def _transaction(self, durable: bool) -> Iterator[sqlite3.Connection]:
        with self._connected() as db:
            if identity(self.path) != self._identity:
                raise HistoryDamaged("the file was removed or replaced")
            before, self._size = self._size, size(self.path)
            if self._size < before:
                raise HistoryDamaged("the file was cut short")
            try:
                db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        db.execute("ROLLBACK")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            raise HistoryDamaged("a new history could not be begun")
        try:
            yield self._db
        except (sqlite3.Error, UnicodeDecodeError) as error:
            kind = HistoryDamaged if is_damage(error) else HistoryError
            raise kind(str(error)) from error

    # ── what a new service asks of the old one's file; each raises HistoryError ───────────

    def recall(self, *, at: float) -> Past:
        """All that is asked below, in one. A file that turns out to be damaged is set aside
        (`damaged`, `reason`), and nothing is known. Raises SettingsError where even that cannot
        be done."""
        try:
            try:
                return self._asked(past.recall, at)
            except HistoryDamaged as error:
                self.reason = str(error)
                self.begin_anew(at=at)
                return self._asked(past.recall, at)
        except HistoryError as error:
            raise SettingsError(
                f"the history {self.path} cannot be read: {error}",
                hint="look at the disk, or choose another --state-dir",
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

    def paused(self) -> dict[str, Pause]:
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
