"""The core: `Scheduler.handle(message, now) -> commands`. Same messages, same commands.

Owns what follows from what: it hears each message and passes it to the file that decides:
tasks.py for a changed file, sources.py for fires, admission.py for slots, waiting.py for what has
no slot yet, live.py for runs, keepalive.py for daemon tasks, asking.py for requests, pausing.py
for pauses, recovery.py for what an earlier service left, leaving.py for the end of this one; and
what all of them told is heard by alerting.py.
Invariants, held by tests/schedule:

- each fire has exactly one disposition: a run, or a row that says skipped or missed and why;
- a slot is reserved where live runs are counted, so live runs never exceed `max`;
- an edit to one task touches no other task's runs, next fire or counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from torch.clock import FireTime, Now
from torch.event import FireSkipped, HistoryFailed, ProcessesSurvived, RunNotStarted
from torch.run import Ending, Outcome, Trigger
from torch.schedule.admission import Admission
from torch.schedule.alerting import Alerts
from torch.schedule.answer import Answer
from torch.schedule.asking import Asking
from torch.schedule.commands import Command, WakeAt
from torch.schedule.deadlines import Deadline, Deadlines
from torch.schedule.firing import NO_LEAD, Firing, Lead, may_fire
from torch.schedule.gates import Gate
from torch.schedule.leaving import Leaving
from torch.schedule.live import LiveRun, LiveRuns
from torch.schedule.messages import (
    Ended,
    HistoryReset,
    KillAsked,
    Loaded,
    Matched,
    Message,
    NotStarted,
    PauseAsked,
    ReadOver,
    Recovered,
    ReloadAsked,
    ResumeAsked,
    RunAsked,
    Sent,
    Started,
    StopAsked,
    Survived,
    Unrecorded,
    Woke,
)
from torch.schedule.outbox import Outbox
from torch.schedule.pausing import Pauses
from torch.schedule.recovery import Recovery
from torch.schedule.reloading import Reloading
from torch.schedule.snapshot import Snapshot
from torch.schedule.sources import Fires, MakeSource, Sources
from torch.schedule.state import States, TaskState
from torch.schedule.tasks import Tasks
from torch.schedule.waiting import Waiting
from torch.schedule.watching import Watching


class Scheduler:
    def __init__(
        self, *, run_ids: Iterator[str], lead: Lead = NO_LEAD, host: str = "",
        gates: Sequence[Gate] = (), sources: Sequence[MakeSource] = (),
    ) -> None:  # fmt: skip
        """`lead`: by how much fires that are sure to start are decided ahead.
        `host`: a name for this host that stays the same; jitter is picked by it.
        `gates`: asked before a run gets a slot, besides those that every core has.
        `sources`: of fires, besides the clock of the schedules."""
        self._states = States()
        self._deadlines = Deadlines()
        self._live = LiveRuns(run_ids, self._deadlines, changes=self._states.changes)
        self._waiting = Waiting(self._states, self._live, self._deadlines)
        self._admission = Admission(self._states, self._live, self._waiting, gates)
        self._firing = Firing(
            self._states, self._live, admission=self._admission, waiting=self._waiting,
            lead=lead, host=host,
        )  # fmt: skip
        fires = Fires(self._states, self._live, self._admission)
        self._sources = Sources(self._firing, *(make(fires) for make in sources))
        self._pauses = Pauses(self._live, self._firing, self._waiting)
        self._recovery = Recovery(
            self._states, self._live, admission=self._admission, waiting=self._waiting
        )
        self._tasks = Tasks(
            self._states, self._live, self._deadlines, admission=self._admission,
            waiting=self._waiting, firing=self._firing, sources=self._sources, pauses=self._pauses,
            recovery=self._recovery,
        )  # fmt: skip
        self.rehearse = self._tasks.rehearse
        self._asking = Asking(
            self._states, self._live, sources=self._sources, admission=self._admission,
            pauses=self._pauses, tasks=self._tasks,
        )  # fmt: skip
        self._outbox = Outbox(self._deadlines)
        self._alerts = Alerts(self._states, self._live, self._outbox, run_ids)
        self._watching = Watching(self._states, self._live, self._alerts)
        self._reloading = Reloading(self._deadlines)
        self._leaving = Leaving(self._states, self._live, self._waiting)

    @property
    def wake_at(self) -> WakeAt:
        at = (self._sources.next_at(), self._pauses.wake_at())
        wall = min((instant for instant in at if instant is not None), default=None)
        return WakeAt(wall=None if self.stopping else wall, mono=self._deadlines.first())

    @property
    def stopping(self) -> bool:
        return self._leaving.stopping

    def snapshot(self) -> Snapshot:
        """The state at this instant, for whoever is not the core."""
        return Snapshot(
            self._states, self._live, stopping=self.stopping,
            channels=self._outbox.channels(), troubles=self._alerts.all(),
        )  # fmt: skip

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
                if not self.stopping:
                    self._on_loaded(message, now, answer)
            case ReloadAsked() | ReadOver():
                self._reloading.hear(message, now, answer, stopping=self.stopping)
            case HistoryReset():
                self._tasks.record_again(answer)
                self._alerts.record_again(answer)
                self._outbox.record_again(answer)
            case Sent():
                self._outbox.sent(message, now, answer)
            case Matched():
                self._alerts.matched(message, now, answer)
            case KillAsked():
                self._asking.kill(message, now, answer)
            case RunAsked() | PauseAsked() | ResumeAsked():
                self._asking.asked(message, now, answer, stopping=self.stopping)
            case StopAsked():
                self._outbox.close()
                self._leaving.asked(message, now, answer)
            case _:
                assert_never(message)
        told = answer.told()
        if told:
            self._alerts.hear(told, now, answer)
            self._watching.hear(told, answer)
        return answer.commands()

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def _on_woke(self, now: Now, answer: Answer) -> None:
        if not self.stopping:
            for name in self._pauses.over(now.wall):
                self._asking.resume(self._states[name], now, answer)
            self._sources.take(now, answer)
            for task in self._admission.take_held_back():
                self._tasks.fill(task, now, answer)
        for kind, key in self._deadlines.pop_due(now.mono):
            match kind:
                case Deadline.KEEP:
                    state = self._states.get(key)
                    if state is not None and not self.stopping:
                        self._tasks.keep(state, now, answer)
                        self._alerts.looked_after(state, now, answer)
                case Deadline.READ:
                    self._reloading.due(answer, stopping=self.stopping)
                case Deadline.SEND:
                    self._outbox.due(key, now, answer)
                case Deadline.DELAYED:
                    if not self.stopping:  # else the next service offers it
                        self._admission.due(key, now, answer)
                case Deadline.TIMEOUT:
                    self._live.timed_out(key, now, answer)
                case Deadline.GRACE:
                    self._live.grace_over(key, now, answer)
                case _:
                    assert_never(kind)

    # ── the life of a run ─────────────────────────────────────────────────────────────────

    def _on_started(self, message: Started, now: Now, answer: Answer) -> None:
        since = message.at or now
        live = self._live.started(message.run_id, message.pid, since, answer)
        state = self._states.get(live.run.task) if live else None
        if state is not None and state.keeper is not None:
            state.keeper.started(state.task, self._deadlines, since)

    def _on_ended(self, message: Ended, now: Now, answer: Answer) -> None:
        found = self._live.ended(message, now, answer)
        if found is not None:
            self._after(*found, message.at, now, answer)

    def _on_not_started(self, message: NotStarted, now: Now, answer: Answer) -> None:
        live = self._live.drop(message.run_id)
        if live is not None:
            live.of_host = message.of_host
            if live.fate is None:
                fate = Ending(outcome=Outcome.FAILED, reason=message.reason)
                answer.tell(RunNotStarted(run=live.run, reason=fate.reason))
            else:  # stopped before it began: it never became a run, and nothing failed
                fate = Ending(outcome=Outcome.SKIPPED, reason=live.fate.reason)
                answer.tell(FireSkipped(run=live.run, reason=fate.reason))
            answer.ended(live.run, at=now.wall, ending=fate, never_began=True)
            self._after(live, fate, now.wall, now, answer)
        else:
            self._waiting.unwait(message.run_id)

    def _after(self, live: LiveRun, ending: Ending, at: float, now: Now, answer: Answer) -> None:
        """A run is over, since `at` (wall seconds), and its slot is free."""
        state = self._states.get(live.run.task)
        if state is not None:
            state.last = (live.run, ending, at)
            if state.keeper is not None:
                state.keeper.ended(live, state.task, now, answer)
            if not self._tasks.loaded or may_fire(state):
                self._waiting.retry(state, live, ending, now, answer)
        if self.stopping:
            self._leaving.ended(live, answer)
        elif state is not None:
            self._tasks.fill(state, now, answer)

    def _on_survived(self, message: Survived, answer: Answer) -> None:
        answer.tell(ProcessesSurvived(run_id=message.run_id, processes=message.processes))
        self._leaving.survived(message.run_id, message.processes, answer)

    def _on_unrecorded(self, message: Unrecorded, now: Now, answer: Answer) -> None:
        """No intent on disk, no start: the slots are freed and the fires become missed rows."""
        if not message.lost:
            answer.tell(HistoryFailed(reason=message.reason, runs=len(message.run_ids)))
        why = f"the history could not be written: {message.reason}"
        ending = Ending(outcome=Outcome.MISSED, reason=why)
        touched: dict[str, TaskState] = {}
        for run_id in message.run_ids:
            live = self._live.drop(run_id)
            run = live.run if live else self._waiting.unwait(run_id)
            if run is None:
                continue
            if message.lost:
                answer.tell(FireSkipped(run=run, reason=message.reason))
            elif run.trigger is not Trigger.DAEMON:
                # As progress: one that waited has its row, and of the others it makes one.
                answer.ended(run, at=now.wall, ending=ending)
                self._alerts.missed(run, ending.reason, now, answer)
            state = self._states.get(run.task)
            if live and state is not None:
                touched[run.task], live.of_host = state, True
                if state.keeper is not None:
                    state.keeper.ended(live, state.task, now, answer)
        # Only now: a fire that waited may be one of those that were not recorded.
        if self.stopping:
            self._leaving.if_done(answer)
        else:
            for state in touched.values():
                self._tasks.fill(state, now, answer)

    # ── the beginning, and the file ───────────────────────────────────────────────────────

    def _on_recovered(self, message: Recovered, now: Now, answer: Answer) -> None:
        """What an earlier service left. Fires that were never started wait for the file."""
        self._recovery.in_force, self._recovery.last = message.in_force, message.last
        self._pauses.inherit(message.paused)
        self._firing.resume(message.watermark or FireTime(0))
        self._alerts.inherit(message.troubles, message.coming)
        self._outbox.inherit(message.owed, message.unsent)
        for found in message.found:
            ended = self._recovery.take_over(found, now, answer)
            if ended is not None:
                self._on_ended(ended, now, answer)

    def _on_loaded(self, message: Loaded, now: Now, answer: Answer) -> None:
        first = not self._tasks.loaded
        self._tasks.swap(message, now, answer)
        self._reloading.loaded(answer, first=first)
        self._alerts.loaded(answer)
        self._watching.loaded(answer)
        self._outbox.loaded(message.channels, now, answer)
