"""Pausing a task, and what becomes of the fires of the time it was paused.

Owns the pauses: a task that is paused fires nothing and keeps no run alive, and when the pause
ends all fires it skipped are one row. So a pause of a week costs no more than one of a minute,
and each fire still has its disposition. Must not know the requests that asked for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch.clock import FireTime, Now, rfc3339
from torch.event import TaskPaused, TaskResumed
from torch.run import Ending, Outcome, Trigger
from torch.schedule import timeline
from torch.schedule.answer import Answer
from torch.schedule.firing import Firing
from torch.schedule.live import LiveRuns
from torch.schedule.record import Paused
from torch.schedule.state import TaskState
from torch.schedule.waiting import Waiting


class Pauses:
    def __init__(self, live: LiveRuns, firing: Firing, waiting: Waiting) -> None:
        self._live = live
        self._firing = firing
        self._waiting = waiting
        self._ends: dict[str, float] = {}  # task -> wall seconds
        self._inherited: dict[str, Paused] = {}  # of an earlier service, until its task is loaded

    def inherit(self, paused: Mapping[str, Paused]) -> None:
        self._inherited = dict(paused)

    def wake_at(self) -> float | None:
        return min(self._ends.values(), default=None)

    def over(self, wall: float) -> list[str]:
        """Tasks whose pause has come to its end."""
        return [task for task, until in self._ends.items() if until <= wall]

    def begin(self, state: TaskState, until: float | None, now: Now, answer: Answer) -> None:
        """Pauses the task, or gives its pause another end. What waits is skipped."""
        since = max(FireTime(math.floor(now.wall)), state.since)
        self._set(
            state, Paused(since=state.paused.since if state.paused else since, until=until), answer
        )
        self._waiting.give_up(state, "its task was paused", now, answer)
        answer.tell(TaskPaused(task=state.task.name, until=until))

    def end(self, state: TaskState, now: Now, answer: Answer) -> None:
        """The task fires again, from now or from where its pause had its end."""
        if state.paused is None:
            return
        at = FireTime(math.floor(min(now.wall, state.paused.until or now.wall)))
        skipped = self.settle(state, at, answer)
        self._set(state, None, answer)
        self._firing.expect(state, max(at, state.since))
        answer.tell(TaskResumed(task=state.task.name, skipped=skipped))

    def defined(self, state: TaskState, since: FireTime, answer: Answer) -> None:
        """The task has a definition, new or changed, from `since` on; a pause goes on under it."""
        pause = state.paused or self._inherited.pop(state.task.name, None)
        if pause is not None:
            self._set(state, Paused(since=since, until=pause.until), answer)

    def forget_inherited(self, answer: Answer) -> None:
        """Pauses of tasks that are gone from the file."""
        for task in self._inherited:
            answer.pause(task, None)
        self._inherited = {}

    def drop(self, state: TaskState, answer: Answer) -> None:
        """The task left the file, and its pause with it."""
        if state.paused is not None:
            self._set(state, None, answer)

    def settle(self, state: TaskState, until: FireTime, answer: Answer) -> int:
        """Gives the fires of the pause up to `until` their one row; returns how many they are."""
        task, pause = state.task, state.paused
        if pause is None or not task.enabled or not task.policy.fires:
            return 0
        due = timeline.due(task.schedule, pause.since, until)
        if due is None:
            return 0
        run = self._live.name(task.name, Trigger.SCHEDULE, fire_time=due.first)
        reason = f"paused from {rfc3339(pause.since)} to {rfc3339(until)}"
        last = due.times[-1] if due.count > 1 else None
        answer.dispose(
            run, Ending(outcome=Outcome.SKIPPED, reason=reason), count=due.count, last=last,
            early=due.early,
        )  # fmt: skip
        return due.count

    def _set(self, state: TaskState, pause: Paused | None, answer: Answer) -> None:
        state.paused = pause
        self._ends.pop(state.task.name, None)
        if pause is not None:
            if pause.until is not None:
                self._ends[state.task.name] = pause.until
            self._firing.expect(state, pause.since)
        answer.pause(state.task.name, pause)
