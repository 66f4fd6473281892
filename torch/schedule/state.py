"""What the core knows of each task beyond its definition.

Owns the shape of this state and the collection of it, and nothing that decides. It is mutable, and
so seen by this part of the house alone; whoever else wants to know takes a snapshot (snapshot.py).
Invariant: before a state is handed to somebody who may change it, each snapshot that is still
being read has kept it as it is.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch.clock import FireTime
from torch.run import Ending, Run
from torch.schedule.record import Paused
from torch.task import Task

if TYPE_CHECKING:
    from torch.schedule.keepalive import Keeper
    from torch.schedule.snapshot import Snapshot, TaskView


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The fires that a gate has held back one after the other: one row, which grows with each."""

    run: Run  # of the first
    count: int
    reason: str


@dataclass(slots=True, kw_only=True)
class TaskState:
    task: Task
    order: int
    since: FireTime  # every fire up to here has its disposition
    next: FireTime | None = None  # the first fire after it that the schedule names
    present: bool = True  # False: gone from the file, but a run of it still lives
    # Recorded fires that want a slot. A list: an empty deque has 0.7 KB, and most are empty.
    waiting: list[Run] = field(default_factory=list)
    delayed: dict[str, Run] = field(default_factory=dict)  # by run id; they want an instant
    instants: dict[str, float] = field(default_factory=dict)  # which one, by run id; wall seconds
    keeper: Keeper | None = None
    paused: Paused | None = None
    held: Held | None = None
    last: tuple[Run, Ending, float] | None = None  # newest end, with its wall time


class States:
    """By name. Who only looks says so; whoever else gets a state may change it."""

    def __init__(self) -> None:
        self._states: dict[str, TaskState] = {}
        self._read: list[weakref.ref[Snapshot]] = []  # that somebody may still read
        self._order: tuple[tuple[str, ...], int] | None = None
        self.views: dict[str, TaskView] = {}  # what was read, until it changes

    def __contains__(self, name: str) -> bool:
        return name in self._states

    def __getitem__(self, name: str) -> TaskState:
        self.changes(name)
        return self._states[name]

    def get(self, name: str) -> TaskState | None:
        self.changes(name)
        return self._states.get(name)

    def add(self, state: TaskState) -> TaskState:
        self._states[state.task.name] = state
        self._order = None
        return state

    def drop(self, name: str) -> None:
        self.changes(name)
        self._states.pop(name, None)
        self._order = None

    def reordered(self) -> None:
        """Tasks have another place in the file, or left it."""
        self._order = None

    def each(self) -> Iterator[TaskState]:
        for name in [*self._states]:
            yield self[name]

    def changes(self, name: str) -> None:
        """Something of this task is about to change."""
        if self._read:
            for each in [*self._read]:
                snapshot = each()
                if snapshot is None:
                    self._read.remove(each)
                else:
                    snapshot.keep(name)
        self.views.pop(name, None)

    # ── only looking ──────────────────────────────────────────────────────────────────────

    def seen(self) -> dict[str, TaskState]:
        """All of them, to be looked at."""
        return self._states

    def in_order(self) -> list[TaskState]:
        """This host's tasks in file order, then those that are gone but still run; to be looked
        at."""
        return [self._states[name] for name in self.names()[0]]

    def names(self) -> tuple[tuple[str, ...], int]:
        """In that order; and how many the file has."""
        if self._order is None:
            here, gone = ([s for s in self._states.values() if s.present is there]
                          for there in (True, False))  # fmt: skip
            for each in (here, gone):
                each.sort(key=lambda state: state.order)
            self._order = tuple(state.task.name for state in (*here, *gone)), len(here)
        return self._order

    def is_read(self, snapshot: Snapshot) -> None:
        """It keeps what changes from here on."""
        self._read.append(weakref.ref(snapshot))
