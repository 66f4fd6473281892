"""Cores that are broken on purpose, one rule each. The checker is worth what it finds of them.

Each is a function that takes pytest's monkeypatch and breaks one thing.
"""

from __future__ import annotations

from dataclasses import replace

from torch.clock import FireTime, Now
from torch.run import Ending, Outcome, State
from torch.schedule import firing, tasks, timeline
from torch.schedule.admission import Admission
from torch.schedule.alerting import Alerts
from torch.schedule.answer import Answer
from torch.schedule.commands import WakeAt
from torch.schedule.evidence import Holder, judge
from torch.schedule.gates import GO
from torch.schedule.live import LiveRuns
from torch.schedule.messages import Trace
from torch.schedule.outbox import Outbox
from torch.schedule.pausing import Pauses
from torch.schedule.recovery import Recovery
from torch.schedule.reload import Diff
from torch.schedule.scheduler import Scheduler
from torch.schedule.slot_gate import SlotGate
from torch.schedule.waiting import Waiting
from torch.testing import recovering


def every_fire_starts_whatever_runs(patch):
    patch.setattr(SlotGate, "ask", lambda *_: GO)


def what_could_not_be_recorded_is_not_heard(patch):
    patch.setattr(Scheduler, "_on_unrecorded", lambda self, message, now, answer: None)


def the_watermark_stays_where_it_was(patch):
    def commands(self):
        self.watermark = None
        return original(self)

    original = Answer.commands
    patch.setattr(Answer, "commands", commands)


def an_adopted_run_has_no_slot(patch):
    def adopt(self, found, now, answer):
        live = original(self, found, now, answer)
        if found.trace is Trace.ALIVE:
            self.drop(found.run.id)
        return live

    original = LiveRuns.adopt
    patch.setattr(LiveRuns, "adopt", adopt)


def a_retry_has_no_row(patch):
    def delay(self, state, run, until, now, answer, *, recorded=False):
        original(self, state, run, until, now, answer, recorded=recorded or run.attempt > 1)

    original = Waiting.delay
    patch.setattr(Waiting, "delay", delay)


def timeouts_go_by_the_wall_clock(patch):
    def handle(self, message, now):
        self.apart = now.wall - now.mono
        return heard(self, message, Now(now.wall, now.wall - BASE))

    def wake_at(self):
        at = woken(self)
        return WakeAt(wall=at.wall, mono=None if at.mono is None else at.mono + BASE - self.apart)

    heard, woken = Scheduler.handle, Scheduler.__dict__["wake_at"].fget
    patch.setattr(Scheduler, "apart", BASE, raising=False)
    patch.setattr(Scheduler, "handle", handle)
    patch.setattr(Scheduler, "wake_at", property(wake_at))


START = Now(1_800_000_000.0, 1000.0)
BASE = START.wall - START.mono


def _taken_over_as(patch, change):
    def take_over(self, found, now, answer):
        return original(self, change(found), now, answer)

    original = Recovery.take_over
    patch.setattr(Recovery, "take_over", take_over)


def what_lives_is_started_again(patch):
    alive = {Trace.ALIVE: Trace.NEVER_STARTED}
    _taken_over_as(patch, lambda found: replace(found, trace=alive.get(found.trace, found.trace)))


def what_is_gone_has_succeeded(patch):
    _taken_over_as(
        patch, lambda found: replace(found, exit_code=0) if found.trace is Trace.GONE else found
    )


def the_code_of_what_ended_is_forgotten(patch):
    _taken_over_as(
        patch, lambda found: replace(found, exit_code=None) if found.trace is Trace.ENDED else found
    )


def a_reload_begins_every_task_again(patch):
    def diff(old, new):
        names = [task.name for task in new]
        gone = tuple(name for name in old if name not in names)
        return Diff(added=(*[n for n in names if n not in old],), removed=gone,
                    changed=(*[n for n in names if n in old],))  # fmt: skip

    def define(self, task, order, since, answer):
        for live in self._live.of(task.name):
            self._live.stop(live, fate, START, answer)
        original(self, task, order, since, answer)

    fate = Ending(outcome=Outcome.KILLED, reason="its task was loaded")
    original = tasks.Tasks._define
    patch.setattr(tasks, "diff", diff)
    patch.setattr(tasks.Tasks, "_define", define)


