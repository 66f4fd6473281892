"""One life of a service in memory: the real core, and its commands performed as the loop does.

Owns the inbox, what is owed to the history, and the instant of its own death, which may lie
between any two commands. What it leaves behind is in the fake history and the fake processes,
and nowhere else. Fails at once where the core breaks a promise: a start without its row, or
above `max`.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch.event import Event
from torch.notice import Notice
from torch.run import Run
from torch.schedule.commands import Command, Leave, ReadFile, Send, Start, Stop, Tell, Watch
from torch.schedule.firing import Lead
from torch.schedule.gates import Gate
from torch.schedule.messages import (
    Loaded,
    Message,
    ReadOver,
    Sent,
    StopAsked,
    StopMode,
    Unrecorded,
    Woke,
)
from torch.schedule.record import Progress, Record, Step, withheld
from torch.schedule.scheduler import Scheduler
from torch.schedule.sources import MakeSource
from torch.task import Task
from torch.testing.clock import FakeClock
from torch.testing.history import DiskFull, FakeHistory
from torch.testing.processes import FakeProcesses

RETRY = 1.0
"""Seconds between tries to write what is owed, as torch.daemon.recorder has it."""

LONGEST_WAIT = 1.0
"""Seconds a start may be prepared ahead of its instant, as torch.daemon.supervisor has it."""


class Died(Exception):
    """The service dies here; what is not done yet is never done."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What all lives of the services of one world did, in order. Instants are seconds after
    the world's base, on the wall clock."""

    events: list[Event] = field(default_factory=list)
    starts: list[tuple[str, float]] = field(default_factory=list)  # (task, at) of each process
    signals: list[tuple[str, str, float]] = field(default_factory=list)  # (task, TERM|KILL, at)
    begun: list[Run] = field(default_factory=list)  # the run of each process
    sends: list[tuple[str, tuple[Notice, ...], float]] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    down: dict[str, Sent] = field(default_factory=dict)  # channel -> how it answers
    wakes: int = 0
    file: tuple[Task, ...] = ()  # as it is on disk; a reading takes what is there as it begins
    reading_takes: float = 0.5  # seconds
    readings: int = 0


