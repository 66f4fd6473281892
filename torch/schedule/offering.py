"""One fire and the slots: it starts, waits for a slot, waits for its instant, or is skipped.

Owns the fires that have a row and do not run yet. Two kinds wait: `waiting` ones want a slot
(overlap: queue or replace, catch_up: all), `delayed` ones want an instant (jitter, a retry).
Both carry `not_before` in their rows, which is proof that they were never started; it is
cleared, on disk, before they are. Must not know why a fire is due.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.clock import FireTime, Now
from torch.event import FireQueued, FireSkipped, RetryPlanned
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.answer import Answer
from torch.schedule.backoff import retry_delay
from torch.schedule.keepalive import Keeper
from torch.schedule.live import Deadlines, LiveRun, LiveRuns
from torch.schedule.overlap import Verdict, judge
from torch.schedule.record import Pause
from torch.task import CatchUp, Task, TaskType


@dataclass(slots=True, kw_only=True)
class TaskState:
    """What the core knows of a task beyond its definition."""

    task: Task
    order: int
    since: FireTime  # every fire up to here has its disposition
    present: bool = True  # False: gone from the file, but a run of it still lives
    # Recorded fires that want a slot. A list: an empty deque has 0.7 KB, and most are empty.
    waiting: list[Run] = field(default_factory=list)
    delayed: dict[str, Run] = field(default_factory=dict)  # by run id; they want an instant
    instants: dict[str, float] = field(default_factory=dict)  # which one, by run id; wall seconds
    keeper: Keeper | None = None
    paused: Pause | None = None
    last: tuple[Run, Ending, float] | None = None  # newest end, with its wall time


class Offering:
    def __init__(self, live: LiveRuns, deadlines: Deadlines) -> None:
        self._live = live
        self._deadlines = deadlines
        self._waits: dict[str, TaskState] = {}  # by run id, whoever waits for a slot or an instant

    def offer(
        self, state: TaskState, run: Run, now: Now, answer: Answer, *,
        in_turn: bool = False, recorded: bool = False, wanted: float | None = None,
        due: float | None = None,
    ) -> None:  # fmt: skip
        """Gives one fire its disposition. `due`: when it was to begin, if it had been put off.
        `in_turn`: it waits where the policy would skip it;
        `recorded`: it has its row already. `wanted`: that row says that a reaper was told of
        it; if it waits now, the row says so again, and since when: else it could be taken for a
        run that has a slot."""
        task = state.task
        if not in_turn:
            self._supersede(state, run, now, answer)
        live, waiting = self._live.count(task.name), len(state.waiting)
        verdict = judge(task.overlap, live=live, max=task.max, waiting=waiting)
        if verdict is not Verdict.START and in_turn and task.catch_up is CatchUp.ALL:
            verdict = Verdict.WAIT
        if verdict is Verdict.START:
            if recorded:
                answer.offered(run, task, at=now.wall)
            else:
                answer.intend(run, task)
            self._live.reserve(run, task, answer, due=due)
        elif verdict is Verdict.SKIP:
            self.skip(run, f"{live} live and {waiting} waiting, max is {task.max}", now, answer,
                      recorded=recorded)  # fmt: skip
        else:
            if verdict is Verdict.REPLACE:
                self._make_room(state, now, answer)
            if not recorded or wanted is not None:
                answer.intend(run, task, not_before=now.wall if wanted is None else wanted)
            state.waiting.append(run)
            self._waits[run.id] = state
            answer.tell(FireQueued(run=run, reason=f"{live} live, max is {task.max}"))

    def skip(
        self, run: Run, why: str, now: Now, answer: Answer, *,
        recorded: bool, outcome: Outcome = Outcome.SKIPPED,
    ) -> None:  # fmt: skip
        """The fire never becomes a run."""
        ending = Ending(outcome=outcome, reason=why)
        if recorded:
            answer.ended(run, at=now.wall, ending=ending)
        else:
            answer.dispose(run, ending)
        answer.tell(FireSkipped(run=run, reason=why))

    def delay(
        self, state: TaskState, run: Run, until: float, now: Now, answer: Answer, *,
        recorded: bool = False,
    ) -> None:  # fmt: skip
        """The fire is offered when `until` (wall seconds) comes."""
        if not recorded:
            answer.intend(run, state.task, not_before=until)
        state.delayed[run.id] = run
        state.instants[run.id] = until
        self._waits[run.id] = state
        self._deadlines.add(now.mono + max(until - now.wall, 0.0), "delayed", run.id)

    def retry(
        self, state: TaskState, live: LiveRun, ending: Ending, now: Now, answer: Answer
    ) -> None:
        """A failed attempt has another after it, as the definition it ran under says. Its row
        is on disk together with the end of the one before: a restart forgets none."""
        run, policy = live.run, live.task.retry
        failed = ending.outcome in (Outcome.FAILED, Outcome.TIMED_OUT)
        if policy is None or not failed or run.trigger not in (Trigger.SCHEDULE, Trigger.CATCH_UP):
            return
        if run.attempt > policy.attempts:
            return
        wait = retry_delay(policy, run.attempt)
        following = self._live.name(
            run.task, run.trigger, fire_time=run.fire_time, attempt=run.attempt + 1
        )
        self.delay(state, following, now.wall + wait, now, answer)
        answer.tell(RetryPlanned(run=following, delay=wait))

    def run_by_hand(self, state: TaskState, answer: Answer) -> None:
        """`torch run`: at once or not at all."""
        task, live, waiting = state.task, self._live.count(state.task.name), len(state.waiting)
        if task.type is TaskType.DAEMON:
            reason = f"'{task.name}' is a daemon task: it is kept alive, not run by hand"
            answer.refuse(reason, "to start its runs anew: torch kill " + task.name, for_now=False)
        elif live + waiting >= task.max:
            reason = f"'{task.name}' has {live} live and {waiting} waiting, max is {task.max}"
            answer.refuse(reason, f"wait for one to end, or: torch kill {task.name}")
        else:
            run = self._live.name(task.name, Trigger.MANUAL)
            answer.intend(run, task)
            self._live.reserve(run, task, answer)

    def due(self, run_id: str, now: Now, answer: Answer) -> None:
        """A delayed fire's instant has come."""
        state = self._waits.get(run_id)
        instant = state.instants.get(run_id) if state is not None else None
        run = self.unwait(run_id)
        if state is not None and run is not None:
            self.offer(state, run, now, answer, recorded=True, due=instant)

    def fill(self, state: TaskState, now: Now, answer: Answer) -> None:
        """Waiting fires take the slots that are free, the oldest first."""
        while state.waiting and self._live.count(state.task.name) < state.task.max:
            run = state.waiting.pop(0)
            del self._waits[run.id]
            answer.offered(run, state.task, at=now.wall)
            self._live.reserve(run, state.task, answer, due=now.wall)

    def give_up(
        self, state: TaskState, why: str, now: Now, answer: Answer, *, delayed: bool = True
    ) -> None:
        """What waits for a slot, and (`delayed`) for its instant, is skipped."""
        for run in (*state.waiting, *(state.delayed.values() if delayed else ())):
            self.unwait(run.id)
            self.skip(run, why, now, answer, recorded=True)

    def unwait(self, run_id: str) -> Run | None:
        """Takes a fire that waits back, by its run id."""
        state = self._waits.pop(run_id, None)
        if state is None:
            return None
        self._deadlines.forget(run_id)
        run = state.delayed.pop(run_id, None)
        state.instants.pop(run_id, None)
        if run is None:
            run = next(run for run in state.waiting if run.id == run_id)
            state.waiting.remove(run)
        return run

    def _supersede(self, state: TaskState, newer: Run, now: Now, answer: Answer) -> None:
        """A retry that waits gives way to a newer fire: what it would do is done anyway."""
        for run in (*state.waiting, *state.delayed.values()):
            if run.attempt > 1 and (run.fire_time or 0) < (newer.fire_time or 0):
                self.unwait(run.id)
                self.skip(run, "a newer fire of the task came first", now, answer, recorded=True)

    def _make_room(self, state: TaskState, now: Now, answer: Answer) -> None:
        """overlap: replace. The oldest run is stopped; a fire that waited already gives way."""
        self.give_up(state, "replaced by a newer fire", now, answer, delayed=False)
        stopping = [live for live in self._live.of(state.task.name) if live.fate is not None]
        oldest = next((x for x in self._live.of(state.task.name) if x.fate is None), None)
        if oldest is not None and not stopping:
            fate = Ending(outcome=Outcome.KILLED, reason="replaced by a newer fire")
            self._live.stop(oldest, fate, now, answer)
