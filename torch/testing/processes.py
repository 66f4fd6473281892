"""Processes that live as long and end as badly as a test wants, and the run files they leave.

Owns what is alive, and the evidence that outlives a service: a shim that waits to be released
dies with its service and leaves an empty file, one that was released goes on and writes down
how its command ended. A file stays until its end is recorded.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from torch.run import Run
from torch.schedule.evidence import SHIM_KILLED
from torch.schedule.messages import Ended, NotStarted, Started, Survived
from torch.task import Task

_SIGTERM, _SIGKILL = 128 + 15, 128 + 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the processes of a task do; durations in seconds.

    `lasts` None: it runs until it is stopped. `term_lasts` None: it ignores SIGTERM.
    `code` None: nobody knows it, its shim was killed at the very end; `shim_lasts`: it is
    killed so long after the start, and the command lives on. `refusal`: it never starts, and
    why. `unkillable`: even SIGKILL does not end it.
    """

    lasts: float | None = 1.0
    code: int | None = 0
    term_lasts: float | None = 0.0
    term_code: int | None = _SIGTERM
    shim_lasts: float | None = None
    refusal: str = ""
    unkillable: bool = False


@dataclass(slots=True, kw_only=True)
class FakeRunFile:
    """What a look at it would say now; `began` is monotonic, `changed` wall seconds."""

    run: Run
    task: Task
    held: bool = True
    shim: int | None = None
    code: int | None = None
    began: float = 0.0
    changed: float = 0.0

    @property
    def empty(self) -> bool:
        """A fake shim writes whole lines or none."""
        return self.shim is None and self.code is None


@dataclass(slots=True, kw_only=True)
class Process:
    run: Run
    task: Task
    pid: int
    behaviour: Behaviour
    ends_at: float | None  # monotonic
    code: int | None
    termed: bool = False
    shim_dies_at: float | None = None  # monotonic
    watched: bool = True  # the service will hear of its end


