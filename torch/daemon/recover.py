"""The unfinished runs that a new service finds, and the evidence for the state of each.

Owns the reading of that evidence: the row, the answers and journals of reapers, the processes of
the run; for runs that the version before started, the run file. torch/schedule/evidence.py
interprets the evidence, and torch/schedule/recovery.py decides what follows from it.
Nothing here signals a process or starts one, so a service that is killed while it recovers leaves
everything for the next one to find again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch.clock import Clock, Now
from torch.daemon.child import Child
from torch.daemon.reapers import Reapers
from torch.daemon.shim_files import ShimFile, ShimFiles
from torch.daemon.shims import signal_of
from torch.daemon.trails import Trail, Trails, collect
from torch.daemon.unrecorded_runs import stray
from torch.definition import from_text
from torch.history.past import Unfinished
from torch.history.store import HistoryError, Store
from torch.reaper import processes
from torch.reaper.journal import Found as Journal
from torch.reaper.processes import Tie
from torch.run import Run, Trigger, Usage
from torch.schedule.evidence import REAPER_KILLED, Holder, judge
from torch.schedule.expression import Expression
from torch.schedule.messages import FoundRun, Trace
from torch.schedule.shim_evidence import judge_shim
from torch.task import Task, TaskType

_HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, kw_only=True)
class _Evidence:
    row: Unfinished
    trail: Trail
    file: ShimFile | None = None  # of the version before
    alive: bool = False  # processes of the run live


@dataclass(slots=True, kw_only=True)
class Left:
    """What is found of one run: `child` where something of it lives."""

    found: FoundRun
    trail: Trail
    child: Child | None = None


@dataclass(slots=True, kw_only=True)
class Recoverer:
    store: Store
    reapers: Reapers
    runs_dir: str
    boot_id: str
    clock: Clock
    dead: Mapping[str, Journal] = field(default_factory=dict)  # of reapers that were killed
    _tasks: Mapping[str, Task] = field(default_factory=dict)
    _known: dict[str, Task] = field(default_factory=dict)  # definitions by digest

    async def find(self, rows: list[Unfinished], tasks: Mapping[str, Task]) -> list[Left]:
        """What is left of each run that no end is recorded for, in the order given, and of runs
        that live and have no row. `tasks`: this host's of the file that is about to be in force,
        by name."""
        self._tasks = tasks
        trails = collect(*await self.reapers.find())
        files = ShimFiles(self.runs_dir, clock=self.clock)
        here = {row.run.id for row in rows if row.boot_id == self.boot_id}
        await files.look(here)
        evidence = [
            _Evidence(row=row, trail=trails.of(row.run.id), file=files.of(row.run.id))
            for row in rows
        ]
        self._look_for_processes([each for each in evidence if each.row.run.id in here])
        found = [self._left(each, trails) for each in evidence]
        known = {each.row.run.id for each in evidence}
        strays = self._strays(trails, files, known)
        self.dead = trails.dead
        for directory in trails.dead:
            named = {name for name, t in trails.of_run.items() if t.directory == directory}
            self.reapers.remains.keep(directory, named & known)
        files.clear(known)
        return [*found, *strays]

    def _look_for_processes(self, evidence: list[_Evidence]) -> None:
        """What lives of a run that no reaper or shim has, or that has ended and was told to."""
        free = {}
        for each in evidence:
            held = each.trail.link is not None or (each.file is not None and each.file.seen.held)
            ended = each.trail.said.ended is not None
            if each.row.fate is not None if ended else not held:
                free[each.row.run.id] = _tie(each)
        left = processes.find(free, never={os.getpid()}) if free else {}
        for each in evidence:
            each.alive = bool(left.get(each.row.run.id))

    def _judge(self, each: _Evidence, trails: Trails) -> tuple[Trace, str]:
        row = each.row
        same_boot = row.boot_id == self.boot_id
        waits, started = row.not_before is not None, row.started_at is not None
        if each.file is not None:
            return judge_shim(each.file.seen, waits=waits, started=started, same_boot=same_boot,
                              alive=each.alive)  # fmt: skip
        return judge(trails.traces(row.run.id), waits=waits, started=started, same_boot=same_boot,
                     alive=each.alive, told=row.fate is not None)  # fmt: skip

    def _left(self, each: _Evidence, trails: Trails) -> Left:
        row, said, file = each.row, each.trail.said, each.file
        trace, reason = self._judge(each, trails)
        pid, birth = said.pid, said.birth
        if file is not None:
            pid, birth = file.pid or file.seen.shim, file.birth
        code = signal = usage = at = None
        if trace is Trace.ENDED and file is not None:
            code, at = file.seen.code, file.seen.changed
            signal = signal_of(code)
        elif trace is Trace.ENDED and said.ended is not None:
            code, signal, at, cpu, rss = said.ended
            usage = None if cpu is None else Usage(cpu_seconds=cpu, max_rss=rss)
        started: Now | None = None
        if pid and trace is not Trace.NEVER_STARTED:
            changed = file.seen.changed if file is not None else row.recorded_at
            started = self._began(birth, row.started_at or changed)
        # A restart of the host ends a run as well as our signal does: then nobody knows.
        fate = row.fate if row.boot_id == self.boot_id or trace is Trace.ENDED else None
        found = FoundRun(
            run=row.run, trace=trace, task=self._definition(row), recorded_at=row.recorded_at,
            not_before=row.not_before, fate=fate, stopping_at=row.stopping_at,
            pid=pid if started is not None else None, started=started, exit_code=code,
            signal=signal, usage=usage, at=at, reason=reason,
        )  # fmt: skip
        was_started = row.started_at is not None
        child = self._child(found, each.trail, file, was_started=was_started)
        return Left(found=found, trail=each.trail, child=child)

    def _child(
        self, found: FoundRun, trail: Trail, file: ShimFile | None, *, was_started: bool = False
    ) -> Child | None:
        if found.trace not in (Trace.ALIVE, Trace.ORPHANED):
            return None
        said = trail.said
        child = Child(
            run=found.run, task=found.task, adopted=True, begun=True, link=trail.link,
            pid=found.pid or 0, birth=said.birth, mark=said.mark,
        )  # fmt: skip
        if file is not None:
            child.link, child.birth = None, 0
            child.run_file = file.path
        if found.trace is Trace.ORPHANED and said.ended is not None:
            child.exit_code, child.signal, child.ended_at, cpu, rss = said.ended
            child.usage = None if cpu is None else Usage(cpu_seconds=cpu, max_rss=rss)
        elif found.trace is Trace.ORPHANED:
            child.link = None
            child.journal = f"{trail.directory}/journal" if trail.held else ""
            child.ended_at, child.reason = self.clock.now().wall, found.reason
        elif file is None and not said.begun:  # its reaper does not answer
            child.begun, child.may_begin = False, not was_started
        return child

    def _began(self, birth: int, started_at: float | None) -> Now:
        """When the run began, on both clocks. Of a process that is known the kernel says it, in
        clock ticks since boot; else the wall clock must do."""
        now = self.clock.now()
        mono = birth / _HERTZ if birth else now.mono - (now.wall - (started_at or 0))
        return Now(now.wall - (now.mono - mono) if started_at is None else started_at, mono)

    def _definition(self, row: Unfinished) -> Task:
        """What the run was started with; else what the file says now; else its name alone."""
        name = row.run.task
        if row.definition is not None and row.digest not in self._known:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # of another version of us
                self._known[row.digest] = from_text(row.definition, parse=Expression.parse)
        return self._known.get(row.digest) or self._tasks.get(name) or nameless(row.run)

    # ── runs that the history does not know ───────────────────────────────────────────────

    def _strays(self, trails: Trails, files: ShimFiles, known: set[str]) -> list[Left]:
        """A run that lives without a row (the history was lost) has one made."""
        unknown = {
            name: trail
            for name, trail in trails.of_run.items()
            if name not in known and trail.said.ended is None
        }
        dead = {
            name: Tie(0, mark=trail.said.mark, since=trail.said.birth)
            for name, trail in unknown.items()
            if trail.holder is Holder.GONE
        }
        alive = processes.find(dead, never={os.getpid()}) if dead else {}
        pids = {
            name: (trail.said.pid or 0, trail.said.birth)
            for name, trail in unknown.items()
            if trail.holder is not Holder.GONE or alive.get(name)
        }
        pids |= {name: seen for name, seen in files.strays().items() if name not in known}
        recorded: set[str] = set()
        with contextlib.suppress(HistoryError):  # a row that is there already stays as it is
            recorded = self.store.is_recorded(pids)
        found = []
        for name, (pid, birth) in sorted(pids.items()):
            if name in recorded or not pid:
                continue
            began = self._began(birth, None)
            run, task = stray(name, pid, self._tasks)
            left = name in dead
            each = FoundRun(
                run=run, trace=Trace.ORPHANED if left else Trace.ALIVE, task=task or nameless(run),
                recorded_at=began.wall, pid=pid, started=began,
                reason=REAPER_KILLED if left else "",
            )  # fmt: skip
            trail = trails.of(name)
            child = self._child(each, trail, files.of(name))
            found.append(Left(found=each, trail=trail, child=child))
        return found


def _tie(each: _Evidence) -> Tie:
    """By its session where its first process is not another one's by now, and by its marks."""
    said, file = each.trail.said, each.file
    pid, birth = said.pid or 0, said.birth
    if file is not None and file.seen.shim is not None:
        pid = 0 if processes.lives(file.seen.shim) else file.seen.shim
    elif pid and (seen := processes.stat(pid)) is not None and not processes.is_same(seen, birth):
        pid = 0
    return Tie(pid, mark=said.mark, since=birth)


def nameless(run: Run) -> Task:
    kind = TaskType.DAEMON if run.trigger is Trigger.DAEMON else TaskType.CRON
    return Task(name=run.task, type=kind, command="unknown")
