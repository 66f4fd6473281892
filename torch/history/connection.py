"""The writer's one connection to the history's file.

Owns opening the file, its transactions, and what becomes of a file that is in doubt: it is looked
through, and set aside only if it is damaged. What stands in the file is the store's (`store`).
Invariants: a closed connection says so, and never that the file is damaged; what belongs to
another file at the path, such as its write-ahead log, is not touched.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator

from torch.errors import SettingsError, TryAgain
from torch.history import integrity
from torch.history.damage import Renewed, beside, identity, is_damage, set_aside, size

BUSY_SECONDS = 0.1
"""How long a write waits for another process's lock before it counts as failed."""

OPEN_SECONDS = 5.0
"""How long opening waits for one."""

_MAGIC = b"SQLite format 3\0"
_HEAD = 100
_FIXED = 18
_VALID_FOR = 92
"""Bytes of SQLite's head, those that never change (the magic text and the size of a page), and
where it says for which change its count of pages holds: 0 there makes SQLite count them itself.
Source: SQLite, Database File Format, 1.3."""


class HistoryError(Exception):
    """A transaction failed and left nothing behind. The text is SQLite's own."""


class HistoryDamaged(HistoryError):
    """The file itself is in doubt, or gone: no waiting helps, `begin_anew` does."""


class HistoryClosed(HistoryError):
    """The store was closed, because its service ends. It says nothing of the file."""


SetAside = Callable[[str, str], None]


class Connection:
    """`damaged`: where the file that was found damaged lies now, '' if nothing was left of it;
    None: it was good."""

    def __init__(
        self, path: str, *, at: float = 0.0, set_aside: SetAside = lambda _path, _reason: None
    ) -> None:
        """Opens or makes the file (0600). One that is damaged is set aside under the time `at`
        (wall seconds), and a new one begun. `set_aside` hears of each such file as soon as it is
        moved: where it lies, and what is wrong with it. Raises SettingsError where the file cannot
        be used, and TryAgain where another process holds it."""
        self.path = path
        self._tell_set_aside = set_aside
        self.damaged: str | None = None
        self.reason = ""  # what was wrong with the one that was set aside
        self._moved = ""  # set aside, while no new one could be begun
        self._closed = False
        self._db: sqlite3.Connection | None = None
        try:
            self._try_open(at)
        except (OSError, sqlite3.Error) as error:
            if "locked" in str(error):
                raise TryAgain(
                    f"the history {path} is locked by another process",
                    hint="end the process that locks it (a backup, a sqlite3 shell), then retry",
                ) from error
            raise SettingsError(
                f"the history {path} cannot be used: {error}",
                hint="free disk space, or choose another --state-dir",
            ) from error

    def close(self) -> None:
        """Nothing is read or written after it: HistoryClosed."""
        self._closed = True
        if self._db is not None and identity(self.path) == self._identity:
            self._restore_head()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
            os.close(self._fd)  # after it: to close any descriptor of the file drops SQLite's locks

    def begin_anew(self, *, at: float, reason: str = "", refused: bool = False) -> Renewed:
        """Looks through a file that is in doubt, for this reason. One that is damaged is set
        aside, and a new one begun; one that is sound is used. `refused`: it was used after such a
        look, and cannot be.

        Raises HistoryError where that cannot be done now; it may be asked for again.
        """
        if self._closed:
            raise HistoryClosed("the history is closed")
        try:
            self.reason = reason or self.reason
            return self._anew(at, refused)
        except (OSError, sqlite3.Error, SettingsError) as error:
            raise HistoryError(f"a new history cannot be created: {error}") from error

    def _try_open(self, at: float) -> None:
        for refused in (False, True):
            try:
                self._open()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not is_damage(error):
                    raise
                self.reason = str(error)
            else:
                return
            if refused or integrity.fault(self.path):
                break
        self._anew(at, refused=True)

    def _anew(self, at: float, refused: bool) -> Renewed:
        found = identity(self.path)
        same = self._db is not None and found == self._identity
        if self._db is not None and not same:  # what lies beside our file is of use to no other
            set_aside(self.path, at=at, only=self._beside)
        elif self._db is not None:
            self._restore_head()
        if found is not None and (refused or integrity.fault(self.path)):
            self._moved = set_aside(self.path, at=at)
            self._tell_set_aside(self._moved, self.reason)
            found = None
        # Only now: SQLite leaves alone what lies at the path when its own file has moved from it.
        self._disconnect()
        self._open()
        if found is None:
            self.damaged, self._moved = self._moved, ""
        if not same or found is None:
            self._begun()
        return Renewed(aside=self.damaged) if found is None else Renewed(aside=None, same=same)

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Gives a file that was just opened the shape that is needed."""

    def _begun(self) -> None:
        """Another file is in use than before: nothing of what was written stands in it."""

    def _open(self) -> None:
        fd = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            db = sqlite3.connect(self.path, timeout=OPEN_SECONDS, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                self._prepare(db)
                with contextlib.suppress(sqlite3.OperationalError):  # a full disk
                    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # with it the head
                db.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
            except BaseException:
                db.close()
                raise
        except BaseException:
            os.close(fd)
            raise
        self._db, self._fd = db, fd
        self._identity, self._beside = identity(self.path), beside(self.path)
        self._size = size(self.path)
        self._head = b""
        self._look_at_head()

    # ── the head of the file ──────────────────────────────────────────────────────────────

    def _look_at_head(self) -> None:
        """A writer that has the file open does not notice that somebody wrote over its head;
        nobody else can read the file then. A head that was never seen whole stands in the log
        still, and is not looked for. Raises HistoryDamaged and OSError."""
        head = os.pread(self._fd, _HEAD, 0)
        if head.startswith(_MAGIC) and self._head[:_FIXED] in (b"", head[:_FIXED]):
            self._head = head
        elif self._head:
            raise HistoryDamaged("the head of the file was overwritten")

    def _restore_head(self) -> None:
        """As it was at the last transaction; SQLite's check says whether that is right still."""
        with contextlib.suppress(OSError):
            if self._head and os.pread(self._fd, _FIXED, 0) not in (b"", self._head[:_FIXED]):
                head = self._head[:_VALID_FOR] + bytes(4) + self._head[_VALID_FOR + 4 :]
                os.pwrite(self._fd, head, 0)

    @contextlib.contextmanager
    def _transaction(self, durable: bool) -> Iterator[sqlite3.Connection]:
        with self._connected() as db:
            if identity(self.path) != self._identity:
                raise HistoryDamaged("the file was removed or replaced")
            before, self._size = self._size, size(self.path)
            if self._size < before:
                raise HistoryDamaged("the file was cut short")
            try:
                self._look_at_head()
            except OSError as error:
                raise HistoryError(f"the file cannot be read: {error.strerror}") from error
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
        if self._closed:
            raise HistoryClosed("the history is closed")
        if self._db is None:
            raise HistoryDamaged("a new history could not be created")
        try:
            yield self._db
        except (sqlite3.Error, UnicodeDecodeError) as error:
            kind = HistoryDamaged if is_damage(error) else HistoryError
            raise kind(str(error)) from error
