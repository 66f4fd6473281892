"""Deadlines of runs: one that the service does not renew in time is enforced without it.

Owns the deadlines, and ending a run: SIGTERM to its group, and after the grace SIGKILL to all its
processes, repeatedly until none is left.
"""

from __future__ import annotations

import contextlib
import os
import signal

from torch.reaper import processes
from torch.reaper.processes import Tie
from torch.reaper.runs import Run, Table

AGAIN = 0.1
"""Seconds between two looks at what is to end by force."""

TRIES = 50


class Deadlines:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._of: dict[str, Run] = {}
        self._forced: dict[str, tuple[float, int, Run]] = {}  # id -> next look, tries left

    def set(self, run: Run, now: float, seconds: float, grace: float) -> None:
        """`seconds` 0: none."""
        run.deadline = now + seconds if seconds > 0 else None
        run.grace = grace
        self._forced.pop(run.id, None)
        if run.deadline is None:
            self._of.pop(run.id, None)
        else:
            self._of[run.id] = run

    def first(self) -> float | None:
        soon = [run.deadline for run in self._of.values() if run.deadline is not None]
        soon += [at for at, _, _ in self._forced.values()]
        return min(soon, default=None)

    def look(self, now: float) -> None:
        for run in [*self._of.values()]:
            if not run.lives:
                del self._of[run.id]
            elif run.deadline is None or run.deadline > now:
                continue
            else:
                if run.grace > 0:
                    with contextlib.suppress(OSError):
                        os.killpg(run.pid, signal.SIGTERM)
                        os.killpg(run.pid, signal.SIGCONT)
                # Its first process may end of that, and others stay: from here on that is no end.
                del self._of[run.id]
                self._forced[run.id] = (now + run.grace, TRIES, run)
        due = {run_id: each for run_id, each in self._forced.items() if each[0] <= now}
        if not due:
            return
        ties = {run_id: _tie(run) for run_id, (_, _, run) in due.items()}
        found = processes.find(ties, never={os.getpid()})
        for run_id, (_, tries, run) in due.items():
            for process in found[run_id]:
                processes.send(process, signal.SIGKILL)
            if found[run_id] and tries > 0:
                self._forced[run_id] = (now + AGAIN, tries - 1, run)
            else:
                del self._forced[run_id]


def _tie(run: Run) -> Tie:
    """Once its first process is reaped, another may have its pid."""
    seen = processes.stat(run.pid)
    again = not run.lives and seen is not None and seen.started != run.birth
    return Tie(0 if again else run.pid, mark=run.mark, since=run.birth)
