"""The answer in the making: decisions of one `handle` call, put in the order of the protocol.

Owns the order: the record first, then stops (they free slots), starts in file order, and
what is told. Must not know why anything was decided.
"""

from __future__ import annotations

from torch.clock import FireTime
from torch.event import Event
from torch.run import Ending, Run
from torch.schedule.messages import (
    Command,
    Definition,
    Entry,
    Leave,
    Progress,
    Record,
    Refuse,
    Start,
    Stop,
    Tell,
)
from torch.task import Task


class Answer:
    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._progress: list[Progress] = []
        self._definitions: list[Definition] = []
        self._stops: list[Stop] = []
        self._starts: list[Start] = []
        self._tells: list[Tell] = []
        self._refusal: Refuse | None = None
        self._leave = False
        self.watermark: FireTime | None = None
        self.rebooted = False

    def intend(self, run: Run) -> None:
        """A row for a run that starts now or waits for a slot."""
        self._entries.append(Entry(run=run))

    def dispose(
        self, run: Run, ending: Ending, *, count: int = 1, last: FireTime | None = None
    ) -> None:
        """A row for a fire that never becomes a run."""
        self._entries.append(Entry(run=run, ending=ending, count=count, last=last))

    def start(self, run: Run, task: Task, at: FireTime | None) -> None:
        self._starts.append(Start(run=run, task=task, at=at))

    def stop(self, run_id: str, *, by_force: bool) -> None:
        self._stops.append(Stop(run_id=run_id, by_force=by_force))

    def started(self, run_id: str, *, at: float, pid: int) -> None:
        self._progress.append(Progress(run_id=run_id, at=at, pid=pid))

    def ended(self, run_id: str, *, at: float, ending: Ending) -> None:
        self._progress.append(Progress(run_id=run_id, at=at, ending=ending))

    def define(self, task: str, *, digest: str, since: FireTime) -> None:
        self._definitions.append(Definition(task=task, digest=digest, since=since))

    def tell(self, event: Event) -> None:
        self._tells.append(Tell(event=event))

    def refuse(self, reason: str, hint: str = "", *, for_now: bool = True) -> None:
        self._refusal = Refuse(reason=reason, hint=hint, for_now=for_now)

    def leave(self) -> None:
        self._leave = True

    def commands(self) -> tuple[Command, ...]:
        commands: list[Command] = []
        if self._entries or self._progress or self._definitions or self.rebooted:
            commands.append(
                Record(
                    entries=tuple(self._entries),
                    progress=tuple(self._progress),
                    definitions=tuple(self._definitions),
                    watermark=self.watermark,
                    rebooted=self.rebooted,
                )
            )
        starting = {start.run.id for start in self._starts}
        commands += [stop for stop in self._stops if stop.run_id not in starting]
        commands += self._starts
        commands += [stop for stop in self._stops if stop.run_id in starting]
        commands += self._tells
        if self._refusal:
            commands.append(self._refusal)
        if self._leave:
            commands.append(Leave())
        return tuple(commands)
