"""Where events go: torch.log, or the terminal in the foreground.

Owns the log file. It is opened again when asked (SIGUSR1) and when it was moved away, so
logrotate works with and without a postrotate line. If a line cannot be written
completely, its part is removed and the line is counted; the count is logged with the next line that
can be written. So a full disk stops no task and leaves no half line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from torch.clock import Clock, rfc3339
from torch.event import Event, PartRecovered
from torch.report import log
from torch.report.text import count

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
        self._lines: list[str] = []  # told in this turn of the loop
        self._lost = 0
        self._failed: tuple[float, str] | None = None  # since when (wall), and why
        self._torn = False  # half a line stands at the end, and could not be taken back
        self._closed = False
        self._fd = -1
        self._open()

    def reopen(self) -> None:
        """After a rotation. A file that cannot be opened is said by `failing`."""
        if self._closed:
            return
        try:
            self._open()
        except OSError as error:
            self._fail(error)

    def _open(self) -> None:
        """The folder is made where somebody took it away. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            folder = os.path.dirname(self._path)
            os.mkdir(folder, 0o700)
            os.chmod(folder, 0o750)  # noqa: S103  # the group reads logs, whatever the umask
            fd = os.open(self._path, flags, 0o600)
        os.fchmod(fd, 0o640)  # readable for the group, whatever our umask
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._torn = fd, False
        self._inode = os.fstat(fd).st_ino

    def tell(self, event: Event) -> None:
        """Written with all else that is told in this turn of the loop, by one write."""
        if self._closed:  # the number of our descriptor may be another file's by now
            return
        self._lines.append(self._form(event, self._clock.now().wall))
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:  # there is no loop yet, or any more
                self.flush()

    def flush(self) -> None:
        """What was told so far is written."""
        lines, self._lines = self._lines, []
        if not lines or self._closed:
            return
        try:
            self._say_lost()
            self._write(lines)
        except OSError as error:
            self._fail(error)
            self._lost += len(lines)

    def retry(self) -> None:
        """Lines were lost: that is said as soon as one can be written, also if nothing happens."""
        if self._failed is not None and not self._closed:
            try:
                self._say_lost()
            except OSError as error:
                self._fail(error)

    def failing(self) -> dict[str, Any] | None:
        """Since when no line can be written, why, and how many were lost; None: all is well."""
        if self._failed is None:
            return None
        since, reason = self._failed
        return {"since": rfc3339(since), "reason": reason, "lost": self._lost}

    def close(self) -> None:
        self.flush()
        self._closed = True
        os.close(self._fd)

    def _say_lost(self) -> None:
        if self._moved():
            self._open()
        if self._failed is not None:
            lost = f"{count(self._lost, 'line')} could not be written"
            event = PartRecovered(part="the log", lost=lost)
            self._write([self._form(event, self._clock.now().wall)])
            self._lost, self._failed = 0, None

    def _fail(self, error: OSError) -> None:
        since = self._failed[0] if self._failed is not None else self._clock.now().wall
        self._failed = since, error.strerror or str(error)

    def _moved(self) -> bool:
        try:
            return os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            return True

    def _write(self, lines: list[str]) -> None:
        """All of them or none."""
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        if self._torn:
            data = b"\n" + data
        written = 0
        try:
            while written < len(data):  # a disk that has no more space takes a part
                written += os.write(self._fd, data[written:])
        except OSError:
            if written:
                self._take_back(written)
            raise
        self._torn = False

    def _take_back(self, written: int) -> None:
        """Nobody else writes there: what we wrote last stands at the end."""
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
        except OSError:
            self._torn = True


class Terminal:
    """The foreground's log: standard output. A closed terminal stops no task either."""

    def __init__(self, *, form: str, clock: Clock) -> None:
        self._form = _FORMS[form]
        self._clock = clock

    def reopen(self) -> None:
        """Nothing to open again."""

    def tell(self, event: Event) -> None:
        data = (self._form(event, self._clock.now().wall) + "\n").encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            while data:  # a pipe may take a part
                data = data[os.write(sys.stdout.fileno(), data) :]

    def flush(self) -> None:
        """Nothing is kept back."""

    def retry(self) -> None:
        """Nothing is kept that could be told again."""

    def failing(self) -> None:
        """Whoever started us sees whether lines arrive."""

    def close(self) -> None:
        """Nothing to close."""
