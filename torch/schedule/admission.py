"""The one door to a slot: may this run start now, and what becomes of it if not.

Owns the gates and their order: each is asked in turn, and the first that does not let a run go
decides. A pause, `max`, a level, a claim, a lock: each is a gate and nothing else. Whatever starts
passes here: a fire that is due, ahead of its second or at it; one that waited; a run by hand; a
run of a daemon task. Must not know why a fire is due. Invariant: a run that starts has its intent
in the same answer, or on disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch.clock import FireTime, Now
from torch.event import FireQueued, FireSkipped
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.answer import Answer
from torch.schedule.gates import GO, Candidate, Gate, Judgement, Says
from torch.schedule.live import LiveRun, LiveRuns
from torch.schedule.pause_gate import PauseGate
from torch.schedule.slot_gate import SlotGate
from torch.schedule.state import Held, States, TaskState
from torch.schedule.waiting import Waiting
from torch.task import Task

FIRST, LAST = (PauseGate(),), (SlotGate(),)
"""A slot is judged last: who is told to wait for one lacks nothing else."""


class Admission:
    def __init__(
        self, states: States, live: LiveRuns, waiting: Waiting,
        gates: Sequence[Gate] = (),
    ) -> None:  # fmt: skip
        """`gates` are asked between the first and the last."""
        self._states = states
        self._live = live
        self._waiting = waiting
        self._gates = (*FIRST, *gates, *LAST)
        self._held_back: dict[str, None] = {}  # tasks that another gate than the last told to wait

    # ── asking ────────────────────────────────────────────────────────────────────────────

    def ask(
        self, state: TaskState, trigger: Trigger, now: Now, *, fire_time: FireTime | None = None,
        in_line: bool = False, in_turn: bool = False, at_once: bool = False,
    ) -> Judgement:  # fmt: skip
        """What the gates say of one more run of the task."""
        name = state.task.name
        ahead = 0 if in_line or trigger is Trigger.DAEMON else len(state.waiting)
        candidate = Candidate(
            task=state.task, trigger=trigger, now=now, fire_time=fire_time,
            live=self._live.count(name), waiting=ahead, paused=state.paused is not None,
            in_line=in_line, in_turn=in_turn, at_once=at_once,
        )  # fmt: skip
        for gate in self._gates:
            judgement = gate.ask(candidate)
            if judgement.says is not Says.GO:
                waits = judgement.says is not Says.SKIP or trigger is Trigger.DAEMON
                if waits and gate not in LAST:
                    self._held_back[name] = None
                return judgement
        return GO

    def take_held_back(self) -> list[TaskState]:
        """Tasks that a gate told to wait, each once: their turn may have come."""
        names, self._held_back = self._held_back, {}
        return [self._states[name] for name in names if name in self._states]

    # ── the door ──────────────────────────────────────────────────────────────────────────

    def admit(
        self, run: Run, task: Task, now: Now, answer: Answer, *,
        recorded: bool = False, at: FireTime | None = None, due: float | None = None,
    ) -> LiveRun:  # fmt: skip
        """The run has a slot, and starts, `at` its second if that is still to come. `recorded`:
        it has its row, which says from here on that it waits no longer. `due`: when it was to
        begin, if it had been put off."""
        if recorded:
            answer.offered(run, task, at=now.wall)
        else:
            answer.intend(run, task)
        return self._live.reserve(run, task, answer, at=at, due=due)

    def admit_ahead(self, state: TaskState, fire: FireTime, now: Now, answer: Answer) -> bool:
        """A fire of the coming instant starts at it, if nothing is in doubt: no slot is missing,
        no retry waits, no jitter moves it."""
        task = state.task
        if task.jitter or state.delayed:
            return False
        if self.ask(state, Trigger.SCHEDULE, now, fire_time=fire).says is not Says.GO:
            return False
        run = self._live.name(task.name, Trigger.SCHEDULE, fire_time=fire)
        state.held = None
        self.admit(run, task, now, answer, at=fire)
        return True

    def offer(
        self, state: TaskState, run: Run, now: Now, answer: Answer, *,
        in_turn: bool = False, recorded: bool = False, wanted: float | None = None,
        due: float | None = None,
    ) -> None:  # fmt: skip
        """Gives one fire its disposition. `in_turn`: it waits where the policy would skip it;
        `due`: as in `admit`; `recorded`: it has its row already. `wanted`: that row says that a
        reaper was told of it; if it waits now, the row says so again, and since when: else it
        could be taken for a run that has a slot."""
        if not in_turn:
            self._waiting.supersede(state, run, now, answer)
        found = self.ask(state, run.trigger, now, fire_time=run.fire_time, in_turn=in_turn)
        if found.says is Says.HOLD and not recorded:
            self._hold(state, run, found.reason, answer)
            return
        if found.says is not Says.HOLD:
            state.held = None
        if found.says is Says.GO:
            self.admit(run, state.task, now, answer, recorded=recorded, due=due)
        elif found.says is Says.SKIP:
            self._waiting.skip(run, found.reason, now, answer, recorded=recorded)
        else:
            if found.makes_room:
                self._make_room(state, now, answer)
            if not recorded or wanted is not None:
                answer.intend(run, state.task, not_before=now.wall if wanted is None else wanted)
            self._waiting.line_up(state, run)
            answer.tell(FireQueued(run=run, reason=found.reason))

    def due(self, run_id: str, now: Now, answer: Answer) -> None:
        """A delayed fire's instant has come."""
        state = self._waiting.of(run_id)
        instant = state.instants.get(run_id) if state is not None else None
        run = self._waiting.unwait(run_id)
        if state is not None and run is not None:
            self.offer(state, run, now, answer, recorded=True, due=instant)

    def fill(self, state: TaskState, now: Now, answer: Answer) -> None:
        """Fires that wait take the slots that are free, the oldest first."""
        while state.waiting:
            first = state.waiting[0]
            found = self.ask(
                state, first.trigger, now, fire_time=first.fire_time, in_line=True
            )  # fmt: skip
            if found.says is Says.GO:
                self._waiting.unwait(first.id)
                self.admit(first, state.task, now, answer, recorded=True, due=now.wall)
            elif found.says is Says.SKIP:
                self._waiting.unwait(first.id)
                self._waiting.skip(first, found.reason, now, answer, recorded=True)
            else:
                return

    def run_by_hand(self, state: TaskState, now: Now, answer: Answer) -> None:
        """`torch run`: at once or not at all."""
        task = state.task
        if task.policy.is_kept:
            reason = f"'{task.name}' is a daemon task: it cannot be run manually"
            answer.refuse(reason, f"to restart its runs: torch kill {task.name}", for_now=False)
            return
        found = self.ask(state, Trigger.MANUAL, now, at_once=True)
        if found.says is Says.GO:
            self.admit(self._live.name(task.name, Trigger.MANUAL), task, now, answer)
        else:
            answer.refuse(found.reason, found.hint)

    def keep_alive(self, state: TaskState, now: Now, answer: Answer) -> Run:
        """One more run of a daemon task; the gates have let it go."""
        run = self._live.name(state.task.name, Trigger.DAEMON)
        self.admit(run, state.task, now, answer)
        return run

    # ── what does not start ───────────────────────────────────────────────────────────────

    def _hold(self, state: TaskState, run: Run, reason: str, answer: Answer) -> None:
        """The row of the fires held back before it, for the same reason, grows by one: a week of
        them costs one row, and a service that is killed leaves none without its disposition."""
        held, last = state.held, run.fire_time
        if held is None or held.reason != reason or run.fire_time is None:
            held = Held(run=run, count=1, reason=reason)
            answer.tell(FireSkipped(run=run, reason=reason))
            last = None
        else:
            held = Held(run=held.run, count=held.count + 1, reason=reason)
        state.held = held
        ending = Ending(outcome=Outcome.SKIPPED, reason=reason)
        answer.dispose(held.run, ending, count=held.count, last=last)

    def _make_room(self, state: TaskState, now: Now, answer: Answer) -> None:
        """overlap: replace. The oldest run is stopped; a fire that waited already gives way."""
        why = "replaced by a newer fire"
        self._waiting.give_up(state, why, now, answer, delayed=False)
        live = self._live.of(state.task.name)
        oldest = next((each for each in live if each.fate is None), None)
        if oldest is not None and all(each.fate is None for each in live):
            fate = Ending(outcome=Outcome.KILLED, reason=why)
            self._live.stop(oldest, fate, now, answer)