class FakeService:
    def __init__(
        self, *, clock: FakeClock, processes: FakeProcesses, history: FakeHistory, seen: Seen,
        base: int, prefix: str, lead: Lead, boot_id: str, gates: Sequence[Gate] = (),
        sources: Sequence[MakeSource] = (),
    ) -> None:  # fmt: skip
        self.scheduler = Scheduler(
            lead=lead,
            host="here",
            gates=gates,
            sources=sources,
            run_ids=(f"{prefix}{n}" for n in itertools.count(1)),
        )
        self.inbox: deque[Message] = deque()
        self.owed: list[Record] = []
        self.left = False  # the core has said that nothing is left to do
        self.kept = False  # ... and that what runs is for the next service
        self.failing = False  # the history took nothing when it was last asked
        self.dies_after: int | None = None  # commands
        self.retry_at: float | None = None  # monotonic
        self.reading: tuple[float, tuple[Task, ...]] | None = None  # over then; what it found
        self._clock = clock
        self._processes = processes
        self.history = history
        self._seen = seen
        self._base = base
        self._boot_id = boot_id

    def send(self, *messages: Message) -> tuple[Command, ...]:
        """Gives the core messages, and all that follow; returns the answer to the last one.
        Raises Died at the command at which it was to die."""
        self.inbox.extend(messages)
        answer: tuple[Command, ...] = ()
        while self.inbox:
            # Time comes last, as in the loop.
            heard = sorted(self.inbox, key=lambda message: isinstance(message, Woke))
            self.inbox.clear()
            answers = [self.scheduler.handle(message, self._clock.now()) for message in heard]
            if messages:
                asked = [a for m, a in zip(heard, answers, strict=True) if m is messages[-1]]
                answer = asked[0] if asked else answer
            self.kept |= any(isinstance(m, StopAsked) and m.mode is StopMode.KEEP for m in heard)
            commands = [command for each in answers for command in each]
            self._perform(commands)
            self.hear()
        return answer

    def hear(self) -> None:
        """What its reaper has to say goes into the inbox. Raises Died if it was killed with it."""
        self.inbox.extend(self._processes.hear(self._clock.mono, self._clock.wall))
        if self._processes.service_falls:
            raise Died

    def read(self, version: str) -> None:
        """The reading that is under way is over. Raises Died."""
        if self.reading is not None:
            _, tasks = self.reading
            self.reading = None
            diff, _ = self.scheduler.rehearse(tasks)
            self.send(Loaded(tasks=tasks, version=version, diff=diff))
            self.send(ReadOver())

    def write_owed(self) -> None:
        """The disk may be writable again."""
        self.retry_at = None
        self._record([])
        self.send()

    # ── performing, as torch.daemon.loop and torch.daemon.supervisor do ───────────────────

    def _perform(self, commands: list[Command]) -> None:
        refused = self._record([c for c in commands if isinstance(c, Record)])
        for command in commands:
            match command:
                case Start() if command.run.id not in refused:
                    self._live_on()
                    self._start(command)
                case Stop(run_id=run_id, by_force=by_force):
                    self._live_on()
                    self._signal(run_id, by_force)
                case Tell(event=event):
                    self._live_on()
                    self._seen.events.append(event)
                case Send():
                    self._live_on()
                    self._send(command)
                case Watch():
                    self._seen.watches.append(command)
                case ReadFile():
                    self._seen.readings += 1
                    self.reading = (self._clock.mono + self._seen.reading_takes, self._seen.file)
                case Leave():
                    self.left = True
                case _:
                    pass

    def _live_on(self) -> None:
        if self._processes.service_falls:
            raise Died
        if self.dies_after is not None:
            if self.dies_after <= 0:
                raise Died
            self.dies_after -= 1

    def _record(self, batch: list[Record]) -> frozenset[str]:
        """Writes what is owed and the batch; returns the runs that must not start."""
        records = [*self.owed, *batch]
        if not records:
            return frozenset()
        self._live_on()
        try:
            lost = self.history.commit(records, at=self._clock.wall, boot_id=self._boot_id)
        except DiskFull as error:
            return self._fail(batch, str(error))
        self.owed, self.failing = [], False
        ended = (p.run.id for r in records for p in r.of(Progress) if p.step is Step.ENDED)
        self._processes.forget(ended)
        if lost:
            reason = "this fire has its disposition already"
            lost_ids = tuple(sorted(lost))
            self.inbox.appendleft(Unrecorded(run_ids=lost_ids, reason=reason, lost=True))
        return lost

    def _fail(self, batch: list[Record], reason: str) -> frozenset[str]:
        """No intent on disk, no start; all else is owed."""
        refused, owed = withheld(batch)
        self.owed += owed
        if refused or not self.failing:
            run_ids = tuple(sorted(refused))
            self.inbox.appendleft(Unrecorded(run_ids=run_ids, reason=reason))
        self.failing = True
        if self.retry_at is None:
            self.retry_at = self._clock.mono + RETRY
        return refused

    def _start(self, start: Start) -> None:
        run, task = start.run, start.task
        assert run.id in self.history.rows, f"{run} starts without a row"  # noqa: S101
        wait = 0.0 if start.at is None else start.at - self._clock.wall
        mono = self._clock.mono
        at = mono + min(wait, LONGEST_WAIT) if wait > 0 else None
        self._processes.start(run, task, mono, self._clock.wall, at=at)
        # By the definition it was decided under: a lower max stops nothing that has its slot.
        live = self._processes.count(run.task)
        assert live <= task.max, f"{live} of {run.task} live"  # noqa: S101

    def _send(self, send: Send) -> None:
        """The channel answers at once; what it took is in `sends`."""
        name, ids = send.channel.name, tuple(notice.id for notice in send.notices)
        answer = self._seen.down.get(name)
        if answer is None:
            self._seen.sends.append((name, send.notices, self._clock.wall - self._base))
            self.inbox.append(Sent(channel=name, notices=ids))
        else:
            self.inbox.append(replace(answer, channel=name, notices=ids))

    def _signal(self, run_id: str, by_force: bool) -> None:
        if self._processes.withdraw(run_id):
            return
        process = self._processes.alive.get(run_id)
        if process is not None:
            kind, at = "KILL" if by_force else "TERM", self._clock.wall - self._base
            self._seen.signals.append((process.run.task, kind, at))
        survived = self._processes.stop(run_id, self._clock.mono, by_force=by_force)
        if survived is not None:
            self.inbox.append(survived)
