"""The core: `Scheduler.handle(message, now) -> commands`. Same messages, same commands.

Owns what follows from what: it hears each message and passes it to the file that decides:
tasks.py for a changed file, firing.py for fires, offering.py for slots, live.py for runs and
deadlines, keepalive.py for daemon tasks, asking.py for requests, pausing.py for pauses,
recovery.py for what an earlier service left; and what all of them told is heard by alerting.py.
Invariants, held by tests/schedule:

- each fire has exactly one disposition: a run, or a row that says skipped or missed and why;
- a slot is reserved where live runs are counted, so live runs never exceed `max`;
- an edit to one task touches no other task's runs, next fire or counters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from torch.clock import FireTime, Now
from torch.event import (
    FireSkipped,
    HistoryFailed,
    ProcessesSurvived,
    RunNotStarted,
    ServiceStopped,
    ServiceStopping,
)
from torch.run import Ending, Outcome, Trigger
from torch.schedule.alerting import Alerts
from torch.schedule.answer import Answer
from torch.schedule.asking import Asking
from torch.schedule.firing import NO_LEAD, Firing, Lead, may_fire
from torch.schedule.live import Deadlines, LiveRun, LiveRuns
from torch.schedule.messages import (
    Command,
    Ended,
    HistoryReset,
    KillAsked,
    Loaded,
    Matched,
    Message,
    NotStarted,
    PauseAsked,
    Recovered,
    ResumeAsked,
    RunAsked,
    Sent,
    Started,
    StopAsked,
    StopMode,
    Survived,
    Unrecorded,
    WakeAt,
    Woke,
)
from torch.schedule.offering import Offering, TaskState
from torch.schedule.outbox import Outbox
from torch.schedule.pausing import Pauses
from torch.schedule.recovery import Recovery
from torch.schedule.tasks import Tasks
from torch.schedule.watching import Watching


class Scheduler:
    def __init__(self, *, run_ids: Iterator[str], lead: Lead = NO_LEAD, host: str = "") -> None:
        """`lead`: by how much fires that are sure to start are decided ahead.
        `host`: a name for this host that stays the same; jitter is picked by it."""
        self._states: dict[str, TaskState] = {}
        self._deadlines = Deadlines()
        self.live = LiveRuns(run_ids, self._deadlines)
        self._offering = Offering(self.live, self._deadlines)
        self._firing = Firing(self._states, self.live, self._offering, lead=lead, host=host)
        self._pauses = Pauses(self.live, self._firing, self._offering)
        self._recovery = Recovery(self._states, self.live, self._offering)
        self._tasks = Tasks(
            self._states, self.live, self._deadlines, firing=self._firing,
            offering=self._offering, pauses=self._pauses, recovery=self._recovery,
        )  # fmt: skip
        self.effects = self._tasks.effects
        self._asking = Asking(
            self._states, self.live, firing=self._firing, offering=self._offering,
            pauses=self._pauses, tasks=self._tasks,
        )  # fmt: skip
        self.outbox = Outbox(self._deadlines)
        self.alerts = Alerts(self._states, self.live, self.outbox, run_ids)
        self._watching = Watching(self._states, self.live, self.alerts)
        self._stopping = self._leaving = False
        self._ended = self._killed = 0
        self._left: list[str] = []

    @property
    def wake_at(self) -> WakeAt:
        at = (self._firing.wake_at(), self._pauses.wake_at())
        wall = min((instant for instant in at if instant is not None), default=None)
        return WakeAt(wall=None if self._stopping else wall, mono=self._deadlines.first())

    @property
    def stopping(self) -> bool:
        return self._stopping

    def states(self) -> list[TaskState]:
        """This host's tasks in file order, then those that are gone but still run."""
        return self._tasks.in_order()

    def next_fire(self, task: str) -> FireTime | None:
        return self._firing.next_of(task)

    def handle(self, message: Message, now: Now) -> tuple[Command, ...]:
        """Hears one message; returns what is to be done, in order."""
        answer = Answer()
        match message:
            case Woke():
                self._on_woke(now, answer)
            case Started():
                self._on_started(message, now, answer)
            case Ended():
                self._on_ended(message, now, answer)
            case NotStarted():
                self._on_not_started(message, now, answer)
            case Survived():
                self._on_survived(message, answer)
            case Unrecorded():
                self._on_unrecorded(message, now, answer)
            case Recovered():
                self._on_recovered(message, now, answer)
            case Loaded():
                if not self._stopping:
                    self._on_loaded(message, now, answer)
            case HistoryReset():
                self._tasks.record_again(answer)
                self.alerts.record_again(answer)
                self.outbox.record_again(answer)
            case Sent():
                self.outbox.sent(message, now, answer)
            case Matched():
                self.alerts.matched(message, now, answer)
            case KillAsked():
                self._asking.kill(message, now, answer)
            case RunAsked() | PauseAsked() | ResumeAsked():
                self._asking.asked(message, now, answer, stopping=self._stopping)
            case StopAsked():
                self._on_stop_asked(message, now, answer)
            case _:
                assert_never(message)
        told = answer.told()
        if told:
            self.alerts.hear(told, now, answer)
            self._watching.hear(told, answer)
        return answer.commands()

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def _on_woke(self, now: Now, answer: Answer) -> None:
        if not self._stopping:
            for task in self._pauses.over(now.wall):
                self._asking.resume(self._states[task], now, answer)
            self._firing.decide(now, answer)
        for kind, key in self._deadlines.pop_due(now.mono):
            if kind == "keep":
                state = self._states.get(key)
                if state is not None and not self._stopping:
                    self._tasks.keep(state, now, answer)
                    self.alerts.looked_after(state, now, answer)
            elif kind == "send":
                self.outbox.due(key, now, answer)
            elif kind == "delayed":
                if not self._stopping:  # else the next service offers it
                    self._offering.due(key, now, answer)
            else:
                self.live.overdue(kind, key, now, answer)

    # ── the life of a run ─────────────────────────────────────────────────────────────────

    def _on_started(self, message: Started, now: Now, answer: Answer) -> None:
        since = message.at or now
        live = self.live.started(message.run_id, message.pid, since, answer)
        state = self._states.get(live.run.task) if live else None
        if state is not None and state.keeper is not None:
            state.keeper.started(state.task, self._deadlines, since)

    def _on_ended(self, message: Ended, now: Now, answer: Answer) -> None:
        found = self.live.ended(message, now, answer)
        if found is not None:
            self._after(*found, message.at, now, answer)

    def _on_not_started(self, message: NotStarted, now: Now, answer: Answer) -> None:
        live = self.live.drop(message.run_id)
        if live is not None:
            live.of_host = message.of_host
            if live.fate is None:
                fate = Ending(outcome=Outcome.FAILED, reason=message.reason)
            else:  # stopped before it began: it never became a run
                fate = Ending(outcome=Outcome.SKIPPED, reason=live.fate.reason)
            answer.ended(live.run, at=now.wall, ending=fate, never_began=True)
            answer.tell(RunNotStarted(run=live.run, reason=fate.reason))
            self._after(live, fate, now.wall, now, answer)
        else:
            self._offering.unwait(message.run_id)

    def _after(self, live: LiveRun, ending: Ending, at: float, now: Now, answer: Answer) -> None:
        """A run is over, since `at` (wall seconds), and its slot is free."""
        state = self._states.get(live.run.task)
        if state is not None:
            state.last = (live.run, ending, at)
            if state.keeper is not None:
                state.keeper.ended(live, state.task, now, answer)
            if not self._tasks.loaded or may_fire(state):
                self._offering.retry(state, live, ending, now, answer)
        if self._stopping:
            self._ended += not live.forced
            self._killed += live.forced
            self._leave_if_done(answer)
        elif state is not None:
            self._tasks.fill(state, now, answer)

    def _on_survived(self, message: Survived, answer: Answer) -> None:
        answer.tell(ProcessesSurvived(run_id=message.run_id, processes=message.processes))
        if self._stopping and self.live.drop(message.run_id):
            self._left += message.processes
            self._leave_if_done(answer)

    def _on_unrecorded(self, message: Unrecorded, now: Now, answer: Answer) -> None:
        """No intent on disk, no start: the slots are freed and the fires become missed rows."""
        if not message.lost:
            answer.tell(HistoryFailed(reason=message.reason, runs=len(message.run_ids)))
        why = f"the history could not be written: {message.reason}"
        ending = Ending(outcome=Outcome.MISSED, reason=why)
        touched: dict[str, TaskState] = {}
        for run_id in message.run_ids:
            live = self.live.drop(run_id)
            run = live.run if live else self._offering.unwait(run_id)
            if run is None:
                continue
            if message.lost:
                answer.tell(FireSkipped(run=run, reason=message.reason))
            elif run.trigger is not Trigger.DAEMON:
                # As progress: one that waited has its row, and of the others it makes one.
                answer.ended(run, at=now.wall, ending=ending)
                self.alerts.missed(run, ending.reason, now, answer)
            state = self._states.get(run.task)
            if live and state is not None:
                touched[run.task], live.of_host = state, True
                if state.keeper is not None:
                    state.keeper.ended(live, state.task, now, answer)
        # Only now: a fire that waited may be one of those that were not recorded.
        if self._stopping:
            self._leave_if_done(answer)
        else:
            for state in touched.values():
                self._tasks.fill(state, now, answer)

    # ── the beginning, and the file ───────────────────────────────────────────────────────

    def _on_recovered(self, message: Recovered, now: Now, answer: Answer) -> None:
        """What an earlier service left. Fires that were never started wait for the file."""
        self._recovery.in_force, self._recovery.last = message.in_force, message.last
        self._pauses.inherit(message.paused)
        self._firing.resume(message.watermark or FireTime(0))
        self.alerts.inherit(message.troubles, message.coming)
        self.outbox.inherit(message.owed)
        for found in message.found:
            ended = self._recovery.take_over(found, now, answer)
            if ended is not None:
                self._on_ended(ended, now, answer)

    def _on_loaded(self, message: Loaded, now: Now, answer: Answer) -> None:
        self._tasks.swap(message, now, answer)
        self.alerts.loaded(answer)
        self._watching.loaded(answer)
        self.outbox.loaded(message.channels, now, answer)

    # ── the end ───────────────────────────────────────────────────────────────────────────

    def _on_stop_asked(self, message: StopAsked, now: Now, answer: Answer) -> None:
        """Nothing new fires. A second request goes to SIGKILL at once."""
        self.outbox.close()
        if message.mode is StopMode.KEEP:
            self._stopping = self._leaving = True
            answer.tell(ServiceStopped(ended=0, killed=0, kept=len(self.live)))
            answer.leave()
            return
        by_force = self._stopping or message.mode is StopMode.NOW
        if not self._stopping:
            self._stopping = True
            answer.tell(ServiceStopping(reason=message.reason, live=len(self.live)))
            for state in self._states.values():
                why = "the service stopped"
                self._offering.give_up(state, why, now, answer, delayed=False)
        fate = Ending(outcome=Outcome.KILLED, reason="the service stopped")
        for live in self.live.all():
            self.live.stop(live, fate, now, answer, by_force=by_force)
        self._leave_if_done(answer)

    def _leave_if_done(self, answer: Answer) -> None:
        if not len(self.live) and not self._leaving:
            self._leaving = True
            left = tuple(self._left)
            answer.tell(ServiceStopped(ended=self._ended, killed=self._killed, left=left))
            answer.leave()
