"""The answer in the making: decisions of one `handle` call, put in the order of the protocol.

Owns the order: the record first, then stops (they free slots), starts in file order, and
what is told. Must not know why anything was decided.
"""

from __future__ import annotations

from torch.clock import FireTime
from torch.event import Event
from torch.run import Ending, Run, Usage, due_at
from torch.schedule.commands import Command, Leave, ReadFile, Refuse, Send, Start, Stop, Tell, Watch
from torch.schedule.record import (
    Defined,
    Delivery,
    Entry,
    Fact,
    Failing,
    File,
    Paused,
    Pausing,
    Posted,
    Progress,
    Rebooted,
    Record,
    Step,
    Troubling,
    Watermark,
)
from torch.task import Task


class Answer:
    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._stops: list[Stop] = []
        self._starts: list[Start] = []
        self._tells: list[Tell] = []
        self._beside: list[Send | Watch | ReadFile] = []
        self._refusal: Refuse | None = None
        self._leave = False
        self.watermark: FireTime | None = None  # written with whatever else is

    def intend(self, run: Run, task: Task, *, not_before: float | None = None) -> None:
        """A row for a run that starts now or (`not_before`, wall seconds) waits."""
        self._facts.append(Entry(run=run, digest=task.digest, not_before=not_before))

    def dispose(
        self, run: Run, ending: Ending, *, count: int = 1, last: FireTime | None = None,
        early: tuple[FireTime, ...] = (),
    ) -> None:  # fmt: skip
        """A row for a fire that never becomes a run, or for `count` of them."""
        self._facts.append(Entry(run=run, ending=ending, count=count, last=last, early=early))

    def start(self, run: Run, task: Task, at: FireTime | None) -> None:
        self._starts.append(Start(run=run, task=task, at=at))

    def stop(self, run: Run, fate: Ending, *, at: float, by_force: bool) -> None:
        self._facts.append(Progress(run=run, step=Step.STOPPING, at=at, ending=fate))
        self._stops.append(Stop(run_id=run.id, by_force=by_force))

    def offered(self, run: Run, task: Task, *, at: float) -> None:
        self._facts.append(Progress(run=run, step=Step.OFFERED, at=at, digest=task.digest))

    def started(self, run: Run, *, at: float, pid: int, due: float | None = None) -> None:
        due = None if due == due_at(run) else due
        self._facts.append(Progress(run=run, step=Step.STARTED, at=at, pid=pid, due=due))

    def ended(
        self, run: Run, *, at: float, ending: Ending, started_at: float | None = None,
        usage: Usage | None = None, never_began: bool = False,
    ) -> None:  # fmt: skip
        step = Progress(
            run=run, step=Step.ENDED, at=at, ending=ending, started_at=started_at, usage=usage,
            never_began=never_began,
        )  # fmt: skip
        self._facts.append(step)

    def define(self, name: str, task: Task | None, *, since: FireTime) -> None:
        self._facts.append(Defined(name=name, since=since, task=task))

    def pause(self, task: str, pause: Paused | None) -> None:
        self._facts.append(Pausing(task=task, pause=pause))

    def load(self, file: File) -> None:
        self._facts.append(file)

    def rebooted(self) -> None:
        self._facts.append(Rebooted())

    def trouble(self, troubling: Troubling) -> None:
        self._facts.append(troubling)

    def post(self, posted: Posted) -> None:
        self._facts.append(posted)

    def delivered(self, delivery: Delivery) -> None:
        self._facts.append(delivery)

    def failing(self, failing: Failing) -> None:
        self._facts.append(failing)

    def send(self, send: Send) -> None:
        self._beside.append(send)

    def read(self, read: ReadFile) -> None:
        self._beside.append(read)

    def watch(self, watch: Watch) -> None:
        self._beside.append(watch)

    def told(self) -> tuple[Event, ...]:
        """The events so far: what alerts are made of."""
        return tuple(tell.event for tell in self._tells)

    def tell(self, event: Event) -> None:
        self._tells.append(Tell(event=event))

    def refuse(self, reason: str, hint: str = "", *, for_now: bool = True) -> None:
        self._refusal = Refuse(reason=reason, hint=hint, for_now=for_now)

    def leave(self) -> None:
        self._leave = True

    def commands(self) -> tuple[Command, ...]:
        commands: list[Command] = []
        if self._facts:
            mark = () if self.watermark is None else (Watermark(at=self.watermark),)
            commands.append(Record((*self._facts, *mark)))
        starting = {start.run.id for start in self._starts}
        commands += [stop for stop in self._stops if stop.run_id not in starting]
        commands += self._starts
        commands += [stop for stop in self._stops if stop.run_id in starting]
        commands += self._tells
        commands += self._beside  # nobody's start waits for a message
        if self._refusal:
            commands.append(self._refusal)
        if self._leave:
            commands.append(Leave())
        return tuple(commands)