def the_fires_of_a_pause_have_no_row(patch):
    patch.setattr(Pauses, "settle", lambda self, state, until, answer: 0)


def the_watermark_of_the_old_service_is_forgotten(patch):
    patch.setattr(firing.Firing, "resume", lambda self, watermark: None)


def a_fire_that_waits_may_be_forgotten(patch):
    def fill(self, state, now, answer):
        if len(state.waiting) > 3:
            self._waiting.unwait(state.waiting[-1].id)
        original(self, state, now, answer)

    original = Admission.fill
    patch.setattr(Admission, "fill", fill)


def fires_are_found_a_second_too_late(patch):
    def due(schedule, after, until):
        return original(schedule, FireTime(after + 1), until)

    original = timeline.due
    patch.setattr(timeline, "due", due)


def a_new_service_forgets_what_people_were_told(patch):
    patch.setattr(Alerts, "inherit", lambda self, troubles, coming: None)


def a_new_service_forgets_what_is_owed(patch):
    patch.setattr(Outbox, "inherit", lambda self, owed, unsent: None)


def what_was_sent_is_not_taken_off_the_list(patch):
    patch.setattr(Answer, "delivered", lambda self, delivery: None)


def _judged_as(patch, change):
    """Another judge of the evidence: `change` takes the traces."""
    patch.setattr(recovering, "judge", lambda traces, **row: judge(change(traces), **row))


def a_run_that_may_have_begun_is_offered_again(patch):
    def unsaid(traces):
        return traces if traces.pid is not None else replace(traces, begun=False)

    _judged_as(patch, unsaid)


def silence_is_taken_for_death(patch):
    gone = {Holder.SILENT: Holder.GONE}
    _judged_as(patch, lambda traces: replace(traces, holder=gone.get(traces.holder, traces.holder)))


def death_is_taken_for_an_end(patch):
    left = {Trace.ORPHANED: Trace.GONE}
    _taken_over_as(patch, lambda found: replace(found, trace=left.get(found.trace, found.trace)))


def a_code_that_was_written_down_is_not_read(patch):
    _judged_as(patch, lambda traces: replace(traces, ended=False, holder=Holder.GONE))


def what_proves_nothing_is_not_known(patch):
    _judged_as(patch, lambda traces: replace(traces, whole=False))


def a_run_whose_start_is_heard_of_late_has_no_timeout(patch):
    def adopt(self, found, now, answer):
        live = original(self, found, now, answer)
        if live.state is State.INTENT:
            live.state = State.RUNNING
        return live

    original = LiveRuns.adopt
    patch.setattr(LiveRuns, "adopt", adopt)


MUTANTS = (
    a_run_that_may_have_begun_is_offered_again,
    silence_is_taken_for_death,
    death_is_taken_for_an_end,
    a_code_that_was_written_down_is_not_read,
    what_proves_nothing_is_not_known,
    a_run_whose_start_is_heard_of_late_has_no_timeout,
    a_new_service_forgets_what_people_were_told,
    a_new_service_forgets_what_is_owed,
    what_was_sent_is_not_taken_off_the_list,
    every_fire_starts_whatever_runs,
    what_could_not_be_recorded_is_not_heard,
    the_watermark_stays_where_it_was,
    an_adopted_run_has_no_slot,
    a_retry_has_no_row,
    timeouts_go_by_the_wall_clock,
    what_lives_is_started_again,
    what_is_gone_has_succeeded,
    the_code_of_what_ended_is_forgotten,
    a_reload_begins_every_task_again,
    the_fires_of_a_pause_have_no_row,
    the_watermark_of_the_old_service_is_forgotten,
    a_fire_that_waits_may_be_forgotten,
    fires_are_found_a_second_too_late,
)
