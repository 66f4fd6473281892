"""The core's state at one instant, for whoever looks at it from outside: nothing here ever changes.

A snapshot of twenty thousand tasks must not hold the loop, so a task is copied when somebody asks
for it, or when the core is about to change it, whatever comes first (`States` says so). It can be
read in slices, with any amount of messages between them, and is that of its instant all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch.channel import Channel
from torch.clock import FireTime, Now
from torch.run import BAD, Ending, Run, State
from torch.schedule.live import LiveRun, LiveRuns
from torch.schedule.record import Paused, Trouble
from torch.schedule.state import States, TaskState
from torch.task import Task


class RunView(NamedTuple):
    """A live run. `task` is the definition it started with."""

    run: Run
    task: Task
    state: State
    started: Now | None
    pid: int | None
    adopted: bool
    stopped: bool  # it was told to stop


class PutOff(NamedTuple):
    """A fire that waits for its instant (wall seconds)."""

    run: Run
    at: float


class BackOff(NamedTuple):
    """A place of a daemon task that waits out its back-off, until `at` (monotonic)."""

    at: float
    attempt: int


class TaskView(NamedTuple):
    task: Task
    present: bool  # False: gone from the file, but a run of it still lives
    next: FireTime | None
    paused: Paused | None
    last: tuple[Run, Ending, float] | None  # newest end, with its wall time
    runs: tuple[RunView, ...] = ()  # oldest first
    waiting: tuple[Run, ...] = ()  # fires that want a slot
    put_off: tuple[PutOff, ...] = ()
    kept: bool = False  # it is, or was, a daemon task
    restarts: tuple[BackOff, ...] = ()
    crash_looping: bool = False

    @property
    def failing(self) -> bool:
        return self.last is not None and self.last[1].outcome in BAD


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """A channel of the file, and what waits for it. Instants are wall seconds."""

    channel: Channel
    waiting: int
    problem: str
    failing_since: float | None
    sent_at: float | None


class Snapshot:
    def __init__(
        self, states: States, live: LiveRuns, *, stopping: bool,
        channels: tuple[ChannelView, ...], troubles: tuple[Trouble, ...],
    ) -> None:  # fmt: skip
        """`names`: this host's tasks in file order, then those that are gone but still run.
        `running` are the live runs of all tasks, `present` the tasks that the file has."""
        self.names, self.present = states.names()
        self.running = len(live)
        self.stopping = stopping
        self.channels = channels
        self.troubles = troubles
        self._states = dict(states.seen())
        self._live = live
        self._task_of = live.tasks()
        self._views = states.views  # of tasks that have not changed; others may use them too
        self._kept: dict[str, TaskView] = {}  # of those that have
        states.is_read(self)

    def tasks(self) -> Iterator[TaskView]:
        """In the order of `names`."""
        return map(self._view, self.names)

    def task(self, name: str) -> TaskView | None:
        return self._view(name) if name in self._states else None

    def run_ids(self) -> tuple[str, ...]:
        return tuple(self._task_of)

    def run(self, run_id: str) -> RunView | None:
        """A live run."""
        task = self._task_of.get(run_id)
        if task is None:
            return None
        return next((each for each in self._view(task).runs if each.run.id == run_id), None)

    def keep(self, name: str) -> None:
        """The core is about to change this task."""
        if name in self._states:
            self._kept[name] = self._view(name)

    def _view(self, name: str) -> TaskView:
        found = self._kept.get(name) or self._views.get(name)
        if found is None:
            found = self._views[name] = _look(self._states[name], self._live.of(name))
        return found


_IDLE = tuple(TaskView._field_defaults.values())


def _look(state: TaskState, live: tuple[LiveRun, ...]) -> TaskView:
    keeper = state.keeper
    if not (live or state.waiting or state.delayed or keeper):  # most, most of the time
        idle = (state.task, state.present, state.next, state.paused, state.last)
        return tuple.__new__(TaskView, idle + _IDLE)  # half of the time of a call
    runs = [
        RunView(
            each.run, each.task, each.state, each.started, each.pid, each.adopted,
            each.fate is not None,
        )
        for each in live
    ]  # fmt: skip
    slots = [] if keeper is None else [s for s in keeper.slots if s.run_id is None]
    return TaskView(
        state.task, state.present, state.next, state.paused, state.last, tuple(runs),
        tuple(state.waiting),
        tuple(PutOff(run, state.instants[run_id]) for run_id, run in state.delayed.items()),
        keeper is not None,
        tuple(BackOff(slot.not_before, slot.failures + slot.unbegun + 1) for slot in slots),
        keeper is not None and keeper.crash_looping,
    )  # fmt: skip
