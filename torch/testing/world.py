"""A host in memory: the real core, a fake clock, fake processes and a fake history.

Performs the core's commands in the order the service does, and moves time from one thing that
happens to the next, so that a day takes a moment and is the same day each time. Fails at once
where the core breaks a promise: a start without its row, or a process above `max`.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from dataclasses import replace
from typing import Any, TypeVar

from torch.event import Event
from torch.run import Outcome
from torch.schedule.messages import (
    Command,
    Leave,
    Loaded,
    Message,
    NotStarted,
    Record,
    Start,
    Stop,
    StopAsked,
    Tell,
    Unrecorded,
    Woke,
)
from torch.schedule.scheduler import Scheduler
from torch.task import Task
from torch.testing.clock import FakeClock
from torch.testing.history import DiskFull, FakeHistory, Row
from torch.testing.processes import Behaviour, FakeProcesses

_E = TypeVar("_E", bound=Event)


class World:
    """`load` tasks, let time `pass_`, look at `rows`, `starts` and `events`.

    The wall clock begins at `base`, a full hour, UTC; instants are easiest said from there.
    """

    def __init__(
        self, *tasks: Task, wall: float = 1_800_000_000.0, prefix: str = "r", lead: float = 0.0
    ) -> None:
        """`lead` is the Scheduler's: with it, starts are prepared ahead and released in time."""
        self.base = int(wall)
        self.prefix = prefix  # of run ids, so that worlds may share a history
        self.clock = FakeClock(wall)
        self.processes = FakeProcesses()
        self.history = FakeHistory()
        self.held: dict[str, tuple[float, Start]] = {}  # prepared, to be released at a mono instant
        self.scheduler = Scheduler(lead=lead, run_ids=(f"{prefix}{n}" for n in itertools.count(1)))
        self.events: list[Event] = []
        self.starts: list[tuple[str, float]] = []  # (task, seconds after base) of each process
        self.signals: list[tuple[str, str, float]] = []  # (task, TERM or KILL, after base)
        self.left = False  # the core has said that nothing is left to do
        self._inbox: deque[Message] = deque()
        self._owed: list[Record] = []
        self._version = 0
        if tasks:
            self.load(*tasks)

    # ── what happens ──────────────────────────────────────────────────────────────────────

    def load(self, *tasks: Task, **keys: Any) -> None:
        """The task file now has these tasks; `keys` are Loaded's fields."""
        self._version += 1
        self.send(Loaded(tasks=tasks, version=f"v{self._version}", **keys))

    def behave(self, task: str, **keys: Any) -> None:
        """The next processes of the task behave so; `keys` are Behaviour's fields."""
        self.processes.behave(task, Behaviour(**keys))

    def stop(self, **keys: Any) -> None:
        self.send(StopAsked(**keys))

    def step(self, seconds: float) -> None:
        """The wall clock is set, and the service notices."""
        self.clock.step(seconds)
        self.send(Woke())

    def freeze(self, seconds: float) -> None:
        """Time passes and the service does not see it: a suspend, or a host at its limit."""
        self.clock.advance(seconds)
        self._release()
        self.send(Woke())

    def pass_(self, seconds: float) -> None:
        """Time passes; whatever happens in it happens at its instant."""
        until = self.clock.mono + seconds
        same = 0
        while (at := self._next()) is not None and at <= until:
            same = same + 1 if at <= self.clock.mono else 0
            assert same < 1000, "the core wants to be woken for nothing, for ever"  # noqa: S101
            self._move_to(at)
            self._release()
            self._reap()
            self.send(Woke())
        self._move_to(until)

    def send(self, message: Message) -> tuple[Command, ...]:
        """Gives the core a message, and all that follow from it; returns its answer."""
        self._inbox.append(message)
        answer: tuple[Command, ...] = ()
        while self._inbox:
            heard = self._inbox.popleft()
            commands = self.scheduler.handle(heard, self.clock.now())
            self._perform(commands)
            self._reap()
            answer = commands if heard is message else answer
        return answer

    # ── what a test looks at ──────────────────────────────────────────────────────────────

    def rows(self, task: str | None = None) -> list[Row]:
        """The recorded dispositions, in the order of recording."""
        return [r for r in self.history.rows.values() if task in (None, r.run.task)]

    def outcomes(self, task: str) -> list[str]:
        """How each row of the task ended; 'live' where it has not."""
        return [row.outcome.value if row.outcome else "live" for row in self.rows(task)]

    def count(self, outcome: Outcome) -> int:
        """Fires with this outcome, collapsed rows counted in full."""
        return sum(row.count for row in self.rows() if row.outcome is outcome)

    def fires(self, task: str) -> list[int]:
        """Seconds after base of the fires that have a row, collapsed ones by their first."""
        times = [row.run.fire_time for row in self.rows(task)]
        return [at - self.base for at in times if at is not None]

    def starts_of(self, task: str) -> list[float]:
        """Seconds after base at which processes of the task started."""
        return [at for name, at in self.starts if name == task]

    def signals_of(self, task: str) -> list[tuple[str, float]]:
        return [(signal, at) for name, signal, at in self.signals if name == task]

    def alive(self, task: str) -> int:
        return len(self.processes.of(task))

    def next(self, task: str) -> int | None:
        """The next fire, in seconds after base."""
        at = self.scheduler.next_fire(task)
        return None if at is None else at - self.base

    def told(self, kind: type[_E]) -> list[_E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def elapsed(self) -> float:
        """Seconds after base, on the wall clock."""
        return self.clock.wall - self.base

    # ── performing, as torch.daemon.loop does ─────────────────────────────────────────────

    def _perform(self, commands: tuple[Command, ...]) -> None:
        refused = self._record([c for c in commands if isinstance(c, Record)])
        for command in commands:
            match command:
                case Start() if command.run.id not in refused:
                    self._start(command)
                case Stop(run_id=run_id, by_force=by_force):
                    self._signal(run_id, by_force)
                case Tell(event=event):
                    self.events.append(event)
                case Leave():
                    self.left = True
                case _:
                    pass

    def _record(self, batch: list[Record]) -> frozenset[str]:
        """Writes what is owed and the batch; returns the intents that must not start."""
        if not self._owed and not batch:
            return frozenset()
        try:
            lost = self.history.commit([*self._owed, *batch], at=self.clock.wall)
        except DiskFull as error:
            intents = frozenset(e.run.id for r in batch for e in r.entries if e.ending is None)
            for record in batch:
                entries = tuple(e for e in record.entries if e.ending is not None)
                progress = tuple(p for p in record.progress if p.run_id not in intents)
                self._owed.append(replace(record, entries=entries, progress=progress))
            if intents:
                self._inbox.append(Unrecorded(run_ids=tuple(intents), reason=str(error)))
            return intents
        self._owed = []
        if lost:
            reason = "this fire has its disposition already"
            self._inbox.append(Unrecorded(run_ids=tuple(sorted(lost)), reason=reason, lost=True))
        return lost

    def _start(self, start: Start) -> None:
        run = start.run
        assert run.id in self.history.rows, f"{run} starts without a row"  # noqa: S101
        wait = 0.0 if start.at is None else start.at - self.clock.wall
        if wait > 0:
            self.held[run.id] = (self.clock.mono + min(wait, 1.0), start)
        else:
            self._begin(start)

    def _release(self) -> None:
        for run_id, (mono, start) in list(self.held.items()):
            if mono <= self.clock.mono:
                del self.held[run_id]
                self._begin(start)

    def _begin(self, start: Start) -> None:
        run, task = start.run, start.task
        self._inbox.append(self.processes.start(run, task, self.clock.mono))
        live = Counter(process.run.task for process in self.processes.alive.values())
        assert live[run.task] <= task.max, f"{live[run.task]} of {run.task} live"  # noqa: S101
        if run.id in self.processes.alive:
            self.starts.append((run.task, self.elapsed))

    def _signal(self, run_id: str, by_force: bool) -> None:
        if self.held.pop(run_id, None) is not None:
            self._inbox.append(NotStarted(run_id=run_id, reason="stopped before it started"))
            return
        process = self.processes.alive.get(run_id)
        if process is not None:
            self.signals.append((process.run.task, "KILL" if by_force else "TERM", self.elapsed))
        survived = self.processes.stop(run_id, self.clock.mono, by_force=by_force)
        if survived is not None:
            self._inbox.append(survived)

    def _reap(self) -> None:
        self._inbox.extend(self.processes.reap(self.clock.mono, self.clock.wall))

    def _next(self) -> float | None:
        """The monotonic instant at which something happens next."""
        wake = self.scheduler.wake_at
        wall = None if wake.wall is None else self._mono_of(wake.wall)
        release = min((mono for mono, _ in self.held.values()), default=None)
        soon = (wall, wake.mono, self.processes.first_end(), release)
        times = [at for at in soon if at is not None]
        return max(min(times), self.clock.mono) if times else None

    def _mono_of(self, wall: float) -> float:
        return self.clock.mono + (wall - self.clock.wall)

    def _move_to(self, mono: float) -> None:
        wall = self.clock.wall + (mono - self.clock.mono)
        whole = round(wall)
        # A fire time is a whole second; what floats lose on the way must not miss it.
        self.clock.wall = (
            float(whole) if math.isclose(wall, whole, abs_tol=1e-6, rel_tol=0) else wall
        )
        self.clock.mono = mono
