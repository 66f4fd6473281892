"""Processes that live as long and end as badly as a test wants."""

from __future__ import annotations

from dataclasses import dataclass

from torch.run import Run
from torch.schedule.messages import Ended, NotStarted, Started, Survived
from torch.task import Task

_SIGTERM, _SIGKILL = 128 + 15, 128 + 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the processes of a task do; durations in seconds.

    `lasts` None: it runs until it is stopped. `term_lasts` None: it ignores SIGTERM.
    `code` None: nobody knows it, its shim was killed. `refusal`: it never starts, and why.
    `unkillable`: even SIGKILL does not end it.
    """

    lasts: float | None = 1.0
    code: int | None = 0
    term_lasts: float | None = 0.0
    term_code: int | None = _SIGTERM
    refusal: str = ""
    unkillable: bool = False


@dataclass(slots=True, kw_only=True)
class Process:
    run: Run
    task: Task
    pid: int
    behaviour: Behaviour
    ends_at: float | None  # monotonic
    code: int | None
    termed: bool = False


class FakeProcesses:
    """What is alive, by run id. Give a task's next processes another behaviour with `behave`."""

    def __init__(self) -> None:
        self.alive: dict[str, Process] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._pid = 1000

    def behave(self, task: str, behaviour: Behaviour) -> None:
        self._behaviours[task] = behaviour

    def of(self, task: str) -> list[Process]:
        """The live processes of a task, oldest first."""
        return [process for process in self.alive.values() if process.run.task == task]

    def start(self, run: Run, task: Task, mono: float) -> Started | NotStarted:
        behaviour = self._behaviours.get(run.task, Behaviour())
        if behaviour.refusal:
            return NotStarted(run_id=run.id, reason=behaviour.refusal)
        self._pid += 1
        ends_at = None if behaviour.lasts is None else mono + behaviour.lasts
        self.alive[run.id] = Process(
            run=run, task=task, pid=self._pid, behaviour=behaviour, ends_at=ends_at,
            code=behaviour.code,
        )  # fmt: skip
        return Started(run_id=run.id, pid=self._pid)

    def stop(self, run_id: str, mono: float, *, by_force: bool) -> Survived | None:
        """A signal arrives; one to what is gone is lost."""
        process = self.alive.get(run_id)
        if process is None:
            return None
        if by_force and process.behaviour.unkillable:
            return Survived(run_id=run_id, processes=(f"{process.pid} {run_id}",))
        if by_force:
            process.ends_at, process.code = mono, _SIGKILL
        elif not process.termed and process.behaviour.term_lasts is not None:
            process.termed, process.code = True, process.behaviour.term_code
            ends_at = mono + process.behaviour.term_lasts
            process.ends_at = ends_at if process.ends_at is None else min(ends_at, process.ends_at)
        return None

    def first_end(self) -> float | None:
        """When the next process ends by itself, monotonic."""
        return min((p.ends_at for p in self.alive.values() if p.ends_at is not None), default=None)

    def reap(self, mono: float, wall: float) -> list[Ended]:
        """Takes out what has ended by now, oldest end first."""
        gone = [p for p in self.alive.values() if p.ends_at is not None and p.ends_at <= mono]
        gone.sort(key=lambda process: process.ends_at or 0.0)
        for process in gone:
            del self.alive[process.run.id]
        return [Ended(run_id=p.run.id, exit_code=p.code, at=wall) for p in gone]
