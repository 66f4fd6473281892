"""A host in memory: the real core, a fake clock, fake processes and a fake history.

Moves time from one thing that happens to the next, so that a day takes a moment and is the same
day each time. The service of this host can die at any instant, between any two commands, and
another one recovers what it left; what each of them does is in torch/testing/service.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.channel import Channel
from torch.run import Run
from torch.schedule.commands import Command
from torch.schedule.firing import Lead
from torch.schedule.gates import Gate
from torch.schedule.messages import Loaded, Message, ReloadAsked, StopAsked, Woke
from torch.schedule.sources import MakeSource
from torch.task import Task
from torch.testing import recovering
from torch.testing.clock import FakeClock
from torch.testing.history import FakeHistory
from torch.testing.lives import Behaviour
from torch.testing.looks import Looks
from torch.testing.processes import FakeProcesses
from torch.testing.reaper import FakeReaper, Step
from torch.testing.service import Died, FakeService, Seen


class World(Looks):
    """`load` tasks, let time `pass_`, look at `rows`, `starts` and `events`.

    The wall clock begins at `base`, a full hour, UTC; instants are easiest said from there.
    """

    def __init__(
        self, *tasks: Task, wall: float = 1_800_000_000.0, prefix: str = "r",
        lead: Lead | float = 0.0, pids: int = 30_000, gates: Sequence[Gate] = (),
        sources: Sequence[MakeSource] = (),
    ) -> None:  # fmt: skip
        """`lead` is the Scheduler's: with it, starts are prepared ahead and released in time.
        `gates` and `sources` are the Scheduler's too, in each life of the service."""
        self.base = int(wall)
        self.prefix = prefix  # of run ids
        self.clock = FakeClock(wall)
        self.processes = FakeProcesses(pids=pids)
        self.processes.witness = self._see_begin
        self._history = FakeHistory()
        self.seen = Seen()
        self.alive_service = True
        self._lead = lead if isinstance(lead, Lead) else Lead(lead)
        self._more: dict[str, Any] = {"gates": gates, "sources": sources}
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
        if self.alive_service:
            keys.setdefault("diff", self.scheduler.rehearse(tasks)[0])
        self.send(Loaded(tasks=tasks, version=f"v{self._version}", **keys))

    def edit(self, *tasks: Task, takes: float = 0.5) -> None:
        """The file on disk has these tasks now, and whoever watches it asks for a reload; a
        reading takes so many seconds."""
        self.seen.file, self.seen.reading_takes = tasks, takes
        self.send(ReloadAsked())

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
        self._hear()
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

    def crash(self, *, both: bool = False) -> None:
        """kill -9: the service is gone at this instant, with all that it had not written.
        `both`: and so is its reaper, so that nobody takes over what it had started."""
        if self.alive_service:
            self.processes.settle(self.clock.mono, self.clock.wall)
            self.processes.service_died()
            self.alive_service = False
            if both:
                self._kill(self.processes.current)

    def crash_after(self, commands: int) -> None:
        """The service performs so many more commands, whenever they come, and dies at the
        next one. A Record is one command."""
        self.service.dies_after = commands

    def kill_reaper(self, at: Step | None = None, *, both: bool = False) -> None:
        """kill -9: the reaper of the newest service is gone. A service that lives takes over
        what it had started, and starts another. `at`: when the reaper next comes to that step;
        `both`: the service dies in that same instant."""
        self.processes.current.dies_at = at
        self.processes.current.takes_service = both
        if at is None:
            self._kill(self.processes.current)

    def kill_old_reapers(self) -> None:
        """kill -9: those of earlier services are gone; nobody learns the codes of their runs."""
        for reaper in self.processes.reapers:
            if reaper is not self.processes.current:
                self._kill(reaper)

    def freeze_reaper(self) -> None:
        """SIGSTOP: the reaper of the newest service does nothing, and answers nobody."""
        self.processes.settle(self.clock.mono, self.clock.wall)
        self.processes.current.silent = self.processes.current.alive

    def thaw_reapers(self) -> None:
        """SIGCONT to all of them: each goes on where it was."""
        self.processes.settle(self.clock.mono, self.clock.wall)
        for reaper in [*self.processes.reapers]:
            self.processes.thaw(reaper, self.clock.mono, self.clock.wall)
        self._now()

    def _kill(self, reaper: FakeReaper) -> None:
        self.processes.settle(self.clock.mono, self.clock.wall)
        self.processes.kill(reaper, self.clock.mono, self.clock.wall)
        self._now()

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
        self.processes.service_begins()
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
            base=self.base, prefix=prefix, lead=self._lead, boot_id=self.boot_id, **self._more,
        )  # fmt: skip

    def _see_begin(self, run: Run, wall: float) -> None:
        self.seen.begun.append(run)
        self.seen.starts.append((run.task, wall - self.base))

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def _wake(self) -> None:
        self.seen.wakes += 1
        self.send(Woke())

    def _now(self) -> None:
        """What is to happen at this instant happens."""
        self.processes.settle(self.clock.mono, self.clock.wall)
        self._hear()
        if not self.alive_service:
            return
        wake = self.scheduler.wake_at
        over = wake.wall is not None and wake.wall <= self.clock.wall
        if over or (wake.mono is not None and wake.mono <= self.clock.mono):
            self._wake()
        else:
            self.send()
        if self.service.retry_at is not None and self.service.retry_at <= self.clock.mono:
            self._write_owed()
        if self.service.reading is not None and self.service.reading[0] <= self.clock.mono:
            self._read()

    def _hear(self) -> None:
        """The service has heard what its reaper has to say, and not yet acted on it."""
        if self.alive_service:
            try:
                self.service.hear()
            except Died:
                self.crash()

    def _write_owed(self) -> None:
        try:
            self.service.write_owed()
        except Died:
            self.crash()

    def _read(self) -> None:
        self._version += 1
        try:
            self.service.read(f"v{self._version}")
        except Died:
            self.crash()

    def _next(self) -> float | None:
        """The monotonic instant at which something happens next."""
        soon = [self.processes.first_end()]
        if self.alive_service:
            wake = self.scheduler.wake_at
            wall = None if wake.wall is None else self._mono_of(wake.wall)
            soon += [wall, wake.mono, self.processes.next_start(), self.service.retry_at]
            soon += [self.service.reading[0]] if self.service.reading is not None else []
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
