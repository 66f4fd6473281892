"""The end of a run: it is written to the journal, reaped and reported.

Owns the waiting for processes. An end is in the journal before its process is reaped. If the reaper
is killed in between, the process that inherits the run, or reads the journal, still gets the code.
An end is reported when all earlier output is in its file, or after PATIENCE if the disk hangs.
"""

from __future__ import annotations

import os
import resource
from collections import deque
from collections.abc import Callable

from torch.linux import peek_ended
from torch.reaper import fronts
from torch.reaper.instants import since_boot, wall
from torch.reaper.journal import Journal
from torch.reaper.pump import LAST, Pump, Source
from torch.reaper.runs import Run, Table, closed_fact, ended, ended_line
from torch.reaper.spawning import Spawner

PATIENCE = 2.0
"""Seconds after which an end is reported even if its output is not in the file yet."""


class Ends:
    def __init__(
        self, table: Table, *, journal: Journal, spawner: Spawner, pump: Pump,
        tell: Callable[..., None],
    ) -> None:  # fmt: skip
        self._table = table
        self._spawner = spawner
        self._journal = journal
        self._pump = pump
        self._tell = tell
        self._late: deque[Run] = deque()  # have ended, and their output is not read so far

    def first(self) -> float | None:
        """When to be awake, in seconds since boot."""
        return self._late[0].late_at if self._late else None

    def reap(self) -> None:
        """Everything that has ended, whoever it was. What is not in the journal is not reaped yet:
        should we be killed in between, our service can still ask the kernel."""
        over = []
        # What its spawner had is where the figure begins: no more than that says nothing.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while (found := _peek()) is not None:
            pid, code, number, cpu, most = found
            run = self._table.of_pid.get(pid)
            fronted = run is not None and run.fronted and code in fronts.CODES
            front = fronts.still(pid) if fronted else ""
            if run is not None and front:
                self._never_began(run, front)
            elif run is not None:
                rss = most * 1024 if most > own else None
                run.ended = code, number, wall(), cpu, rss
                self._journal.say([(run.id, ended_line(run.id, run.ended))])
                over.append(run)
            os.waitpid(pid, 0)
            if run is not None:
                self._table.over(run)
        for run in over:
            self._read_out(run)

    def _read_out(self, run: Run) -> None:
        if run.closed is not None or run.source is None:
            self._tell_end(run)
            return
        self._pump.ask("end", run.source)
        self._pump.ask("drain", run.source)
        run.late_at = since_boot() + PATIENCE
        self._late.append(run)

    def _never_began(self, run: Run, front: str) -> None:
        """What its wrapper printed is read all the same."""
        self._journal.say([(run.id, b"N " + run.id.encode())])
        del self._table.runs[run.id]
        if run.source is not None:
            self._pump.ask("end", run.source)
            self._pump.ask("drain", run.source)
        reason = f"{front} could not start its command; its output says why"
        self._tell(b"refused", run.id.encode(), reason.encode())

    def _tell_end(self, run: Run) -> None:
        run.told = True
        self._tell(*ended(run))
        if run.closed is not None:
            self._tell(*closed_fact(run))

    def tell_late(self) -> None:
        while self._late and (self._late[0].told or self._late[0].late_at <= since_boot()):
            run = self._late.popleft()
            if not run.told:
                self._tell_end(run)

    def hear_pump(self) -> None:
        told = self._pump.told
        closed, free = [], []
        while told:
            what, source, count, size, reason = told.popleft()
            run = self._table.runs.get(source.run)
            if what in LAST:
                self._pump.open -= 1
                free.append(source)
            if what == "lost":
                self._tell(b"lost", source.run.encode(), b"%d" % count, reason.encode())
            elif run is not None and run.source is source:
                if what == "closed":
                    run.closed = count, size
                    closed.append(run)
                if run.ended is not None and not run.told:
                    self._tell_end(run)
                elif what == "closed" and run.told:
                    self._tell(*closed_fact(run))
        if free:
            self._close(closed, free)

    def _close(self, closed: list[Run], free: list[Source]) -> None:
        """Nobody has their output open any more. That is in the journal before their FIFOs are
        used again: a reaper that comes after us reads from each for one run."""
        self._journal.say([(run.id, b"C " + run.id.encode()) for run in closed])
        for source in free:
            if source.path and not source.remove:
                self._spawner.give_back(os.path.basename(source.path))
        for run in closed:
            run.fifo = ""
            if run.forgotten:
                del self._table.runs[run.id]
                self._journal.forget(run.id)


def _peek() -> tuple[int, int, int | None, float, int] | None:
    try:
        return peek_ended()
    except ChildProcessError:
        return None
