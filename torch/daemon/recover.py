"""What a new service finds of the old one: every unfinished run, told apart by evidence.

Owns the reading of that evidence: the row, the run file and its lock, the processes of the
run. What it means is told in torch/schedule/evidence.py, and what follows from that is decided
in torch/schedule/recovery.py. Nothing here signals a process or starts one, so a service that is
killed while it recovers leaves everything for the next one to find again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from torch.clock import Clock, FireTime, Now
from torch.daemon import processes, runfile
from torch.daemon.runfile import RunFile
from torch.definition import from_text
from torch.history.past import Unfinished
from torch.history.store import HistoryError, Store
from torch.run import Run, Trigger
from torch.schedule.evidence import judge
from torch.schedule.expression import Expression
from torch.schedule.messages import Found, Trace
from torch.task import Task, TaskType

PATIENCE = 2.0
"""Seconds a shim that holds its run file has to say that it began its command: more than one
needs, on a host that is busy with starting us."""

_LOOK = 0.01
_HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, kw_only=True)
class _Evidence:
    row: Unfinished
    file: RunFile | None
    pid: int | None = None  # the shim's, while it lives
    began: int = 0  # its start time, in clock ticks since boot
    alive: bool = False  # processes of the run live


@dataclass(slots=True, kw_only=True)
class Recoverer:
    store: Store
    runs_dir: str
    boot_id: str
    clock: Clock
    _tasks: Mapping[str, Task] = field(default_factory=dict)
    _known: dict[str, Task] = field(default_factory=dict)  # definitions by digest

    async def find(self, rows: list[Unfinished], tasks: Mapping[str, Task]) -> tuple[Found, ...]:
        """What is left of each run that no end is recorded for, in the order given, and of runs
        that live and have no row. `tasks`: this host's of the file that is about to be in force,
        by name."""
        self._tasks = tasks
        evidence = [_Evidence(row=row, file=runfile.look(self._path(row.run.id))) for row in rows]
        here = [each for each in evidence if each.row.boot_id == self.boot_id]
        await self._await_shims(here)
        self._look_for_processes(here)
        found = [self._found(each) for each in evidence]
        return (*found, *self._strays({each.row.run.id for each in evidence}))

    # ── evidence ──────────────────────────────────────────────────────────────────────────

    async def _await_shims(self, evidence: list[_Evidence]) -> None:
        """One that is held and says nothing yet is about to begin its command, or about to end
        because nobody released it."""
        until = self.clock.now().mono + PATIENCE
        while True:
            silent = [e for e in evidence if e.file and e.file.held and e.file.shim is None]
            if not silent or self.clock.now().mono >= until:
                return
            await asyncio.sleep(_LOOK)
            for each in silent:
                each.file = runfile.look(self._path(each.row.run.id))

    def _look_for_processes(self, evidence: list[_Evidence]) -> None:
        """The living shim of what is held; what lives of a run whose shim does not."""
        held = [each for each in evidence if each.file and each.file.held]
        shims = processes.shims({each.row.run.id for each in held})
        for each in held:
            each.pid, each.began = shims.get(each.row.run.id, (None, 0))
            # Seen alive, and the lock is held still: it is that shim, and not a pid used again.
            each.file = runfile.look(self._path(each.row.run.id))
        free = {
            each.row.run.id: _session(each.file)
            for each in evidence
            if each.file is None or (not each.file.held and each.file.code is None)
        }
        left = processes.find(free) if free else {}
        for each in evidence:
            each.alive = bool(left.get(each.row.run.id))

    def _found(self, evidence: _Evidence) -> Found:
        row, file = evidence.row, evidence.file
        trace, reason, code, at = self._judge(evidence)
        pid: int | None = None
        started: Now | None = None
        if file is not None and trace is not Trace.NEVER_STARTED:
            pid = evidence.pid or file.shim
            started = self._began(evidence.began, row.started_at or file.changed) if pid else None
        if trace is Trace.NEVER_STARTED and file is not None:
            with contextlib.suppress(OSError):  # it is empty; the start makes its own
                os.unlink(self._path(row.run.id))
        # A restart of the host ends a run as well as our signal does: then nobody knows.
        fate = row.fate if row.boot_id == self.boot_id or trace is Trace.ENDED else None
        return Found(
            run=row.run, trace=trace, task=self._definition(row), recorded_at=row.recorded_at,
            not_before=row.not_before, fate=fate, stopping_at=row.stopping_at, pid=pid,
            started=started, exit_code=code, at=at, reason=reason,
        )  # fmt: skip

    def _judge(self, evidence: _Evidence) -> tuple[Trace, str, int | None, float | None]:
        """(trace, reason, exit code, when it ended)"""
        row, file = evidence.row, evidence.file
        trace, reason = judge(
            file, waits=row.not_before is not None, started=row.started_at is not None,
            same_boot=row.boot_id == self.boot_id, alive=evidence.alive,
        )  # fmt: skip
        if trace is not Trace.ENDED or file is None:
            return trace, reason, None, None
        return trace, reason, file.code, file.changed

    def _began(self, since_boot: int, started_at: float | None) -> Now:
        """When the run began, on both clocks. Of a shim that lives the kernel says it, in clock
        ticks since boot; else the wall clock must do."""
        now = self.clock.now()
        mono = since_boot / _HERTZ if since_boot else now.mono - (now.wall - (started_at or 0))
        return Now(now.wall - (now.mono - mono) if started_at is None else started_at, mono)

    def _definition(self, row: Unfinished) -> Task:
        """What the run was started with; else what the file says now; else its name alone."""
        name = row.run.task
        if row.definition is not None and row.digest not in self._known:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # of another version of us
                self._known[row.digest] = from_text(row.definition, parse=Expression.parse)
        return self._known.get(row.digest) or self._tasks.get(name) or _nameless(row.run)

    # ── run files that the history does not know ──────────────────────────────────────────

    def _strays(self, known: set[str]) -> list[Found]:
        """A run that lives without a row (the history was lost) has one made; what is only left
        of a run that is recorded goes."""
        with os.scandir(self.runs_dir) as entries:
            names = [e.name for e in entries if e.name not in known and not e.is_dir()]
        recorded: set[str] = set()
        with contextlib.suppress(HistoryError):  # a row that is there already stays as it is
            recorded = self.store.is_recorded(names)
        files = {name: runfile.look(self._path(name)) for name in names}
        shims = processes.shims({name for name, file in files.items() if file and file.held})
        found = []
        for name in sorted(names):
            file = files[name]
            if file is not None and file.held:
                if name in shims and name not in recorded:
                    found.append(self._stray(name, *shims[name]))
                continue
            with contextlib.suppress(OSError):
                os.unlink(self._path(name))
        return found

    def _stray(self, run_id: str, pid: int, since_boot: int) -> Found:
        """Its environment says whose run it is."""
        says = processes.environment(pid)
        name = says.get("TORCH_TASK", "unknown")
        task = self._tasks.get(name)
        fire: FireTime | None = None
        with contextlib.suppress(ValueError):
            fire = FireTime(int(datetime.fromisoformat(says["TORCH_FIRE_TIME"]).timestamp()))
        kept = task is not None and task.type is TaskType.DAEMON
        by_hand = Trigger.DAEMON if kept else Trigger.MANUAL
        attempt = says.get("TORCH_ATTEMPT", "1")
        run = Run(
            id=run_id, task=name, trigger=by_hand if fire is None else Trigger.SCHEDULE,
            fire_time=fire, attempt=int(attempt) if attempt.isdigit() else 1,
        )  # fmt: skip
        began = self._began(since_boot, None)
        return Found(
            run=run, trace=Trace.ALIVE, task=task or _nameless(run), recorded_at=began.wall,
            pid=pid, started=began,
        )  # fmt: skip

    def _path(self, run_id: str) -> str:
        return f"{self.runs_dir}/{run_id}"


def _session(file: RunFile | None) -> int:
    """The session of a shim that is gone; 0 where its pid is another process's by now."""
    if file is None or file.shim is None:
        return 0
    return 0 if processes.lives(file.shim) else file.shim


def _nameless(run: Run) -> Task:
    kind = TaskType.DAEMON if run.trigger is Trigger.DAEMON else TaskType.CRON
    return Task(name=run.task, type=kind, command="unknown")
