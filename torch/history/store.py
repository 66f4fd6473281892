"""The one writer of the history: a SQLite file in WAL mode, every intent fsynced.

Owns the file and its transactions. A batch is committed whole or not at all; the caller
learns which intents lost because their fire has a row already (losing is a normal result).
Must not know what a row means to the scheduler, nor the time: readings are arguments.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from importlib.resources import files

from torch.clock import FireTime
from torch.errors import SettingsError
from torch.run import State
from torch.schedule.messages import Definition, Entry, Progress, Record

SCHEMA_VERSION = 1
BUSY_SECONDS = 0.1
"""How long a write waits for another process's lock before it counts as failed."""


class HistoryError(Exception):
    """A transaction failed and left nothing behind. The text is SQLite's own."""


class Store:
    def __init__(self, path: str) -> None:
        """Opens or makes the file (0600). Raises SettingsError where it cannot be used."""
        self.path = path
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"the history {path} cannot be used: {error}",
                hint="free disk space; if it is damaged, set the file aside for a new one",
            ) from error

    def close(self) -> None:
        self._db.close()

    def _migrate(self) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise SettingsError(
                f"the history {self.path} was written by a newer torch (schema {found})",
                hint="install that version again, or set the file aside",
            )
        for version in range(found + 1, SCHEMA_VERSION + 1):
            script = (files("torch.history") / "schema" / f"{version:03}.sql").read_text("utf-8")
            self._db.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;"
            )

    # ── writing ───────────────────────────────────────────────────────────────────────────

    def commit(
        self, records: Iterable[Record], *, at: float, boot_id: str, durable: bool = True
    ) -> frozenset[str]:
        """Writes the records in one transaction; returns the run ids of intents that lost.

        `durable` False leaves out the fsync: such a commit survives the death of the service
        but may be lost with the power, which is enough for "it is running now".
        """
        lost: set[str] = set()
        with self._transaction(durable):
            for record in records:
                for entry in record.entries:
                    if not self._insert(entry, at, boot_id):
                        lost.add(entry.run.id)
                self._db.executemany(_PROGRESS, map(_progress, record.progress))
                self._db.executemany(_DEFINITION, map(_definition, record.definitions))
                if record.watermark is not None:
                    self._set_meta("watermark", str(record.watermark))
                if record.rebooted:
                    self._set_meta("boot_id", boot_id)
        return frozenset(lost)

    @contextlib.contextmanager
    def _transaction(self, durable: bool) -> Iterator[None]:
        try:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise HistoryError(str(error)) from error
        finally:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")

    def _insert(self, entry: Entry, at: float, boot_id: str) -> bool:
        run, ending = entry.run, entry.ending
        row = (
            run.id, run.task, run.fire_time, entry.last, entry.count, run.trigger.value,
            run.attempt, State.FINISHED.value if ending else State.INTENT.value,
            ending.outcome.value if ending else None, ending.reason if ending else "",
            at, at if ending else None, run.version, boot_id,
        )  # fmt: skip
        return self._db.execute(_ENTRY, row).rowcount == 1

    def _set_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # ── what a new service asks of the old one's file ─────────────────────────────────────

    def watermark(self) -> FireTime | None:
        found = self._meta("watermark")
        return None if found is None else FireTime(int(found))

    def boot_id(self) -> str | None:
        """The boot whose `@reboot` fires are decided; None before the first."""
        return self._meta("boot_id")

    def decided(self) -> dict[str, tuple[str, FireTime]]:
        """Task -> (digest of the definition last in force, up to where its fires are decided).

        That is the latest of three: where the definition began, the watermark, and the newest
        fire that has a row, since some are decided ahead of the watermark.
        """
        watermark = self.watermark() or 0
        newest = "SELECT coalesce(max(fire_time), 0) FROM run"
        rows = self._db.execute(
            f"SELECT task, digest, max(since, ?, ({newest} WHERE run.task = definition.task)) "
            "FROM definition",
            (watermark,),
        )
        return {task: (digest, FireTime(decided)) for task, digest, decided in rows}

    def unfinished(self) -> list[tuple[str, str, str]]:
        """(run id, task, state) of every run that no end is recorded for, oldest first."""
        rows = self._db.execute(
            "SELECT id, task, state FROM run WHERE state <> 'finished' ORDER BY seq"
        )
        return rows.fetchall()

    def _meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])


_ENTRY = """
INSERT OR IGNORE INTO run (id, task, fire_time, last_fire, count, trigger, attempt, state,
                           outcome, reason, recorded_at, ended_at, version, boot_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PROGRESS = """
UPDATE run SET state = ?, pid = coalesce(?, pid), started_at = coalesce(?, started_at),
               ended_at = ?, outcome = ?, exit_code = ?, signal = ?, reason = ?
WHERE id = ? AND state <> 'finished'
"""
_DEFINITION = "INSERT OR REPLACE INTO definition (task, digest, since) VALUES (?, ?, ?)"


def _progress(progress: Progress) -> tuple[object, ...]:
    end = progress.ending
    if end is None:
        state, times = State.RUNNING.value, (progress.pid, progress.at, None)
        return (state, *times, None, None, None, "", progress.run_id)
    return (
        State.FINISHED.value, None, None, progress.at, end.outcome.value, end.exit_code,
        end.signal, end.reason, progress.run_id,
    )  # fmt: skip


def _definition(definition: Definition) -> tuple[object, ...]:
    return (definition.task, definition.digest, definition.since)
