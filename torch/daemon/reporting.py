"""The service reports on itself: one line every few minutes, on a beat that the loop has anyway.

Owns the counts since the last line, and the cheap looks at our own process: no look at any
task's process, no query of the history. What cannot be read is left out of the line; nothing
here may fail.
"""

from __future__ import annotations

import contextlib
import os
import resource
from array import array
from collections.abc import Callable

from torch.clock import Clock
from torch.event import Event, RunEnded, RunNotStarted, RunStarted, SelfReported
from torch.run import BAD, Trigger
from torch.schedule.scheduler import Scheduler
from torch.settings import Settings

_KEPT = 4096
"""Latenesses kept for the median; of more, every second one is left out, again and again."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Reporter:
    """Hears every event, and tells one of its own every `settings.report_every` beats."""

    def __init__(
        self, settings: Settings, *, scheduler: Scheduler, clock: Clock,
        tell: Callable[[Event], None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._scheduler = scheduler
        self._clock = clock
        self._tell = tell
        self._beats = 0
        self._began_at = clock.now().mono
        self._used = _processor_seconds()
        self._clear()

    def _clear(self) -> None:
        self._started = self._failed = 0
        self._lateness = Median()

    def hear(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started += 1
            if event.lateness is not None and event.run.trigger is Trigger.SCHEDULE:
                self._lateness.add(event.lateness)
        elif isinstance(event, RunNotStarted) or (
            isinstance(event, RunEnded) and event.ending.outcome in BAD
        ):
            self._failed += 1

    def beat(self) -> None:
        """Once a minute."""
        self._beats += 1
        every = self._settings.report_every
        if every and self._beats % every == 0:
            self._tell(self.report())

    def report(self) -> SelfReported:
        """The line as of now; the next one counts from here."""
        now, used = self._clock.now().mono, _processor_seconds()
        share = (used - self._used) / max(now - self._began_at, 1e-3)
        state = self._scheduler.snapshot()
        event = SelfReported(
            tasks=state.present,
            running=state.running,
            seconds=now - self._began_at,
            started=self._started,
            failed=self._failed,
            late_median=self._lateness.middle(),
            late_max=self._lateness.most,
            load=os.getloadavg()[0],
            cpu_percent=share * 100,
            memory_mib=_resident_mib(),
            open_files=_open_files(),
            history_mib=_size_mib(self._settings.history),
            state_free_mib=_free_mib(self._settings.state_dir),
            log_free_mib=_free_mib(self._settings.log_dir),
        )
        self._began_at, self._used = now, used
        self._clear()
        return event


class Median:
    """The middle of many numbers in little memory: exact up to 4096, then of every second one,
    every fourth … of them. `most` is exact."""

    def __init__(self) -> None:
        self.most: float | None = None
        self._kept = array("d")
        self._stride = 1
        self._seen = 0

    def add(self, value: float) -> None:
        self.most = value if self.most is None else max(self.most, value)
        if self._seen % self._stride == 0:
            self._kept.append(value)
            if len(self._kept) > _KEPT:
                self._kept = self._kept[::2]
                self._stride *= 2
        self._seen += 1

    def middle(self) -> float | None:
        return sorted(self._kept)[len(self._kept) // 2] if self._kept else None


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _resident_mib() -> float | None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE / 2**20
    except (OSError, ValueError, IndexError):
        return None


def _open_files() -> int | None:
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # without the listing's own
    except OSError:
        return None


def _size_mib(path: str) -> float:
    """With the write-ahead log, which is a part of it."""
    size = 0
    for name in (path, f"{path}-wal"):
        with contextlib.suppress(OSError):
            size += os.stat(name).st_size
    return size / 2**20


def _free_mib(folder: str) -> int | None:
    """What the service's user may still write there."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // 2**20
