"""Reapers as /proc shows them, and the runs of which nobody can know the end once one is killed.

Owns the one allowance that the judgement makes: it is read from the journal of a reaper at the
instant of its death, and taken back for a run that had told its end long before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

from tests.faults.patient import Patient, parent_of
from tests.service import alive
from tests.waiting import until

LONG_BEFORE = 2.0
"""Seconds after which a run that has told its end must be in the journal of its reaper."""


def own(service: Patient) -> int:
    """The reaper that the living service has started for new runs; 0: there is none now."""
    pid = service.pid
    for reaper in service.reapers():
        with contextlib.suppress(OSError):
            if pid and parent_of(reaper) == pid:
                return reaper
    return 0


def wait_own(service: Patient, *, other_than: int = 0) -> int:
    def there() -> int:
        pid = own(service)
        return pid if pid != other_than else 0

    return until("the service has a reaper", there)


def earlier(service: Patient) -> list[int]:
    mine = own(service)
    return [pid for pid in service.reapers() if pid != mine]


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP for as long as this lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class Fates:
    """Kills, and remembers whose end may be unknown: `unknowable` once a reaper of an earlier
    service was killed, or a reaper and its service; of a reaper whose service lives only runs
    that had begun and had no process yet."""

    def __init__(self, service: Patient) -> None:
        self.unknowable: set[str] = set()
        self.kills = {"service": 0, "reaper": 0, "earlier": 0}
        self._service = service
        self._heirs: set[str] = set()  # the service waits for these itself
        self._told: dict[str, float] = {}  # run -> when its end was first read

    def look(self) -> None:
        """Reads what tasks have told by now."""
        now = time.monotonic()
        for line in self._service.witness():
            if line.kind == "E":
                self._told.setdefault(line.run, now)

    def kill_service(self) -> bool:
        self.look()
        if not self._service.kill():
            return False
        self.kills["service"] += 1
        self.unknowable |= self._fresh(self._heirs)
        self._heirs.clear()
        return True

    def kill_reaper(self, pid: int, *, with_service: bool = False) -> bool:
        """False: it was gone already. `with_service`: that is killed right after it."""
        directory = self._service.reapers().get(pid)
        if directory is None:
            return False
        service = self._service.pid
        ours = service != 0 and parent_of(pid) == service
        self.look()
        try:
            journal = os.open(directory / "journal", os.O_RDONLY)
        except OSError:  # it is about to go
            return False
        try:
            os.kill(pid, signal.SIGKILL)
            if with_service:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(service, signal.SIGKILL)
            until("the reaper is dead", lambda: not alive(pid))
            begun, born = _open_in(journal)
        finally:
            os.close(journal)
        self.kills["reaper" if ours else "earlier"] += 1
        if ours and not with_service:
            self._heirs |= born
            self.unknowable |= self._fresh(begun - born)
        else:
            self.unknowable |= self._fresh(begun)
        if with_service:
            self.kills["service"] += 1
            until("the service is dead", lambda: not alive(service))
            self.unknowable |= self._fresh(self._heirs)
            self._heirs.clear()
        return True

    def _fresh(self, runs: set[str]) -> set[str]:
        long_before = time.monotonic() - LONG_BEFORE
        return {run for run in runs if self._told.get(run, long_before) >= long_before}

    def unknown(self) -> list[str]:
        """Those of the unknowable that are unknown: others were stopped, or known all the same."""
        rows = self._service.rows()
        found = {row["id"] for row in rows if row["outcome"] == "unknown"}
        return sorted(found & self.unknowable)


def _open_in(journal: int) -> tuple[set[str], set[str]]:
    """(runs that had begun and not ended; those among them with a process)."""
    begun, born = set(), set()
    text = os.pread(journal, 1 << 24, 0).decode("ascii", "replace")
    for line in text.splitlines():
        words = line.split(" ")
        if words[-1] != ".":
            continue
        if words[0] == "B":
            begun.add(words[1])
        elif words[0] == "S":
            born.add(words[1])
        elif words[0] in ("N", "X"):
            begun.discard(words[1])
    return begun, born & begun
