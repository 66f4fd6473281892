"""Fires that have a row and do not run yet: they wait for a slot, or for an instant.

Owns them. `waiting` ones want a slot (overlap: queue or replace, catch_up: all), `delayed` ones
want an instant (jitter, a retry). Both carry `not_before` in their rows, which is proof that they
were never started; it is cleared, on disk, before they are. Whether one may start is admission's.
"""

from __future__ import annotations

from torch.clock import Now
from torch.event import FireSkipped, RetryPlanned
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.answer import Answer
from torch.schedule.backoff import retry_delay
from torch.schedule.deadlines import Deadline, Deadlines
from torch.schedule.live import LiveRun, LiveRuns
from torch.schedule.state import States, TaskState


class Waiting:
    def __init__(self, states: States, live: LiveRuns, deadlines: Deadlines) -> None:
        self._states = states
        self._live = live
        self._deadlines = deadlines
        self._task_of: dict[str, str] = {}  # by run id, whoever waits for a slot or an instant

    def of(self, run_id: str) -> TaskState | None:
        """The task of a fire that waits."""
        name = self._task_of.get(run_id)
        return None if name is None else self._states.get(name)

    def line_up(self, state: TaskState, run: Run) -> None:
        """The fire wants a slot, after those that wait already."""
        state.waiting.append(run)
        self._task_of[run.id] = state.task.name

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
        self._task_of[run.id] = state.task.name
        self._deadlines.add(now.mono + max(until - now.wall, 0.0), Deadline.DELAYED, run.id)

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

    def give_up(
        self, state: TaskState, why: str, now: Now, answer: Answer, *, delayed: bool = True
    ) -> None:
        """What waits for a slot, and (`delayed`) for its instant, is skipped."""
        for run in (*state.waiting, *(state.delayed.values() if delayed else ())):
            self.unwait(run.id)
            self.skip(run, why, now, answer, recorded=True)

    def unwait(self, run_id: str) -> Run | None:
        """Takes a fire that waits back, by its run id."""
        state = self.of(run_id)
        if state is None:
            return None
        del self._task_of[run_id]
        self._deadlines.forget(run_id)
        run = state.delayed.pop(run_id, None)
        state.instants.pop(run_id, None)
        if run is None:
            run = next(run for run in state.waiting if run.id == run_id)
            state.waiting.remove(run)
        return run

    def supersede(self, state: TaskState, newer: Run, now: Now, answer: Answer) -> None:
        """A retry that waits gives way to a newer fire: what it would do is done anyway."""
        for run in (*state.waiting, *state.delayed.values()):
            if run.attempt > 1 and (run.fire_time or 0) < (newer.fire_time or 0):
                self.unwait(run.id)
                self.skip(run, "a newer fire of the task came first", now, answer, recorded=True)
