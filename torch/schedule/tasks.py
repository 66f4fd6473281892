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
from torch.schedule.admission import Admission
from torch.schedule.answer import Answer
from torch.schedule.deadlines import Deadlines
from torch.schedule.effect import Effect, effects, gives_up
from torch.schedule.firing import Firing
from torch.schedule.keepalive import Keeper, unwanted
from torch.schedule.live import LiveRuns
from torch.schedule.messages import Loaded
from torch.schedule.pausing import Pauses
from torch.schedule.record import File
from torch.schedule.recovery import Recovery
from torch.schedule.reload import Diff, diff
from torch.schedule.sources import Sources
from torch.schedule.state import States, TaskState
from torch.schedule.waiting import Waiting
from torch.task import Task


class Tasks:
    def __init__(
        self, states: States, live: LiveRuns, deadlines: Deadlines, *,
        admission: Admission, waiting: Waiting, firing: Firing, sources: Sources, pauses: Pauses,
        recovery: Recovery,
    ) -> None:  # fmt: skip
        self._states = states
        self._live = live
        self._deadlines = deadlines
        self._firing = firing
        self._sources = sources
        self._admission = admission
        self._waiting = waiting
        self._pauses = pauses
        self._recovery = recovery
        self.loaded = False

    def rehearse(self, tasks: tuple[Task, ...]) -> tuple[Diff, tuple[Effect, ...]]:
        """What a file with these tasks would change, and do to what runs and waits."""
        found = self._diff(tasks)
        return found, effects(self._states.seen(), self._live, found, tasks)

    def _diff(self, tasks: tuple[Task, ...]) -> Diff:
        return diff({s.task.name: s.task for s in self._states.in_order() if s.present}, tasks)

    def swap(self, message: Loaded, now: Now, answer: Answer) -> None:
        """Swaps the tasks at one instant: fires up to it are decided by the old definitions,
        fires after it by the new ones."""
        self._sources.take(now, answer)
        at = FireTime(math.floor(now.wall))
        found = self._diff(message.tasks) if message.diff is None else message.diff
        self._live.version = message.version
        answer.load(File(version=message.version, commit=message.commit))
        touched = {*found.added, *found.changed}
        for order, task in enumerate(message.tasks):
            if task.name in touched:
                since = (message.since or {}).get(task.name, at)
                since = at if timeline.stepped_back(since, now.wall) else since
                self._define(task, order, since, answer)
            elif self._states.seen()[task.name].order != order:
                self._states[task.name].order = order
        self._states.reordered()
        self._follow(found, message, at, now, answer)
        self._recovery.offer_in_turn(now, answer)
        self._sources.take(now, answer)
        self._recovery.offer_rest(now, answer)
        if message.rebooted:
            self._firing.decide_reboot(now, answer)

    def _define(self, task: Task, order: int, since: FireTime, answer: Answer) -> None:
        state = self._states.get(task.name)
        if state is None:
            state = self._states.add(TaskState(task=task, order=order, since=since))
        state.last = state.last or self._recovery.last.get(task.name)
        since = max(since, state.since)  # what was decided stays so, though the clock went back
        self._pauses.settle(state, since, answer)  # by the definition it was paused under
        state.task, state.order, state.present = task, order, True
        state.held = None
        if task.policy.is_kept and state.keeper is None:
            state.keeper = Keeper()
        if state.keeper is not None:
            state.keeper.changed(task, self._live, self._deadlines)
        self._firing.expect(state, since)
        self._pauses.defined(state, since, answer)
        answer.define(task.name, task, since=since)

    def _follow(self, found: Diff, message: Loaded, at: FireTime, now: Now, answer: Answer) -> None:
        """What a changed file does to what runs and waits."""
        for name in found.removed:
            self._states.reordered()
            state = self._states[name]
            state.present = False
            self._firing.expect(state, state.since)
            self._waiting.give_up(state, gives_up(None, paused=False), now, answer)
            self._pauses.settle(state, at, answer)
            self._pauses.drop(state, answer)
            answer.define(name, None, since=at)
        touched = [self._states[n] for n in (*found.removed, *found.added, *found.changed)]
        for state in sorted(touched, key=lambda s: (not s.present, s.order)):
            definition = state.task if state.present else None
            if why := gives_up(definition, paused=state.paused is not None):
                self._waiting.give_up(state, why, now, answer)
            self.fill(state, now, answer)
        first, self.loaded = not self.loaded, True
        if first:
            self._follow_recovery(at, now, answer)
        else:
            answer.tell(
                TasksReloaded(
                    version=message.version,
                    added=found.added,
                    removed=found.removed,
                    changed=found.changed,
                    unchanged=found.unchanged,
                )
            )

    def _follow_recovery(self, at: FireTime, now: Now, answer: Answer) -> None:
        """What an earlier service left of tasks that this file does not have."""
        self._pauses.forget_inherited(answer)
        here = {name for name, state in self._states.seen().items() if state.present}
        for name in sorted(self._recovery.in_force - here):
            answer.define(name, None, since=at)
        for state in [state for state in self._states.each() if not state.present]:
            self._waiting.give_up(state, "its task left the file", now, answer)
            self.fill(state, now, answer)

    def record_again(self, answer: Answer) -> None:
        """A new history learns what is in force; of its runs each row comes with its next step."""
        for state in self._states.seen().values():
            if state.present:
                answer.define(state.task.name, state.task, since=state.since)
            if state.paused is not None:
                answer.pause(state.task.name, state.paused)
            for run in (*state.waiting, *state.delayed.values()):
                answer.intend(run, state.task, not_before=0.0)

    def fill(self, state: TaskState, now: Now, answer: Answer) -> None:
        """A slot may be free: the next waiting fire takes it, or the daemon task is kept."""
        self._admission.fill(state, now, answer)
        self.keep(state, now, answer)
        left = state.delayed or self._live.count(state.task.name)
        if self.loaded and not state.present and not left:
            self._states.drop(state.task.name)

    def keep(self, state: TaskState, now: Now, answer: Answer) -> None:
        """A daemon task has as many runs as it wants; a task that became or left one has none."""
        if state.keeper is None:
            return
        task = state.task
        why = unwanted(task if state.present else None, paused=state.paused is not None)
        want = 0 if why else task.max
        state.keeper.keep(
            state, want, admission=self._admission, live=self._live, deadlines=self._deadlines,
            now=now, answer=answer, why=why or f"max was lowered to {task.max}",
        )  # fmt: skip
