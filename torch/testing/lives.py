"""Processes that live as long and end as badly as a test wants, whoever is their parent.

Owns what is alive, when it ends by itself, and what a signal does to it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from torch.run import Run
from torch.schedule.messages import NotStarted, Survived
from torch.task import Task

_SIGTERM, _SIGKILL = 128 + 15, 128 + 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the processes of a task do; durations in seconds.

    `lasts` None: it runs until it is stopped. `term_lasts` None: it ignores SIGTERM.
    `code` None: nobody learns it. `reaper_lasts`: the reaper that started it is killed so long
    after the start, if it lives. `refusal`: it never starts, and why; `of_host`: that is the
    host's fault. `unkillable`: even SIGKILL does not end it.
    """

    lasts: float | None = 1.0
    code: int | None = 0
    term_lasts: float | None = 0.0
    term_code: int | None = _SIGTERM
    reaper_lasts: float | None = None
    refusal: str = ""
    of_host: bool = False
    unkillable: bool = False

    def refused(self, run_id: str) -> NotStarted | None:
        if not self.refusal:
            return None
        return NotStarted(run_id=run_id, reason=self.refusal, of_host=self.of_host)


class Parent(StrEnum):
    """Who waits for a process."""

    REAPER = "reaper"  # the one that started it
    SERVICE = "service"  # its reaper was killed, and the service is a subreaper
    INIT = "init"  # its reaper was killed, and the service that had started that one is dead


@dataclass(slots=True, kw_only=True)
class Process:
    run: Run
    task: Task
    pid: int
    behaviour: Behaviour
    began: float  # monotonic
    ends_at: float | None  # monotonic
    code: int | None
    termed: bool = False
    reaper_dies_at: float | None = None  # monotonic
    parent: Parent = Parent.REAPER


class Lives:
    """What is alive, by run id. Give a task's next processes another behaviour with `behave`.

    `pids`: so many different ones are given, in turn, to whatever needs one. `witness` is
    called with each run whose process begins, and the wall time.
    """

    def __init__(self, *, pids: int = 30_000) -> None:
        self.alive: dict[str, Process] = {}
        self.ends: dict[str, tuple[int | None, float]] = {}  # (true code, how long it lived)
        self.witness: Callable[[Run, float], None] | None = None
        self._behaviours: dict[str, Behaviour] = {}
        self._living: Counter[str] = Counter()  # by task; also what is only ordered
        self._ends: list[tuple[float, str]] = []  # a heap; what is not so any more is passed over
        self._pid = 0
        self._pids = pids

    def behave(self, task: str, behaviour: Behaviour) -> None:
        self._behaviours[task] = behaviour

    def of(self, task: str) -> list[Process]:
        """The live processes of a task, oldest first."""
        return [process for process in self.alive.values() if process.run.task == task]

    def count(self, task: str) -> int:
        """Its live processes, and those that a reaper was told to start."""
        return self._living[task]

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

    def first_end(self) -> float | None:
        """When the next process ends by itself, monotonic, or takes its reaper with it."""
        while self._ends:
            at, run_id = self._ends[0]
            process = self.alive.get(run_id)
            if process is not None and at in (process.ends_at, process.reaper_dies_at):
                return at
            heapq.heappop(self._ends)
        return None

    def _spawn(self, run: Run, task: Task, mono: float, wall: float) -> Process:
        behaviour = self._behaviour(run.task)
        process = self.alive[run.id] = Process(
            run=run, task=task, pid=self._next_pid(), behaviour=behaviour, began=mono,
            ends_at=None, code=behaviour.code,
        )  # fmt: skip
        if self.witness is not None:
            self.witness(run, wall)
        if behaviour.lasts is not None:
            self._end_at(process, mono + behaviour.lasts)
        if behaviour.reaper_lasts is not None:
            process.reaper_dies_at = mono + behaviour.reaper_lasts
            heapq.heappush(self._ends, (process.reaper_dies_at, run.id))
        return process

    def _behaviour(self, task: str) -> Behaviour:
        return self._behaviours.get(task, Behaviour())

    def _end_at(self, process: Process, mono: float) -> None:
        process.ends_at = mono
        heapq.heappush(self._ends, (mono, process.run.id))

    def _bury(self, process: Process, mono: float) -> None:
        del self.alive[process.run.id]
        self._living[process.run.task] -= 1
        self.ends[process.run.id] = (process.code, mono - process.began)

    def _next_pid(self) -> int:
        taken = {process.pid for process in self.alive.values()} if self._pids < 1000 else ()
        while True:
            self._pid = self._pid % self._pids + 1
            if 1000 + self._pid not in taken:
                return 1000 + self._pid