class FakeProcesses:
    """What is alive, by run id. Give a task's next processes another behaviour with `behave`.

    `pids`: so many different ones are given, in turn, to whatever needs one.
    """

    def __init__(self, *, pids: int = 30_000) -> None:
        self.alive: dict[str, Process] = {}
        self.held: dict[str, tuple[float, Run, Task]] = {}  # to be released at a mono instant
        self.files: dict[str, FakeRunFile] = {}
        self.ends: dict[str, tuple[int | None, float]] = {}  # (true code, how long it lived)
        self._behaviours: dict[str, Behaviour] = {}
        self._pid = 0
        self._pids = pids
        self._ends: list[tuple[float, str]] = []  # a heap; what is not so any more is passed over
        self._living: Counter[str] = Counter()  # by task
        self._unheard: list[Ended] = []

    def behave(self, task: str, behaviour: Behaviour) -> None:
        self._behaviours[task] = behaviour

    def of(self, task: str) -> list[Process]:
        """The live processes of a task, oldest first."""
        return [process for process in self.alive.values() if process.run.task == task]

    def count(self, task: str) -> int:
        """Its live processes, and those that wait to be released."""
        return self._living[task]

    # ── what a service does ───────────────────────────────────────────────────────────────

    def prepare(self, run: Run, task: Task, until: float) -> None:
        """Its shim is there and waits to be released, until this monotonic instant."""
        self.held[run.id] = (until, run, task)
        self.files[run.id] = FakeRunFile(run=run, task=task)
        self._living[run.task] += 1

    def withdraw(self, run_id: str) -> bool:
        """A shim that waits ends and has started nothing; False if there is none."""
        held = self.held.pop(run_id, None)
        if held is not None:
            self._living[held[1].task] -= 1
            self.files[run_id].held = False
        return held is not None

    def release(self, mono: float, wall: float = 0.0) -> list[Started | NotStarted]:
        """Begins what has waited long enough."""
        due = [run_id for run_id, (until, _, _) in self.held.items() if until <= mono]
        begun = []
        for run_id in due:
            _, run, task = self.held.pop(run_id)
            self._living[run.task] -= 1
            begun.append(self.start(run, task, mono, wall))
        return begun

    def start(self, run: Run, task: Task, mono: float, wall: float = 0.0) -> Started | NotStarted:
        behaviour = self._behaviours.get(run.task, Behaviour())
        if behaviour.refusal:
            self.files.pop(run.id, None)
            return NotStarted(run_id=run.id, reason=behaviour.refusal)
        pid = self._next_pid()
        process = self.alive[run.id] = Process(
            run=run, task=task, pid=pid, behaviour=behaviour, ends_at=None, code=behaviour.code
        )
        self.files[run.id] = FakeRunFile(run=run, task=task, shim=pid, began=mono, changed=wall)
        self._living[run.task] += 1
        if behaviour.lasts is not None:
            self._end_at(process, mono + behaviour.lasts)
        if behaviour.shim_lasts is not None:
            process.shim_dies_at = mono + behaviour.shim_lasts
            heapq.heappush(self._ends, (process.shim_dies_at, run.id))
        return Started(run_id=run.id, pid=pid)

    def stop(self, run_id: str, mono: float, *, by_force: bool) -> Survived | None:
        """A signal arrives; one to what is gone is lost."""
        process = self.alive.get(run_id)
        if process is None:
            return None
        if by_force and process.behaviour.unkillable:
            return Survived(run_id=run_id, processes=(f"{process.pid} {run_id}",))
        if by_force:
            process.code = _SIGKILL
            self._end_at(process, mono)
        elif not process.termed and process.behaviour.term_lasts is not None:
            ends_at = mono + process.behaviour.term_lasts
            process.termed = True
            if process.ends_at is None or ends_at <= process.ends_at:
                process.code = process.behaviour.term_code
                self._end_at(process, ends_at)
        return None

    def watch(self, run_id: str) -> None:
        """A new service takes it over, and will hear of its end."""
        self.alive[run_id].watched = True

    def forget(self, run_ids: Iterable[str]) -> None:
        """Their ends are on record: the run files go."""
        for run_id in run_ids:
            if run_id not in self.alive:
                self.files.pop(run_id, None)

    # ── what happens to it ────────────────────────────────────────────────────────────────

    def service_died(self) -> None:
        """What waits to be released ends; what lives goes on, and nobody hears of its end."""
        for run_id in [*self.held]:
            self.withdraw(run_id)
        for process in self.alive.values():
            process.watched = False
        self._unheard = []

    def host_died(self) -> None:
        """Nothing lives any more, and no shim had time to write anything."""
        self.service_died()
        for run_id in self.alive:
            self.files[run_id].held = False
            self.ends[run_id] = (None, 0.0)
        self.alive.clear()
        self._living.clear()

    def first_end(self) -> float | None:
        """When the next process ends by itself, monotonic."""
        while self._ends:
            at, run_id = self._ends[0]
            process = self.alive.get(run_id)
            if process is not None and at in (process.ends_at, process.shim_dies_at):
                return at
            heapq.heappop(self._ends)
        return None

    def settle(self, mono: float, wall: float) -> None:
        """Whatever ends by now has ended, at its own instant, whoever hears of it."""
        while (at := self.first_end()) is not None and at <= mono:
            process = self.alive[heapq.heappop(self._ends)[1]]
            file = self.files[process.run.id]
            if at == process.shim_dies_at:
                process.shim_dies_at, process.code, file.held = None, None, False
            if at == process.ends_at:
                self._end(process, file, wall - (mono - at))

    def reap(self, mono: float, wall: float) -> list[Ended]:
        """Takes out what has ended by now, oldest end first."""
        self.settle(mono, wall)
        ended, self._unheard = self._unheard, []
        return ended

    def _end(self, process: Process, file: FakeRunFile, at: float) -> None:
        del self.alive[process.run.id]
        self._living[process.run.task] -= 1
        code = process.code if file.held else None
        file.held, file.code, file.changed = False, code, at
        self.ends[process.run.id] = (code, (process.ends_at or 0.0) - file.began)
        if process.watched:
            reason = SHIM_KILLED if code is None else ""
            self._unheard.append(Ended(run_id=process.run.id, exit_code=code, at=at, reason=reason))

    def _end_at(self, process: Process, mono: float) -> None:
        process.ends_at = mono
        heapq.heappush(self._ends, (mono, process.run.id))

    def _next_pid(self) -> int:
        taken = {process.pid for process in self.alive.values()} if self._pids < 1000 else ()
        while True:
            self._pid = self._pid % self._pids + 1
            if 1000 + self._pid not in taken:
                return 1000 + self._pid
