"""Where events go: torch.log, or the terminal in the foreground.

Owns the log file. It is opened again when asked (SIGUSR1) and when it was moved away, so
logrotate works with and without a postrotate line. A line that cannot be written is counted
and the count is told with the next one that can: a full disk stops no task.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from torch.clock import Clock
from torch.event import Event, PartFailed
from torch.report import log

_FORMS: dict[str, Callable[[Event, float], str]] = {
    "logfmt": log.logfmt,
    "json": log.as_json,
    "console": log.console,
}


class LogFile:
    def __init__(self, path: str, *, form: str, clock: Clock) -> None:
        """Raises OSError where the file cannot be opened."""
        self._path = path
        self._form = _FORMS[form]
        self._clock = clock
        self._lost = 0
        self._fd = -1
        self.reopen()

    def reopen(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self._path, flags, 0o600)
        os.fchmod(fd, 0o640)  # readable for the group, whatever our umask
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._inode = os.fstat(fd).st_ino

    def tell(self, event: Event) -> None:
        try:
            if self._moved():
                self.reopen()
            if self._lost:
                reason = f"{self._lost} lines could not be written"
                self._write(PartFailed(part="the log", reason=reason))
                self._lost = 0
            self._write(event)
        except OSError:
            self._lost += 1

    def close(self) -> None:
        os.close(self._fd)

    def _moved(self) -> bool:
        try:
            return os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            return True

    def _write(self, event: Event) -> None:
        line = self._form(event, self._clock.now().wall) + "\n"
        os.write(self._fd, line.encode("utf-8", "replace"))


class Terminal:
    """The foreground's log: standard output. A closed terminal stops no task either."""

    def __init__(self, *, form: str, clock: Clock) -> None:
        self._form = _FORMS[form]
        self._clock = clock

    def reopen(self) -> None:
        """Nothing to open again."""

    def tell(self, event: Event) -> None:
        line = self._form(event, self._clock.now().wall) + "\n"
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), line.encode("utf-8", "replace"))

    def close(self) -> None:
        """Nothing to close."""
