"""The clock of the schedules, the first source of fires: which are due, and what is decided.

Owns the heap of next fires and the watermark. Decided are the fires in (since, now] of each
task, and `since` moves with the decision, so that no instant is looked at twice or not at
all. What becomes of a single fire is admission.py's. Must not know processes, requests or
daemon tasks.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch.clock import FireTime, Now
from torch.event import ClockStepped, FiresMissed
from torch.run import Ending, Outcome, Trigger
from torch.schedule import jitter, misfire, timeline
from torch.schedule.admission import Admission
from torch.schedule.answer import Answer
from torch.schedule.live import LiveRuns
from torch.schedule.state import States, TaskState
from torch.schedule.waiting import Waiting
from torch.task import Task


class Lead(NamedTuple):
    """Seconds ahead of its second at which a fire that is sure to start is decided: `base`, and
    `each` for every task that is due with it. The rows and orders of a thousand starts take their
    time, and should be done when their second comes."""

    base: float = 0.0
    each: float = 0.0


NO_LEAD = Lead()

MOST_LEAD = 0.7
"""Seconds ahead of a fire at which it is decided at the earliest, however many are due with it."""


class Firing:
    def __init__(
        self, states: States, live: LiveRuns, *, admission: Admission,
        waiting: Waiting, lead: Lead, host: str,
    ) -> None:  # fmt: skip
        self._states = states
        self._live = live
        self._admission = admission
        self._waiting = waiting
        self._lead = lead
        self._host = host
        self._prepared = FireTime(0)  # the fires of this instant have been looked at early
        self._heap = timeline.Heap()
        self._watermark = FireTime(0)  # up to where this service has looked

    def next_at(self) -> float | None:
        """When to decide next: ahead of the earliest fire, or at it if it was looked at early."""
        at = self._heap.first()
        return at if at is None or at <= self._prepared else at - self._lead_of(at)

    def _lead_of(self, at: FireTime) -> float:
        return min(self._lead.base + self._lead.each * self._heap.crowd(at), MOST_LEAD)

    def resume(self, watermark: FireTime) -> None:
        """An earlier service has looked up to here: the watermark never goes back unnoticed."""
        self._watermark = watermark

    def take(self, now: Now, answer: Answer) -> None:
        """Decides every fire up to now; the watermark moves in the same transaction."""
        until = FireTime(math.floor(now.wall))
        if timeline.stepped_back(self._watermark, now.wall):
            self._begin_again(until, now, answer)
        due = [self._states[name] for name in self._heap.pop_due(until)]
        for state in sorted(due, key=lambda s: s.order):
            self._decide_task(state, until, now, answer)
        # Written with whatever is recorded now, fires decided ahead too: their own rows say
        # that they are decided, and the watermark that nothing before them is left.
        self._watermark = answer.watermark = max(self._watermark, until)
        # A millisecond more: what floats lose must not make a wake-up come to nothing.
        soon = self._heap.first()
        if not self._lead.base or soon is None or soon <= max(until, self._prepared):
            return
        if soon - self._lead_of(soon) <= now.wall + 0.001:
            self._prepared = soon
            self._prepare(soon, now, answer)

    def _prepare(self, fire: FireTime, now: Now, answer: Answer) -> None:
        """Fires of the coming instant that will start for certain are decided ahead of it, so
        that at the instant nothing is left to do but begin. Whatever is in doubt is decided at
        its time."""
        states = [self._states[name] for name in self._heap.pop_due(fire)]
        for state in sorted(states, key=lambda s: s.order):
            if self._admission.admit_ahead(state, fire, now, answer):
                self.expect(state, fire)
            else:
                self._heap.set(state.task.name, fire)

    def _begin_again(self, until: FireTime, now: Now, answer: Answer) -> None:
        """The clock was far ahead: what it had decided there is forgotten, on disk too."""
        answer.tell(ClockStepped(seconds=now.wall - self._watermark, watermark=until))
        self._watermark = self._prepared = answer.watermark = until
        for state in self._states.each():
            self.expect(state, until)
            if state.present:
                answer.define(state.task.name, state.task, since=until)

    def decide_reboot(self, now: Now, answer: Answer) -> None:
        """`@reboot`: once per boot of the host, named by the instant the service first ran."""
        at = FireTime(math.floor(now.wall))
        answer.rebooted()
        for seen in self._states.in_order():
            if seen.task.enabled and any(s.is_reboot for s in seen.task.schedule):
                run = self._live.name(seen.task.name, Trigger.SCHEDULE, fire_time=at)
                self._admission.offer(self._states[seen.task.name], run, now, answer)

    def expect(self, state: TaskState, since: FireTime) -> None:
        """Everything up to `since` is decided: the task's next fire is the first one after it."""
        state.since = since
        fires = may_fire(state)
        state.next = timeline.next_of_many(state.task.schedule, since) if fires else None
        self._heap.set(state.task.name, state.next)

    def _decide_task(self, state: TaskState, until: FireTime, now: Now, answer: Answer) -> None:
        task = state.task
        due = timeline.due(task.schedule, state.since, until)
        self.expect(state, until)
        if due is None:
            return
        plan = misfire.plan(
            due, now=now.wall, start_within=task.start_within, catch_up=task.catch_up,
            spread=lambda fire: self._spread(task, fire),
        )  # fmt: skip
        if plan.missed is not None:
            self._miss(task, plan.missed, answer)
        for fire in plan.start:
            trigger = Trigger.CATCH_UP if fire in plan.late else Trigger.SCHEDULE
            run = self._live.name(task.name, trigger, fire_time=fire)
            begin = fire + self._spread(task, fire)
            if begin > now.wall:
                self._waiting.delay(state, run, begin, now, answer)
            else:
                in_turn = len(plan.start) > 1
                self._admission.offer(state, run, now, answer, in_turn=in_turn, due=begin)

    def _spread(self, task: Task, fire: FireTime) -> float:
        return jitter.offset(task.jitter, task=task.name, host=self._host, fire=fire)

    def _miss(self, task: Task, missed: misfire.Missed, answer: Answer) -> None:
        run = self._live.name(task.name, Trigger.SCHEDULE, fire_time=missed.first)
        ending = Ending(outcome=Outcome.MISSED, reason=missed.reason)
        last = missed.last if missed.count > 1 else None
        answer.dispose(run, ending, count=missed.count, last=last, early=missed.early)
        answer.tell(
            FiresMissed(
                task=task.name, first=missed.first, last=missed.last, count=missed.count,
                reason=missed.reason,
            )
        )  # fmt: skip


def may_fire(state: TaskState) -> bool:
    """Whether the times of the task's schedule mean anything now."""
    task = state.task
    return state.present and state.paused is None and task.enabled and task.policy.fires
