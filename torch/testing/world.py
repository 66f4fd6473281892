"""A host in memory: the real core, a fake clock, fake processes and a fake history.

Moves time from one thing that happens to the next, so that a day takes a moment and is the same
day each time. The service of this host can die at any instant, between any two commands, and
another one recovers what it left; what each of them does is in torch/testing/service.py.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

from torch.channel import Channel
from torch.event import Event
from torch.run import Outcome
from torch.schedule.messages import Command, Loaded, Message, Sent, StopAsked, Woke
from torch.schedule.scheduler import Scheduler
from torch.task import Task
from torch.testing import recovering
from torch.testing.clock import FakeClock
from torch.testing.history import FakeHistory, Row
from torch.testing.processes import Behaviour, FakeProcesses
from torch.testing.service import Died, FakeService, Seen

_E = TypeVar("_E", bound=Event)


class World:
    """`load` tasks, let time `pass_`, look at `rows`, `starts` and `events`.

    The wall clock begins at `base`, a full hour, UTC; instants are easiest said from there.
    """

    def __init__(
        self, *tasks: Task, wall: float = 1_800_000_000.0, prefix: str = "r", lead: float = 0.0,
        pids: int = 30_000,
    ) -> None:  # fmt: skip
        """`lead` is the Scheduler's: with it, starts are prepared ahead and released in time."""
        self.base = int(wall)
        self.prefix = prefix  # of run ids
        self.clock = FakeClock(wall)
        self.processes = FakeProcesses(pids=pids)
        self._history = FakeHistory()
        self.seen = Seen()
        self.alive_service = True
        self._lead = lead
        self._boot = 1
        self._life = 0
        self._version = 0
        self._channels: dict[str, Channel] = {}
        self.service = self._new_service()
        if tasks:
            self.load(*tasks)

    # ── what happens ──────────────────────────────────────────────────────────────────────

    def load(self, *tasks: Task, **keys: Any) -> None:
        """The task file now has these tasks; `keys` are Loaded's fields."""
        self._version += 1
        self._channels = keys.setdefault("channels", self._channels)
        self.send(Loaded(tasks=tasks, version=f"v{self._version}", **keys))

    def behave(self, task: str, **keys: Any) -> None:
        """The next processes of the task behave so; `keys` are Behaviour's fields."""
        self.processes.behave(task, Behaviour(**keys))

    def stop(self, **keys: Any) -> None:
        self.send(StopAsked(**keys))

    def step(self, seconds: float) -> None:
        """The wall clock is set, and the service notices."""
        self.processes.settle(self.clock.mono, self.clock.wall)
        self.clock.step(seconds)
        self._wake()

    def freeze(self, seconds: float) -> None:
        """Time passes and the service does not see it: a suspend, or a host at its limit."""
        self.clock.advance(seconds)
        self.processes.settle(self.clock.mono, self.clock.wall)
        if self.alive_service:
            self.service.release()
            self.service.inbox.extend(self.processes.reap(self.clock.mono, self.clock.wall))
        self._wake()

    def pass_(self, seconds: float) -> None:
        """Time passes; whatever happens in it happens at its instant."""
        until = self.clock.mono + seconds
        same = 0
        while (at := self._next()) is not None and at <= until:
            same = same + 1 if at <= self.clock.mono else 0
            assert same < 1000, "the core wants to be woken for nothing, for ever"  # noqa: S101
            self._move_to(at)
            self._now()
        self._move_to(until)
        self.processes.settle(self.clock.mono, self.clock.wall)

    def send(self, *messages: Message) -> tuple[Command, ...]:
        """Gives the core messages, and all that follow from them; returns its answer to the
        last one. Nobody hears them while no service lives."""
        if not self.alive_service:
            return ()
        try:
            answer = self.service.send(*messages)
        except Died:
            self.crash()
            return ()
        if self.service.kept:
            self.processes.service_died()
        return answer

    # ── the death of a service, and the next one ──────────────────────────────────────────

    def crash(self) -> None:
        """kill -9: the service is gone at this instant, with all that it had not written."""
        if self.alive_service:
            self.processes.settle(self.clock.mono, self.clock.wall)
            self.processes.service_died()
            self.alive_service = False

    def crash_after(self, commands: int) -> None:
        """The service performs so many more commands, whenever they come, and dies at the
        next one. A Record is one command."""
        self.service.dies_after = commands

    def reboot(self) -> None:
        """The power fails: service and processes are gone, and the host boots again."""
        self.crash()
        self.processes.settle(self.clock.mono, self.clock.wall)
        self.processes.host_died()
        self._boot += 1

    def recover(self, *tasks: Task, dies_after: int | None = None) -> None:
        """A new service begins, with this task file, and takes over what the old one left."""
        self.crash()
        self._version += 1
        self.service = self._new_service()
        self.service.dies_after = dies_after
        self.alive_service = True
        self.processes.settle(self.clock.mono, self.clock.wall)
        self.send(
            *recovering.first_messages(
                self.history, self.processes, tasks, boot_id=self.boot_id,
                now=self.clock.now(), version=f"v{self._version}", channels=self._channels,
            )
        )  # fmt: skip

    @property
    def boot_id(self) -> str:
        return f"boot{self._boot}"

    def _new_service(self) -> FakeService:
        self._life += 1
        prefix = self.prefix if self._life == 1 else f"{self.prefix}{self._life}-"
        return FakeService(
            clock=self.clock, processes=self.processes, history=self.history, seen=self.seen,
            base=self.base, prefix=prefix, lead=self._lead, boot_id=self.boot_id,
        )  # fmt: skip

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
        return [at for name, at in self.seen.starts if name == task]

    def signals_of(self, task: str) -> list[tuple[str, float]]:
        return [(signal, at) for name, signal, at in self.seen.signals if name == task]

    def notices(self, channel: str | None = None) -> list[tuple[str, str]]:
        """(task, kind) of what the channel took, in order; of all channels without a name."""
        return [
            (notice.task, notice.kind.value)
            for name, notices, _ in self.seen.sends
            for notice in notices
            if channel in (None, name)
        ]

    def break_channel(self, name: str, problem: str = "connection refused", **keys: Any) -> None:
        """It takes nothing until `mend_channel`; `keys` are Sent's fields."""
        self.seen.down[name] = Sent(channel=name, notices=(), problem=problem, **keys)

    def mend_channel(self, name: str) -> None:
        del self.seen.down[name]

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

    @property
    def scheduler(self) -> Scheduler:
        return self.service.scheduler

    @property
    def history(self) -> FakeHistory:
        return self._history

    @history.setter
    def history(self, history: FakeHistory) -> None:
        """The one of another world goes on in this one."""
        self._history = self.service.history = history

    @property
    def left(self) -> bool:
        """The core has said that nothing is left to do."""
        return self.service.left

    @property
    def events(self) -> list[Event]:
        return self.seen.events

    @property
    def starts(self) -> list[tuple[str, float]]:
        return self.seen.starts

    @property
    def signals(self) -> list[tuple[str, str, float]]:
        return self.seen.signals

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        self.seen.wakes += 1
        self.send(Woke())

    def _now(self) -> None:
        """What is to happen at this instant happens."""
        self.processes.settle(self.clock.mono, self.clock.wall)
        if not self.alive_service:
            return
        self.service.release()
        self.service.inbox.extend(self.processes.reap(self.clock.mono, self.clock.wall))
        wake = self.scheduler.wake_at
        over = wake.wall is not None and wake.wall <= self.clock.wall
        if over or (wake.mono is not None and wake.mono <= self.clock.mono):
            self._wake()
        else:
            self.send()
        if self.service.retry_at is not None and self.service.retry_at <= self.clock.mono:
            self._write_owed()

    def _write_owed(self) -> None:
        try:
            self.service.write_owed()
        except Died:
            self.crash()

    def _next(self) -> float | None:
        """The monotonic instant at which something happens next."""
        soon = [self.processes.first_end()]
        if self.alive_service:
            wake = self.scheduler.wake_at
            wall = None if wake.wall is None else self._mono_of(wake.wall)
            release = min((until for until, _, _ in self.processes.held.values()), default=None)
            soon += [wall, wake.mono, release, self.service.retry_at]
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
