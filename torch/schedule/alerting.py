"""Who is told what of a task, and when: the one place that turns events into notices.

Owns the troubles: what somebody was told of and is still so. No storms: one notice when a trouble
begins, one when it ends, and while it lasts a reminder at most every `remind_after`, sent with
the next failure. It hears the events of each answer, so no other file of the core knows of
alerts. Must not know channels' addresses nor words. Invariant: a trouble is recorded in the
transaction of the event that it follows from, so a restart tells nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from torch.clock import Now
from torch.event import (
    DaemonCrashLooping,
    Event,
    FireSkipped,
    FiresMissed,
    RunEnded,
    RunNotStarted,
    RunStarted,
)
from torch.message import MessageKind
from torch.notice import Notice
from torch.run import BAD, Ending, Outcome, Run, Trigger
from torch.schedule.answer import Answer
from torch.schedule.keepalive import healthy
from torch.schedule.live import LiveRuns
from torch.schedule.messages import Matched
from torch.schedule.outbox import Outbox
from torch.schedule.record import Trouble, Troubling
from torch.schedule.state import States, TaskState
from torch.schedule.troubles import (
    CRASH_LOOPING,
    FAILING,
    MATCHED,
    MISSED,
    is_tried_again,
    reminds,
    wanted,
)
from torch.task import Task


class Alerts:
    def __init__(self, states: States, live: LiveRuns, outbox: Outbox, ids: Iterator[str]) -> None:
        self._states = states
        self._live = live
        self._outbox = outbox
        self._ids = ids
        self._troubles: dict[str, dict[str, Trouble]] = {}
        self._loaded = False  # before it, ends are of runs that an earlier service left
        self._coming: Mapping[str, Task] = {}  # of the first file, until it is in force

    def inherit(self, troubles: Iterable[Trouble], coming: Mapping[str, Task]) -> None:
        """What an earlier service had told; `coming` are the tasks of the first file, by name."""
        self._coming = coming
        for trouble in troubles:
            self._troubles.setdefault(trouble.task, {})[trouble.kind] = trouble

    def of(self, task: str) -> tuple[Trouble, ...]:
        return tuple(self._troubles.get(task, {}).values())

    def all(self) -> tuple[Trouble, ...]:
        return tuple(t for of_task in self._troubles.values() for t in of_task.values())

    # ── hearing ───────────────────────────────────────────────────────────────────────────

    def hear(self, events: Sequence[Event], now: Now, answer: Answer) -> None:
        """The events of one answer, in order."""
        for event in events:
            match event:
                case RunStarted() if event.run.trigger in (Trigger.SCHEDULE, Trigger.CATCH_UP):
                    self._end(event.run.task, MISSED, answer)
                case RunEnded():
                    self._ended(event.run, event.ending, events, now, answer)
                case RunNotStarted():
                    self._not_started(event.run, events, now, answer)
                case FireSkipped() if event.run.attempt > 1:
                    self._retry_skipped(event.run, now, answer)
                case FiresMissed():
                    self._missed(event, now, answer)
                case DaemonCrashLooping():
                    self._crash_looping(event, now, answer)
                case _:
                    pass

    def missed(self, run: Run, reason: str, now: Now, answer: Answer) -> None:
        """A fire that nobody could record, and that was not started for that."""
        if run.attempt > 1:
            self._retry_skipped(run, now, answer)
        if run.fire_time is not None:
            fire = run.fire_time
            event = FiresMissed(task=run.task, first=fire, last=fire, count=1, reason=reason)
            self._missed(event, now, answer)

    def looked_after(self, state: TaskState, now: Now, answer: Answer) -> None:
        """A daemon task was looked at: it has recovered when all it wants lives and is healthy."""
        task = state.task
        if task.name not in self._troubles or not task.policy.is_kept:
            return
        live = self._live.of(task.name)
        if len(live) == task.max and all(r.fate is None and healthy(r, task, now) for r in live):
            self._recover(task, live[-1].run, None, now, answer)

    def loaded(self, answer: Answer) -> None:
        """A file is in force: troubles of tasks that left it, or that nobody is to be told of
        any more, are forgotten."""
        self._loaded, self._coming = True, {}
        for name, kinds in list(self._troubles.items()):
            state = self._states.get(name)
            kept = wanted(state.task) if state is not None and state.present else frozenset()
            for kind in [kind for kind in kinds if kind not in kept]:
                self._end(name, kind, answer)

    def record_again(self, answer: Answer) -> None:
        """A new history learns what is so."""
        for trouble in self.all():
            answer.trouble(Troubling(task=trouble.task, kind=trouble.kind, trouble=trouble))

    def matched(self, message: Matched, now: Now, answer: Answer) -> None:
        """A pattern is told at once, then kept quiet: further matches are counted, and told with
        the first one after `remind_after`."""
        task = self._task(message.task)
        if task is None:
            return
        alerts = [alert for alert in task.alert_on if alert.pattern == message.pattern]
        if not alerts:
            return
        channels = [name for alert in alerts for name in alert.notify]
        kind = f"{MATCHED} {message.pattern}"
        known = self._troubles.get(message.task, {}).get(kind)
        count = message.count + (known.count if known else 0)
        due = known is None or reminds(known, task, now)
        if due:
            self._post(
                MessageKind.MATCHED, task, channels, now, answer, run=message.run_id,
                count=count, pattern=message.pattern, lines=message.lines,
                since=known.told_at if known else None,
            )  # fmt: skip
        told_at = now.wall if known is None or due else min(known.told_at, now.wall)
        trouble = Trouble(
            task=message.task, kind=kind, since=told_at, told_at=told_at, count=0 if due else count,
            seen=self._seen(known, message),
        )  # fmt: skip
        self._keep(trouble, answer)

    def _seen(self, known: Trouble | None, message: Matched) -> tuple[tuple[str, int], ...]:
        """Up to where the output of each live run is known: a new service goes on from there."""
        seen = dict(known.seen if known is not None else ())
        seen[message.run_id] = message.offset
        return tuple((run, at) for run, at in seen.items() if self._live.get(run) is not None)

    # ── what an event means ───────────────────────────────────────────────────────────────

    def _ended(
        self, run: Run, ending: Ending, events: Sequence[Event], now: Now, answer: Answer
    ) -> None:
        task = self._task(run.task)
        if task is None:
            return
        if ending.outcome in BAD:
            if not is_tried_again(run, events):
                self._fail(task, run, ending, now, answer)
        elif ending.outcome is Outcome.SUCCEEDED and not task.policy.is_kept:
            self._recover(task, run, ending, now, answer)

    def _task(self, name: str) -> Task | None:
        """The definition that says who is told: the one in force, whatever the run began with.
        What an earlier service left ends before the first file is in force, and is judged by
        that file, else what it does not want told would be told, forgotten, and told again."""
        if not self._loaded:
            return self._coming.get(name)
        state = self._states.get(name)
        return state.task if state is not None and state.present else None

    def _not_started(self, run: Run, events: Sequence[Event], now: Now, answer: Answer) -> None:
        state = self._states.get(run.task)
        last = state.last if state is not None else None
        if last is not None and last[0].id == run.id:  # else it was only taken back
            self._ended(run, last[1], events, now, answer)

    def _retry_skipped(self, run: Run, now: Now, answer: Answer) -> None:
        """The attempt before it failed, and nothing comes after it now."""
        state = self._states.get(run.task)
        if state is None or state.last is None or state.paused or not state.present:
            return
        before, ending, _ = state.last
        if before.fire_time == run.fire_time and ending.outcome in BAD and state.task.enabled:
            self._fail(state.task, before, ending, now, answer)

    def _fail(self, task: Task, run: Run, ending: Ending, now: Now, answer: Answer) -> None:
        if not task.on_failure and not task.on_recovery:
            return
        trouble, told = self._go_on(task, FAILING, now, answer)
        if told:
            kind = MessageKind.FAILING if trouble.count == 1 else MessageKind.STILL_FAILING
            self._post(
                kind, task, task.on_failure, now, answer, run=run.id, outcome=ending.outcome,
                exit_code=ending.exit_code, reason=ending.reason, count=trouble.count,
                since=trouble.since,
            )  # fmt: skip

    def _crash_looping(self, event: DaemonCrashLooping, now: Now, answer: Answer) -> None:
        task = self._task(event.task)
        if task is None or not (task.on_crash_loop or task.on_recovery):
            return
        trouble, told = self._go_on(task, CRASH_LOOPING, now, answer)
        if told:
            self._post(
                MessageKind.CRASH_LOOPING, task, task.on_crash_loop, now, answer,
                run=event.run.id, count=event.failures, since=trouble.since,
            )  # fmt: skip

    def _missed(self, event: FiresMissed, now: Now, answer: Answer) -> None:
        task = self._task(event.task)
        if task is None or not task.on_missed:
            return
        trouble, told = self._go_on(task, MISSED, now, answer, by=event.count)
        if told:
            self._post(
                MessageKind.MISSED, task, task.on_missed, now, answer,
                reason=event.reason, count=trouble.count, since=trouble.since,
                first=event.first, last=event.last,
            )  # fmt: skip

    def _recover(
        self, task: Task, run: Run, ending: Ending | None, now: Now, answer: Answer
    ) -> None:
        """Told to `on_recovery`; where that is not given, to whoever was told of the trouble."""
        kinds = self._troubles.get(task.name, {})
        over = [kinds[kind] for kind in (FAILING, CRASH_LOOPING) if kind in kinds]
        if not over:
            return
        told = {FAILING: task.on_failure, CRASH_LOOPING: task.on_crash_loop}
        channels = task.on_recovery
        if channels is None:
            channels = tuple(name for trouble in over for name in told[trouble.kind])
        self._post(
            MessageKind.RECOVERED, task, channels, now, answer, run=run.id,
            outcome=ending.outcome if ending else None,
            exit_code=ending.exit_code if ending else None,
            count=max(t.count for t in over), since=min(t.since for t in over),
        )  # fmt: skip
        for trouble in over:
            self._end(task.name, trouble.kind, answer)

    # ── troubles ──────────────────────────────────────────────────────────────────────────

    def _go_on(
        self, task: Task, kind: str, now: Now, answer: Answer, *, by: int = 1
    ) -> tuple[Trouble, bool]:
        """The trouble as it is with one more; and whether somebody is told of it now."""
        known = self._troubles.get(task.name, {}).get(kind)
        due = known is None or reminds(known, task, now)
        if known is None:
            known = Trouble(
                task=task.name, kind=kind, since=now.wall, told_at=now.wall, count=by
            )  # fmt: skip
        else:
            told_at = now.wall if due else min(known.told_at, now.wall)
            known = replace(known, count=known.count + by, told_at=told_at)
        self._keep(known, answer)
        return known, due

    def _keep(self, trouble: Trouble, answer: Answer) -> None:
        self._troubles.setdefault(trouble.task, {})[trouble.kind] = trouble
        answer.trouble(Troubling(task=trouble.task, kind=trouble.kind, trouble=trouble))

    def _end(self, task: str, kind: str, answer: Answer) -> None:
        kinds = self._troubles.get(task)
        if kinds and kinds.pop(kind, None) is not None:
            answer.trouble(Troubling(task=task, kind=kind, trouble=None))
            if not kinds:
                del self._troubles[task]

    def _post(
        self, kind: MessageKind, task: Task, channels: Sequence[str], now: Now, answer: Answer,
        **facts: object,
    ) -> None:  # fmt: skip
        names = tuple(dict.fromkeys(channels))
        if names:
            notice = Notice(id=next(self._ids), kind=kind, task=task.name, at=now.wall, **facts)  # type: ignore[arg-type]
            self._outbox.post(notice, names, now, answer)
