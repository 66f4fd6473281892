"""A read-only view of the history's file, and a name for each way in which there is none.

Owns the connection of a reader. It never writes and never blocks the writer: SQLite's WAL
gives each reader its own view.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

from torch.errors import NotPermitted, NotRunning, SettingsError, TorchError, TryAgain

SCHEMA = 5
"""What a reader understands: the store's SCHEMA_VERSION, without the import of the store."""


@contextlib.contextmanager
def reading(path: str) -> Iterator[sqlite3.Connection]:
    """A read-only connection. Raises NotRunning, NotPermitted, TryAgain and SettingsError."""
    try:
        db = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=2)
        try:
            try:
                yield db
            except sqlite3.OperationalError as error:
                if "no such" in str(error):
                    _check_shape(path, db, error)
                raise
        finally:
            db.close()
    except sqlite3.OperationalError as error:
        text = str(error)
        if "unable to open" in text:
            raise _absent(path) from error
        if "locked" in text or "busy" in text:
            raise TryAgain("the history is locked by another process") from error
        raise _unfit(path, error) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _unfit(path, error) from error


def _check_shape(path: str, db: sqlite3.Connection, error: sqlite3.Error) -> None:
    """Raises what is to be said of a file that lacks what is asked for."""
    schema = db.execute("PRAGMA user_version").fetchone()[0]
    if schema == 0 and "no such table" in str(error):
        raise TryAgain("the history is being created; the service has just started") from error
    if 0 < schema < SCHEMA:
        raise TryAgain(
            f"the history {path} is of an older torch",
            hint="the service updates it when it starts: torch restart",
        ) from error
    if schema > SCHEMA:
        raise _newer(path, schema) from error


def refuse_newer(path: str) -> None:
    """Raises SettingsError if a newer torch has changed the file. Of what else is wrong with it
    nothing is said: a service mends that when it starts, or says it then."""
    schema = 0
    with contextlib.suppress(TorchError), reading(path) as db:
        schema = db.execute("PRAGMA user_version").fetchone()[0]
    if schema > SCHEMA:
        raise _newer(path, schema)


def _newer(path: str, schema: int) -> SettingsError:
    return SettingsError(
        f"the history {path} was written by a newer torch (schema {schema})",
        hint="use that version's command; to go back to this one: docs/operations.md, Rollback",
    )


def _unfit(path: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"the history {path} cannot be read: {error}",
        hint="the service moves a damaged history aside when it finds one or starts: torch restart",
    )


def _absent(path: str) -> NotRunning | NotPermitted:
    try:
        with open(path, "rb"):
            pass
    except PermissionError:
        return NotPermitted(f"{path} belongs to another user", hint="run torch as that user")
    except OSError:
        pass
    return NotRunning(
        f"there is no history at {path}",
        hint="start the service once (torch start), or set its --state-dir",
    )
