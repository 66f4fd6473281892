"""What becomes of the runs an earlier service left unfinished.

Owns the decisions of the recovery table (ARCHITECTURE.md, Recovery): what lives is adopted with
its slot and timeout, what ended is recorded with the code its reaper wrote down, what is proven
never to have started is offered again, and where nothing is known the outcome is `unknown`,
never a guess. How each is told apart is torch/daemon/recover.py's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch.clock import FireTime, Now
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.admission import Admission
from torch.schedule.answer import Answer
from torch.schedule.keepalive import Keeper
from torch.schedule.live import LiveRuns
from torch.schedule.messages import Ended, FoundRun, Trace
from torch.schedule.state import States, TaskState
from torch.schedule.waiting import Waiting
from torch.task import CatchUp

_DIED = "the service died before it was started"


class Recovery:
    def __init__(
        self, states: States, live: LiveRuns, *, admission: Admission,
        waiting: Waiting,
    ) -> None:  # fmt: skip
        self._states = states
        self._live = live
        self._admission = admission
        self._waiting = waiting
        self._unstarted: list[FoundRun] = []
        self.in_force: frozenset[str] = frozenset()  # tasks of the earlier service
        self.last: Mapping[str, tuple[Run, Ending, float]] = {}  # each task's newest end

    def take_over(self, found: FoundRun, now: Now, answer: Answer) -> Ended | None:
        """The run has its slot again; one that never started waits until the file is loaded.
        Returns the end of one that is over."""
        if found.trace is Trace.NEVER_STARTED:
            self._unstarted.append(found)
            return None
        name = found.run.task
        state = self._states.get(name)
        if state is None:
            state = TaskState(task=found.task, order=0, since=FireTime(0), present=False)
            self._states.add(state)
        if found.run.trigger is Trigger.DAEMON:
            state.keeper = state.keeper or Keeper()
            state.keeper.adopt(found.run.id)
        self._live.adopt(found, now, answer)
        if found.trace in (Trace.ALIVE, Trace.ORPHANED):
            return None
        at = now.wall if found.at is None else found.at
        return Ended(
            run_id=found.run.id, exit_code=found.exit_code, at=at, signal=found.signal,
            usage=found.usage, reason=found.reason,
        )  # fmt: skip

    def offer_in_turn(self, now: Now, answer: Answer) -> None:
        """Fires of `catch_up: all` come before those that fell due later."""
        for found in self._take(CatchUp.ALL):
            self._offer(found, now, answer)

    def offer_rest(self, now: Now, answer: Answer) -> None:
        """Once what fell due meanwhile is decided: of several fires the newest starts."""
        rest = [*self._take(None)]
        for found in sorted(rest, key=lambda f: f.run.fire_time or 0, reverse=True):
            self._offer(found, now, answer)

    def _take(self, policy: CatchUp | None) -> Iterable[FoundRun]:
        taken: list[FoundRun] = []
        left: list[FoundRun] = []
        for found in self._unstarted:
            state = self._states.get(found.run.task)
            meant = policy is None or (state and state.present and state.task.catch_up is policy)
            (taken if meant else left).append(found)
        self._unstarted = left
        return taken

    def _offer(self, found: FoundRun, now: Now, answer: Answer) -> None:
        run = found.run
        state = self._states.get(run.task)
        begin = found.not_before or run.fire_time or 0.0  # a fire may have been decided ahead
        if why := _no_more(state, run):
            self._waiting.skip(run, why, now, answer, recorded=True)
        elif state is not None and begin > now.wall:
            told = found.not_before is None
            self._waiting.delay(state, run, begin, now, answer, recorded=not told)
        elif state is not None:
            why = self._too_late(state, found, now)
            if why:
                outcome = Outcome.MISSED
                self._waiting.skip(run, why, now, answer, recorded=True, outcome=outcome)
            else:
                in_turn = state.task.catch_up is CatchUp.ALL
                wanted = None if found.not_before is not None else begin or found.recorded_at
                self._admission.offer(
                    state, run, now, answer, recorded=True, in_turn=in_turn, wanted=wanted,
                    due=begin or None,
                )  # fmt: skip

    def _too_late(self, state: TaskState, found: FoundRun, now: Now) -> str:
        """Why the fire is missed, as catch_up and start_within say; '' if it still starts."""
        task, run = state.task, found.run
        if task.catch_up is CatchUp.ALL:
            return ""
        others = [live.run for live in self._live.of(task.name)] + [*state.waiting]
        if any((other.fire_time or 0) > (run.fire_time or now.wall) for other in others):
            return f"{_DIED}; a newer fire of the task was due too"
        wanted = found.not_before or run.fire_time or found.recorded_at
        if task.catch_up is CatchUp.NONE and now.wall - wanted > task.start_within:
            return f"{_DIED}; later than start_within ({task.start_within:g} s)"
        return ""


def _no_more(state: TaskState | None, run: Run) -> str:
    """Why nobody wants the run any longer; '' if it is wanted."""
    if run.trigger is Trigger.DAEMON:
        return _DIED
    if state is None or not state.present:
        return "its task left the file"
    if not state.task.enabled and run.trigger is not Trigger.MANUAL:
        return "its task was disabled"
    if state.task.policy.is_kept:
        return state.task.policy.became
    return "its task was paused" if state.paused else ""
