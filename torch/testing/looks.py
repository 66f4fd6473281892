"""What a test looks at in a world: its rows, starts, signals, events and notices.

Owns the questions, and nothing that happens.
"""

from __future__ import annotations

from typing import Any, TypeVar

from torch.event import Event
from torch.run import Outcome
from torch.schedule.messages import Sent
from torch.schedule.scheduler import Scheduler
from torch.schedule.snapshot import RunView, TaskView
from torch.testing.clock import FakeClock
from torch.testing.history import FakeHistory
from torch.testing.processes import FakeProcesses
from torch.testing.rows import Row
from torch.testing.service import FakeService, Seen

_E = TypeVar("_E", bound=Event)


class Looks:
    """Instants are in seconds after `base`, on the wall clock."""

    base: int
    clock: FakeClock
    processes: FakeProcesses
    service: FakeService
    seen: Seen
    _history: FakeHistory

    @property
    def history(self) -> FakeHistory:
        return self._history

    @history.setter
    def history(self, history: FakeHistory) -> None:
        """The one of another world goes on in this one."""
        self._history = self.service.history = history

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
        view = self.task(task)
        return None if view is None or view.next is None else view.next - self.base

    def task(self, name: str) -> TaskView | None:
        """What the core knows of the task now."""
        return self.scheduler.snapshot().task(name)

    def tasks(self) -> list[TaskView]:
        """All tasks in file order, then those that are gone but still run."""
        return [*self.scheduler.snapshot().tasks()]

    def live(self, name: str | None = None) -> list[RunView]:
        """Runs that hold a slot; of all tasks without a name."""
        return [r for each in self.tasks() if name in (None, each.task.name) for r in each.runs]

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
