"""Where fires come from: each source says when it wants a look, and takes what is due.

The clock of the schedules is the first (firing.py). A queue, a batch, the end of another task: each
is one more, in a file of its own, and needs no change to the others. Must not know which there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch.clock import FireTime, Now
from torch.run import Trigger
from torch.schedule.admission import Admission
from torch.schedule.answer import Answer
from torch.schedule.live import LiveRuns
from torch.schedule.state import States


class Source(Protocol):
    def next_at(self) -> float | None:
        """The wall instant of its next look; None: it wants none."""

    def take(self, now: Now, answer: Answer) -> None:
        """Gives everything that is due up to now its disposition. Also asked before its time,
        when something is about to change that what is due depends on."""


class Fires:
    """What a source does with what is due."""

    def __init__(self, states: States, live: LiveRuns, admission: Admission) -> None:
        self._states = states
        self._live = live
        self._admission = admission

    def fire(
        self, task: str, now: Now, answer: Answer, *,
        trigger: Trigger = Trigger.SCHEDULE, fire_time: FireTime | None = None,
    ) -> bool:  # fmt: skip
        """A run of the task wants a slot; False: this host has no such task."""
        state = self._states.get(task)
        if state is None or not state.present:
            return False
        run = self._live.name(task, trigger, fire_time=fire_time)
        self._admission.offer(state, run, now, answer)
        return True


MakeSource = Callable[[Fires], Source]


class Sources:
    """Asked in their order."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    def next_at(self) -> float | None:
        found = [at for source in self._sources if (at := source.next_at()) is not None]
        return min(found, default=None)

    def take(self, now: Now, answer: Answer) -> None:
        for source in self._sources:
            source.take(now, answer)
