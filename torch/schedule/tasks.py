"""The tasks in force, and what a changed file does to them.

Owns the swap of one file's tasks for another's at one instant, and who takes a slot that is
free. Must not know messages other than the load, nor how a fire is judged. Invariant: a task
whose definition did not change keeps its runs, its next fire and its counters.
"""

from __future__ import annotations

import math

from torch.clock import FireTime, Now
from torch.event import TasksReloaded
from torch.schedule import timeline
from torch.schedule.answer import Answer
from torch.schedule.firing import Firing, TaskState
from torch.schedule.keepalive import Keeper
from torch.schedule.live import Deadlines, LiveRuns
from torch.schedule.messages import Loaded
from torch.schedule.reload import Diff, diff
from torch.task import Task, TaskType


class Tasks:
    def __init__(
        self, states: dict[str, TaskState], live: LiveRuns, firing: Firing, deadlines: Deadlines
    ) -> None:
        self._states = states
        self._live = live
        self._firing = firing
        self._deadlines = deadlines
        self._loaded = False

    def in_order(self) -> list[TaskState]:
        """This host's tasks in file order, then those that are gone but still run."""
        return sorted(self._states.values(), key=lambda s: (not s.present, s.order))

    def swap(self, message: Loaded, now: Now, answer: Answer) -> None:
        """Swaps the tasks at one instant: fires up to it are decided by the old definitions,
        fires after it by the new ones."""
        self._firing.decide(now, answer)
        at = FireTime(math.floor(now.wall))
        found = diff({s.task.name: s.task for s in self.in_order() if s.present}, message.tasks)
        self._live.version = message.version
        touched = {*found.added, *found.changed}
        for order, task in enumerate(message.tasks):
            if task.name in touched:
                since = (message.since or {}).get(task.name, at)
                since = at if timeline.stepped_back(since, now.wall) else since
                self._define(task, order, since, answer)
            else:
                self._states[task.name].order = order
        self._follow(found, message, at, now, answer)
        self._firing.decide(now, answer)
        if message.rebooted:
            self._firing.decide_reboot(self.in_order(), now, answer)

    def _define(self, task: Task, order: int, since: FireTime, answer: Answer) -> None:
        state = self._states.get(task.name)
        if state is None:
            state = self._states[task.name] = TaskState(task=task, order=order, since=since)
        since = max(since, state.since)  # what was decided stays so, though the clock went back
        state.task, state.order, state.present = task, order, True
        if task.type is TaskType.DAEMON and state.keeper is None:
            state.keeper = Keeper()
        if state.keeper is not None:
            state.keeper.changed(task, self._live, self._deadlines)
        self._firing.expect(state, since)
        answer.define(task.name, digest=task.digest, since=since)

    def _follow(self, found: Diff, message: Loaded, at: FireTime, now: Now, answer: Answer) -> None:
        """What a changed file does to what runs and waits."""
        for name in found.removed:
            state = self._states[name]
            state.present = False
            self._firing.expect(state, state.since)
            self._firing.give_up_waiting(state, "its task left the file", now, answer)
            answer.define(name, digest="", since=at)
        touched = [self._states[n] for n in (*found.removed, *found.added, *found.changed)]
        for state in sorted(touched, key=lambda s: (not s.present, s.order)):
            if not state.task.enabled:
                self._firing.give_up_waiting(state, "its task was disabled", now, answer)
            elif state.task.type is TaskType.DAEMON:
                self._firing.give_up_waiting(state, "it became a daemon task", now, answer)
            self.fill(state, now, answer)
        if self._loaded:
            answer.tell(
                TasksReloaded(
                    version=message.version,
                    added=found.added,
                    removed=found.removed,
                    changed=found.changed,
                    unchanged=found.unchanged,
                )
            )
        self._loaded = True

    def fill(self, state: TaskState, now: Now, answer: Answer) -> None:
        """A slot may be free: the next waiting fire takes it, or the daemon task is kept."""
        self._firing.fill(state, answer)
        self.keep(state, now, answer)
        if not state.present and not self._live.count(state.task.name):
            self._states.pop(state.task.name, None)

    def keep(self, state: TaskState, now: Now, answer: Answer) -> None:
        """A daemon task has as many runs as it wants; a task that became or left one has none."""
        if state.keeper is None:
            return
        task = state.task
        wanted = state.present and task.enabled and task.type is TaskType.DAEMON
        want = task.max if wanted else 0
        state.keeper.keep(
            task, want, live=self._live, deadlines=self._deadlines, now=now, answer=answer
        )
