"""Daemon tasks: `max` runs kept alive, back-off between deaths, one-by-one replacement.

Owns the slots of one daemon task. A slot is a place that wants a run; which run is old, in
surplus or healthy is never stored but read from what is alive and the task as it is now, so
an edit that is taken back needs no undoing. Must not know cron tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.clock import Now
from torch.event import DaemonCrashLooping, DaemonHealthy
from torch.run import Ending, Outcome, State, Trigger
from torch.schedule.admission import Admission
from torch.schedule.answer import Answer
from torch.schedule.backoff import CRASH_LOOP, restart_delay
from torch.schedule.deadlines import Deadline, Deadlines
from torch.schedule.gates import Says
from torch.schedule.live import LiveRun, LiveRuns
from torch.schedule.reload import launches_alike
from torch.schedule.state import TaskState
from torch.task import Task


def unwanted(task: Task | None, *, paused: bool) -> str:
    """Why a definition (None: the task left the file) keeps no run alive; '' if it does."""
    if task is None:
        return "its task left the file"
    if not task.enabled:
        return "its task was disabled"
    if not task.policy.is_kept:
        return task.policy.became
    return "its task was paused" if paused else ""


@dataclass(slots=True)
class Slot:
    run_id: str | None = None
    failures: int = 0  # deaths in a row before healthy_after
    unbegun: int = 0  # starts in a row that the host did not let begin
    not_before: float = 0.0  # monotonic; the back-off
    retry_in: float = 0.0


@dataclass(slots=True)
class Keeper:
    """The slots of one daemon task."""

    slots: list[Slot] = field(default_factory=list)

    @property
    def crash_looping(self) -> bool:
        return any(slot.failures >= CRASH_LOOP for slot in self.slots)

    def keep(
        self, state: TaskState, want: int, *, admission: Admission, live: LiveRuns,
        deadlines: Deadlines, now: Now, answer: Answer, why: str = "no longer wanted",
    ) -> None:  # fmt: skip
        """Starts what is missing, stops what is too much and says `why`, replaces what is old.
        Idempotent."""
        task = state.task
        while len(self.slots) < want:
            self.slots.append(Slot())
        for slot in self.slots[want:]:
            self._stop(slot, why, live, now, answer)
        self.slots = self.slots[:want] + [slot for slot in self.slots[want:] if slot.run_id]
        for slot in self.slots[:want]:
            self._notice_health(slot, task, live, now, answer)
            # A run in surplus, or of the task's earlier life, still takes its place under max.
            if slot.run_id is None and admission.ask(state, Trigger.DAEMON, now).says is Says.GO:
                if slot.not_before <= now.mono:
                    slot.run_id = admission.keep_alive(state, now, answer).id
                else:
                    deadlines.add(slot.not_before, Deadline.KEEP, task.name)
        self._replace_one(task, want, live, now, answer)

    def adopt(self, run_id: str) -> None:
        """A run of an earlier service takes a slot."""
        self.slots.append(Slot(run_id=run_id))

    def started(self, task: Task, deadlines: Deadlines, now: Now) -> None:
        """A run began: it is looked at again when it should be healthy."""
        deadlines.add(now.mono + task.restart.healthy_after, Deadline.KEEP, task.name)

    def ended(self, ended: LiveRun, task: Task, now: Now, answer: Answer) -> None:
        """A run died: its slot waits out the back-off, unless it was stopped on purpose. That the
        host did not let one begin is no crash of the task."""
        slot = next((s for s in self.slots if s.run_id == ended.run.id), None)
        if slot is None:
            return
        slot.run_id = None
        if ended.fate is not None:
            slot.not_before, slot.retry_in = now.mono, 0.0
            return
        crashed = not ended.of_host
        if crashed:
            slot.failures = 0 if healthy(ended, task, now) else slot.failures + 1
        slot.unbegun = 0 if crashed else slot.unbegun + 1
        slot.retry_in = restart_delay(task.restart, slot.failures + slot.unbegun)
        slot.not_before = now.mono + slot.retry_in
        if crashed and slot.failures >= CRASH_LOOP:
            answer.tell(
                DaemonCrashLooping(
                    task=task.name, run=ended.run, failures=slot.failures, retry_in=slot.retry_in
                )
            )

    def changed(self, task: Task, live: LiveRuns, deadlines: Deadlines) -> None:
        """The task was edited: a slot that waits out a back-off tries the new definition now,
        and a live run is looked at again when it should be healthy by the new one."""
        for slot in self.slots:
            run = live.get(slot.run_id) if slot.run_id else None
            if run is None:
                slot.failures, slot.unbegun, slot.not_before = 0, 0, 0.0
            elif run.started is not None:
                self.started(task, deadlines, run.started)

    def _stop(self, slot: Slot, why: str, live: LiveRuns, now: Now, answer: Answer) -> None:
        run = live.get(slot.run_id) if slot.run_id else None
        if run is not None and run.state is not State.STOPPING:
            live.stop(run, Ending(outcome=Outcome.KILLED, reason=why), now, answer)

    def _notice_health(
        self, slot: Slot, task: Task, live: LiveRuns, now: Now, answer: Answer
    ) -> None:
        run = live.get(slot.run_id) if slot.run_id else None
        if slot.failures and run is not None and healthy(run, task, now):
            if slot.failures >= CRASH_LOOP:
                answer.tell(DaemonHealthy(task=task.name, run=run.run))
            slot.failures = 0

    def _replace_one(self, task: Task, want: int, live: LiveRuns, now: Now, answer: Answer) -> None:
        """Stops one run of an older definition, if all that are not old are healthy."""
        old = []
        for slot in self.slots:
            run = live.get(slot.run_id) if slot.run_id else None
            if run is None or run.state is State.STOPPING:
                return
            if not launches_alike(run.task, task):
                old.append(slot)
            elif not healthy(run, task, now):
                return
        if old and want:
            self._stop(old[0], "replaced: its definition changed", live, now, answer)


def healthy(run: LiveRun, task: Task, now: Now) -> bool:
    """The sum is the one of `Keeper.started`: a difference could round to just below."""
    return run.started is not None and now.mono >= run.started.mono + task.restart.healthy_after
