"""Cron tasks: which fires are due, and the one disposition of each.

Owns the heap of next fires, the watermark and the fires that wait for a slot. Decided are
the fires in (since, now] of each task, and `since` moves with the decision, so that no
instant is looked at twice or not at all. Must not know processes, requests or daemon tasks.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from torch.clock import FireTime, Now
from torch.event import ClockStepped, FireQueued, FireSkipped, FiresMissed
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule import misfire, timeline
from torch.schedule.answer import Answer
from torch.schedule.keepalive import Keeper
from torch.schedule.live import LiveRuns
from torch.schedule.overlap import Verdict, judge
from torch.task import CatchUp, Task, TaskType


@dataclass(slots=True, kw_only=True)
class TaskState:
    """What the core knows of a task beyond its definition."""

    task: Task
    order: int
    since: FireTime  # every fire up to here has its disposition
    present: bool = True  # False: gone from the file, but a run of it still lives
    waiting: deque[Run] = field(default_factory=deque)  # recorded fires that want a slot
    keeper: Keeper | None = None
    last: tuple[Run, Ending, float] | None = None  # newest end, with its wall time


class Firing:
    def __init__(self, states: dict[str, TaskState], live: LiveRuns, lead: float) -> None:
        self._states = states
        self._live = live
        self._lead = lead
        self._prepared = FireTime(0)  # the fires of this instant have been looked at early
        self._heap = timeline.Heap()
        self._watermark = FireTime(0)  # up to where this service has looked

    def wake_at(self) -> float | None:
        """When to decide next: ahead of the earliest fire, or at it if it was looked at early."""
        at = self._heap.first()
        return at if at is None or at <= self._prepared else at - self._lead

    def next_of(self, task: str) -> FireTime | None:
        return self._heap.get(task)

    def decide(self, now: Now, answer: Answer) -> None:
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
        soon = FireTime(math.floor(now.wall + self._lead + 0.001))
        if self._lead and soon > max(until, self._prepared):
            self._prepared = soon
            self._prepare(soon, answer)

    def _prepare(self, fire: FireTime, answer: Answer) -> None:
        """Fires of the coming instant that will start for certain are decided ahead of it, so
        that at the instant nothing is left to do but begin. Whatever is in doubt (no slot is
        free yet) is decided at its time."""
        states = [self._states[name] for name in self._heap.pop_due(fire)]
        for state in sorted(states, key=lambda s: s.order):
            task = state.task
            live, waiting = self._live.count(task.name), len(state.waiting)
            if judge(task.overlap, live=live, max=task.max, waiting=waiting) is Verdict.START:
                run = self._live.name(task.name, Trigger.SCHEDULE, fire_time=fire)
                answer.intend(run)
                self._live.reserve(run, task, answer, at=fire)
                self.expect(state, fire)
            else:
                self._heap.set(task.name, fire)

    def _begin_again(self, until: FireTime, now: Now, answer: Answer) -> None:
        """The clock was far ahead: what it had decided there is forgotten, on disk too."""
        answer.tell(ClockStepped(seconds=now.wall - self._watermark, watermark=until))
        self._watermark = self._prepared = answer.watermark = until
        for state in self._states.values():
            self.expect(state, until)
            if state.present:
                answer.define(state.task.name, digest=state.task.digest, since=until)

    def decide_reboot(self, states: Iterable[TaskState], now: Now, answer: Answer) -> None:
        """`@reboot`: once per boot of the host, named by the instant the service first ran."""
        at = FireTime(math.floor(now.wall))
        answer.rebooted = True
        for state in states:
            if state.task.enabled and any(s.is_reboot for s in state.task.schedule):
                self._offer(state, at, Trigger.SCHEDULE, now, answer, in_turn=False)

    def expect(self, state: TaskState, since: FireTime) -> None:
        """Everything up to `since` is decided: the task's next fire is the first one after it."""
        state.since = since
        fires = state.present and state.task.enabled and state.task.type is TaskType.CRON
        after = timeline.next_fire(state.task.schedule, since) if fires else None
        self._heap.set(state.task.name, after)

    def fill(self, state: TaskState, answer: Answer) -> None:
        """Waiting fires take the slots that are free, the oldest first."""
        while state.waiting and self._live.count(state.task.name) < state.task.max:
            self._live.reserve(state.waiting.popleft(), state.task, answer)

    def give_up_waiting(self, state: TaskState, why: str, now: Now, answer: Answer) -> None:
        while state.waiting:
            run = state.waiting.popleft()
            answer.ended(run.id, at=now.wall, ending=Ending(outcome=Outcome.SKIPPED, reason=why))
            answer.tell(FireSkipped(run=run, reason=why))

    def unwait(self, run_id: str) -> Run | None:
        """Takes a waiting fire back, by its run id."""
        for state in self._states.values():
            for run in state.waiting:
                if run.id == run_id:
                    state.waiting.remove(run)
                    return run
        return None

    def _decide_task(self, state: TaskState, until: FireTime, now: Now, answer: Answer) -> None:
        task = state.task
        due = timeline.due(task.schedule, state.since, until)
        self.expect(state, until)
        if due is None:
            return
        plan = misfire.plan(
            due, now=now.wall, start_within=task.start_within, catch_up=task.catch_up
        )
        if plan.missed is not None:
            self._miss(task, plan.missed, answer)
        in_turn = len(plan.start) > 1
        for fire in plan.start:
            trigger = Trigger.CATCH_UP if fire in plan.late else Trigger.SCHEDULE
            self._offer(state, fire, trigger, now, answer, in_turn=in_turn)

    def _miss(self, task: Task, missed: misfire.Missed, answer: Answer) -> None:
        run = self._live.name(task.name, Trigger.SCHEDULE, fire_time=missed.first)
        ending = Ending(outcome=Outcome.MISSED, reason=missed.reason)
        last = missed.last if missed.count > 1 else None
        answer.dispose(run, ending, count=missed.count, last=last)
        answer.tell(
            FiresMissed(
                task=task.name, first=missed.first, last=missed.last, count=missed.count,
                reason=missed.reason,
            )
        )  # fmt: skip

    def _offer(
        self, state: TaskState, fire: FireTime, trigger: Trigger, now: Now, answer: Answer,
        *, in_turn: bool,
    ) -> None:  # fmt: skip
        """Gives one fire its disposition."""
        task = state.task
        run = self._live.name(task.name, trigger, fire_time=fire)
        live, waiting = self._live.count(task.name), len(state.waiting)
        verdict = judge(task.overlap, live=live, max=task.max, waiting=waiting)
        if verdict is not Verdict.START and in_turn and task.catch_up is CatchUp.ALL:
            verdict = Verdict.WAIT
        if verdict is Verdict.START:
            answer.intend(run)
            self._live.reserve(run, task, answer)
        elif verdict is Verdict.SKIP:
            why = f"{live} live and {waiting} waiting, max is {task.max}"
            self._skip(run, why, answer)
        else:
            if verdict is Verdict.REPLACE:
                self._make_room(state, now, answer)
            answer.intend(run)
            state.waiting.append(run)
            answer.tell(FireQueued(run=run, reason=f"{live} live, max is {task.max}"))

    def _skip(self, run: Run, why: str, answer: Answer) -> None:
        answer.dispose(run, Ending(outcome=Outcome.SKIPPED, reason=why))
        answer.tell(FireSkipped(run=run, reason=why))

    def _make_room(self, state: TaskState, now: Now, answer: Answer) -> None:
        """overlap: replace. The oldest run is stopped; a fire that waited already gives way."""
        self.give_up_waiting(state, "replaced by a newer fire", now, answer)
        stopping = [live for live in self._live.of(state.task.name) if live.fate is not None]
        oldest = next((x for x in self._live.of(state.task.name) if x.fate is None), None)
        if oldest is not None and not stopping:
            fate = Ending(outcome=Outcome.KILLED, reason="replaced by a newer fire")
            self._live.stop(oldest, fate, now, answer)
