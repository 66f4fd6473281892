"""Fires: which start, in what order, and what becomes of those that cannot."""

from __future__ import annotations

import pytest

from torch.event import (
    ClockStepped,
    FireQueued,
    FireSkipped,
    FiresMissed,
    HistoryFailed,
    RunNotStarted,
)
from torch.run import Outcome, State, Trigger
from torch.schedule.commands import Leave, Refuse, Start
from torch.schedule.firing import Lead
from torch.schedule.messages import (
    KillAsked,
    Loaded,
    NotStarted,
    RunAsked,
    Survived,
    Unrecorded,
    Woke,
)
from torch.schedule.record import Entry, Rebooted, Record, Watermark
from torch.task import CatchUp, Overlap
from torch.testing import World, cron, daemon

SECONDLY = "* * * * * *"
EVERY_10 = "*/10 * * * * *"
HOUR = 3600


# ── the time of a fire ────────────────────────────────────────────────────────────────────


def test_a_task_starts_at_each_of_its_fire_times():
    world = World(cron("a", EVERY_10))
    world.pass_(35)
    assert world.starts_of("a") == [10.0, 20.0, 30.0]
    assert world.fires("a") == [10, 20, 30]
    assert world.next("a") == 40


def test_nothing_that_was_due_before_the_first_load_fires():
    world = World(wall=1_800_000_000.0)
    world.pass_(15)
    world.load(cron("a", EVERY_10))
    world.pass_(10)
    assert world.fires("a") == [20]


def test_a_disabled_task_never_fires_and_has_no_next_fire():
    world = World(cron("a", EVERY_10, enabled=False))
    world.pass_(100)
    assert world.rows() == []
    assert world.next("a") is None


def test_tasks_due_together_start_in_file_order():
    names = ["m", "z", "a", "k"]
    world = World(*(cron(name) for name in names))
    world.pass_(60)
    assert [name for name, _ in world.starts] == names


def test_the_order_of_a_reloaded_file_counts_from_the_reload_on():
    world = World(cron("a"), cron("b"), cron("c"))
    world.load(cron("c"), cron("b", description="edited"), cron("a"))
    world.pass_(60)
    assert [name for name, _ in world.starts] == ["c", "b", "a"]


def test_one_that_cannot_be_started_delays_none():
    world = World(cron("a"), cron("b"))
    world.behave("a", refusal="no such user")
    world.pass_(60)
    assert world.starts_of("b") == [60.0]
    assert world.outcomes("a") == ["failed"]
    (told,) = world.told(RunNotStarted)
    assert told.reason == "no such user"


def test_a_run_that_was_said_to_have_started_and_never_began_has_no_start_on_record():
    world = World(cron("a"))
    world.behave("a", lasts=None)
    world.pass_(60)
    assert world.history.rows["r1"].started_at is not None
    world.send(NotStarted(run_id="r1", reason="nice could not start its command"))
    row = world.history.rows["r1"]
    assert (row.outcome, row.started_at, row.pid) == (Outcome.FAILED, None, None)


def test_a_run_that_is_stopped_before_it_began_is_skipped_and_no_failure_is_told():
    world = World(cron("a"))
    world.behave("a", lasts=None, term_lasts=None)
    world.pass_(60)
    world.send(KillAsked(run_ids=("r1",)))
    world.send(NotStarted(run_id="r1", reason="it was stopped before its instant"))
    assert world.outcomes("a") == ["skipped"]
    assert [skipped.run.id for skipped in world.told(FireSkipped)] == ["r1"]
    assert world.told(RunNotStarted) == []


def test_the_entry_is_the_first_command_of_an_answer():
    world = World(cron("a"), cron("b"))
    world.clock.advance(60)
    commands = world.send(Woke())
    assert isinstance(commands[0], Record)
    assert [type(c) for c in commands[1:]] == [Start, Start]
    assert [e.run.task for e in commands[0].of(Entry)] == ["a", "b"]
    assert [mark.at - world.base for mark in commands[0].of(Watermark)] == [60]


def test_equal_messages_give_equal_commands():
    def told():
        world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE), daemon("d", max=2))
        world.behave("a", lasts=25.0)
        world.behave("d", lasts=7.0, code=1)
        world.pass_(200)
        return world.events

    assert told() == told()


# ── overlap ───────────────────────────────────────────────────────────────────────────────


def overlapping(policy: Overlap, lasts=25.0, **keys) -> World:
    world = World(cron("a", EVERY_10, overlap=policy, **keys))
    world.behave("a", lasts=lasts)
    return world


def test_skip_records_why_a_fire_did_not_start():
    world = overlapping(Overlap.SKIP)
    world.pass_(40)
    assert world.outcomes("a") == ["succeeded", "skipped", "skipped", "live"]
    row = world.rows("a")[1]
    assert row.ending is not None
    assert row.ending.reason == "1 active, 0 queued, max is 1"
    assert len(world.told(FireSkipped)) == 2


def test_queue_holds_one_fire_and_starts_it_when_the_slot_is_free():
    world = overlapping(Overlap.QUEUE)
    world.pass_(36)
    assert world.starts_of("a") == [10.0, 35.0]
    assert world.fires("a") == [10, 20, 30]
    assert world.outcomes("a") == ["succeeded", "live", "skipped"]
    assert len(world.told(FireQueued)) == 1


def test_replace_stops_the_oldest_run_and_starts_the_newer_fire():
    world = overlapping(Overlap.REPLACE, max=2)
    world.pass_(31)
    assert world.starts_of("a") == [10.0, 20.0, 30.0]
    assert world.outcomes("a") == ["killed", "live", "live"]


def test_replace_waits_for_the_run_that_will_not_go():
    world = World(cron("a", EVERY_10, overlap=Overlap.REPLACE, grace=15.0))
    world.behave("a", lasts=None, term_lasts=None)
    world.pass_(36)
    assert world.signals_of("a") == [("TERM", 20.0), ("KILL", 35.0)]
    assert world.starts_of("a") == [10.0, 35.0]
    # The fire of 20 waited, and gave way to that of 30.
    assert world.outcomes("a") == ["killed", "skipped", "live"]
    assert world.fires("a") == [10, 20, 30]


def test_replace_stops_one_run_for_all_the_fires_that_wait_for_it():
    world = World(cron("a", EVERY_10, overlap=Overlap.REPLACE, max=2, grace=100.0))
    world.behave("a", lasts=None, term_lasts=None)
    world.pass_(65)
    assert world.signals_of("a") == [("TERM", 30.0)]


@pytest.mark.parametrize("policy", Overlap)
def test_up_to_max_runs_live_side_by_side(policy):
    world = overlapping(policy, lasts=1000.0, max=3)
    world.pass_(31)
    assert world.alive("a") == 3
    world.pass_(100)
    assert world.alive("a") <= 3


# ── misfires ──────────────────────────────────────────────────────────────────────────────


def test_after_a_freeze_the_newest_fire_starts_and_the_others_are_one_row():
    world = World(cron("a", EVERY_10))
    world.freeze(45)
    assert world.starts_of("a") == [45.0]
    assert [(r.outcome, r.count) for r in world.rows("a")] == [(Outcome.MISSED, 3), (None, 1)]
    assert world.fires("a") == [10, 40]
    (told,) = world.told(FiresMissed)
    assert (told.first - world.base, told.last - world.base, told.count) == (10, 30, 3)


def test_after_a_long_freeze_nothing_starts_without_catch_up():
    world = World(cron("a", "0 * * * *"))
    world.freeze(5 * HOUR + 1800)
    assert world.starts == []
    assert [(r.outcome, r.count) for r in world.rows("a")] == [(Outcome.MISSED, 5)]


def test_catch_up_last_starts_once_and_says_so():
    world = World(cron("a", "0 * * * *", catch_up=CatchUp.LAST))
    world.freeze(5 * HOUR + 1800)
    assert world.starts_of("a") == [5 * HOUR + 1800.0]
    assert [r.run.trigger for r in world.rows("a")] == [Trigger.SCHEDULE, Trigger.CATCH_UP]


def test_catch_up_all_starts_each_fire_in_its_turn():
    world = World(cron("a", "0 * * * *", catch_up=CatchUp.ALL))
    world.behave("a", lasts=10.0)
    world.freeze(3 * HOUR + 100)
    world.pass_(60)
    begin = 3 * HOUR + 100.0
    assert world.starts_of("a") == [begin, begin + 10, begin + 20]
    assert world.fires("a") == [HOUR, 2 * HOUR, 3 * HOUR]


def test_catch_up_all_holds_max():
    world = World(cron("a", "0 * * * *", catch_up=CatchUp.ALL, max=2))
    world.behave("a", lasts=10.0)
    world.freeze(5 * HOUR + 100)
    assert world.alive("a") == 2
    world.pass_(60)
    assert world.outcomes("a") == ["succeeded"] * 5


def test_a_forward_step_makes_misfires():
    world = World(cron("a", EVERY_10))
    world.pass_(15)
    world.step(+HOUR)
    assert world.count(Outcome.MISSED) == 359
    assert world.starts_of("a") == [10.0, HOUR + 15.0]


def test_a_backward_step_refires_nothing():
    world = World(cron("a", EVERY_10), cron("b", "5 * * * * *"))
    world.pass_(125)
    world.step(-60)
    world.pass_(90)
    assert world.fires("a") == [*range(10, 151, 10)]
    assert world.fires("b") == [5, 65, 125]


def test_an_edit_after_a_backward_step_refires_nothing():
    world = World(cron("a", EVERY_10))
    world.pass_(125)
    world.step(-60)
    world.load(cron("a", EVERY_10, description="edited"))
    world.pass_(30)
    assert world.fires("a") == [*range(10, 121, 10)]
    assert world.told(RunNotStarted) == []


def test_a_big_backward_step_begins_again():
    world = World(cron("a", "0 * * * *"))
    world.step(+365 * 86_400)
    world.step(-365 * 86_400)
    world.pass_(3 * HOUR)
    assert world.starts_of("a")[-2:] == [2 * HOUR, 3 * HOUR]
    (told,) = world.told(ClockStepped)
    assert told.seconds == -365 * 86_400
    assert told.watermark == world.base


def test_a_fire_that_was_recorded_as_missed_while_the_clock_was_ahead_stays_missed():
    world = World(cron("a", "0 * * * *"))
    world.step(+365 * 86_400)
    world.step(-365 * 86_400)
    world.pass_(HOUR)
    assert HOUR not in world.starts_of("a")
    assert world.rows("a")[0].outcome is Outcome.MISSED
    assert world.fires("a")[0] == HOUR


def test_a_clock_that_was_wrong_when_the_service_began_is_forgotten_too():
    world = World(wall=1_900_000_000.0 // HOUR * HOUR)
    world.load(cron("a", "0 * * * *"))
    world.step(-50_000 * HOUR)
    assert world.next("a") == -49_999 * HOUR
    assert world.history.watermark == world.base - 50_000 * HOUR
    assert world.history.definitions["a"].since == world.base - 50_000 * HOUR


def test_fires_decided_under_a_clock_that_was_far_ahead_do_not_bind_the_next_service():
    world = World()
    world.load(cron("a", "0 * * * *"), since={"a": world.base + 10**8})
    assert world.next("a") == HOUR


# ── the first load ────────────────────────────────────────────────────────────────────────


def test_a_new_service_decides_what_fell_due_since_the_old_one():
    world = World(cron("x"))
    world = World()
    world.load(
        cron("a", "0 * * * *", catch_up=CatchUp.LAST),
        cron("b", "0 * * * *"),
        since={"a": world.base - 3 * HOUR, "b": world.base - 3 * HOUR},
    )
    assert [(r.run.trigger, r.count) for r in world.rows("a")] == [
        (Trigger.SCHEDULE, 2),
        (Trigger.SCHEDULE, 1),  # that of this very second: not late
    ]
    assert world.outcomes("b") == ["missed", "live"]


def test_reboot_fires_once_at_the_first_load_after_a_boot():
    world = World()
    world.load(cron("a", "@reboot"), cron("b"), cron("c", "@reboot", enabled=False), rebooted=True)
    assert world.starts == [("a", 0.0)]
    world.load(cron("a", "@reboot", description="edited"), cron("b"))
    world.pass_(10 * HOUR)
    assert len(world.starts_of("a")) == 1
    assert world.starts_of("c") == []


def test_reboot_does_not_fire_when_the_host_has_not_booted():
    world = World(cron("a", "@reboot"))
    world.pass_(HOUR)
    assert world.rows() == []


def test_the_reboot_is_on_record_with_its_fires():
    world = World()
    (record, *_) = world.send(Loaded(tasks=(), version="v", rebooted=True))
    assert isinstance(record, Record)
    assert record.of(Rebooted)


# ── the life of a run ─────────────────────────────────────────────────────────────────────


def test_a_firing_that_has_its_row_already_does_not_start_again():
    world = World(cron("a", EVERY_10))
    world.pass_(15)
    later = World()
    later.history = world.history
    later.load(cron("a", EVERY_10), since={"a": world.base})  # an older watermark than the truth
    later.pass_(15)
    assert later.starts_of("a") == []
    assert world.fires("a") == [10]
    (told,) = later.told(FireSkipped)
    assert told.reason == "this fire has its disposition already"
    assert later.tasks()[0].last is None


def test_of_fires_that_all_have_their_rows_none_takes_the_slot_of_another():
    task = cron("a", EVERY_10, catch_up=CatchUp.ALL)
    world = World(task)
    world.pass_(45)
    later = World(prefix="s")
    later.history = world.history
    later.clock.advance(45)
    later.load(task, since={"a": world.base})  # four fires at once: one starts, three wait
    later.pass_(10)
    assert later.starts_of("a") == [50.0]
    assert later.fires("a") == [10, 20, 30, 40, 50]


def test_not_started_frees_the_slot_for_the_fire_that_waits():
    world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE))
    world.behave("a", lasts=None)
    world.pass_(20)
    world.processes.host_died()
    world.send(NotStarted(run_id="r1", reason="fork failed"))
    assert world.outcomes("a") == ["failed", "live"]
    assert world.alive("a") == 1


def test_a_waiting_fire_that_lost_its_identity_waits_no_more():
    world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE))
    world.behave("a", lasts=None)
    world.pass_(20)
    world.send(Unrecorded(run_ids=("r2",), reason="it has its disposition already", lost=True))
    (state,) = world.tasks()
    assert not state.waiting


def test_what_survives_sigkill_keeps_its_slot():
    world = World(cron("a", EVERY_10))
    world.behave("a", lasts=None, unkillable=True)
    world.pass_(10)
    world.send(KillAsked(run_ids=("r1",), by_force=True))
    world.pass_(30)
    assert len(world.starts) == 1
    assert world.outcomes("a") == ["live", "skipped", "skipped", "skipped"]


# ── a history that cannot be written ──────────────────────────────────────────────────────


def test_without_its_row_on_disk_nothing_starts_and_the_fire_is_missed():
    world = World(cron("a", EVERY_10))
    world.history.broken = "disk full"
    world.pass_(25)
    assert world.starts == []
    assert [told.runs for told in world.told(HistoryFailed)] == [1, 1]
    world.history.broken = ""
    world.pass_(10)
    assert world.starts_of("a") == [30.0]
    assert world.fires("a") == [10, 20, 30]
    assert world.outcomes("a") == ["missed", "missed", "succeeded"]


def test_an_unrecorded_run_frees_its_slot():
    world = World(cron("a", EVERY_10))
    world.history.broken = "disk full"
    world.pass_(10)
    assert len(world.live()) == 0
    world.history.broken = ""
    assert not isinstance(world.send(RunAsked(task="a"))[-1], Refuse)


def test_the_end_of_a_run_is_not_lost_with_a_full_disk():
    world = World(cron("a", EVERY_10))
    world.behave("a", lasts=3.0)
    world.pass_(11)
    world.history.broken = "disk full"
    world.pass_(5)
    assert world.outcomes("a") == ["live"]
    world.history.broken = ""
    world.pass_(5)
    assert world.outcomes("a")[0] == "succeeded"


def test_an_unrecorded_daemon_run_leaves_no_row_and_is_tried_again():
    world = World()
    world.history.broken = "disk full"
    world.load(daemon("d"))
    assert world.starts == []
    world.history.broken = ""
    world.behave("d", lasts=None)
    world.pass_(5)
    assert world.starts_of("d") == [1.0]
    assert world.outcomes("d") == ["live"]


def test_a_fire_that_waits_unrecorded_does_not_take_the_slot_of_one_that_is():
    world = World()
    world.history.broken = "disk full"
    world.load(cron("a", EVERY_10, overlap=Overlap.QUEUE))
    # The core is asked twice before it hears that neither is on disk, as in one drained batch.
    core, clock = world.scheduler, world.clock
    clock.advance(10)
    core.handle(Woke(), clock.now())
    clock.advance(10)
    core.handle(Woke(), clock.now())
    commands = core.handle(Unrecorded(run_ids=("r1", "r2"), reason="disk full"), clock.now())
    assert [c for c in commands if isinstance(c, Start)] == []
    assert world.live() == []
    assert not world.tasks()[0].waiting


def test_a_removed_task_whose_last_run_is_unrecorded_is_forgotten():
    world = World(cron("a", EVERY_10))
    core, clock = world.scheduler, world.clock
    clock.advance(10)
    core.handle(Woke(), clock.now())
    world.load()
    core.handle(Unrecorded(run_ids=("r1",), reason="disk full"), clock.now())
    assert world.tasks() == []


# ── by hand ───────────────────────────────────────────────────────────────────────────────


def refusal(world: World, task: str) -> str:
    (answer,) = world.send(RunAsked(task=task))
    assert isinstance(answer, Refuse)
    return answer.reason


def test_a_run_by_hand_starts_at_once_and_has_no_fire_time():
    world = World(cron("a", "0 0 1 1 *"))
    world.send(RunAsked(task="a"))
    (row,) = world.rows("a")
    assert (row.run.trigger, row.run.fire_time, row.state) == (
        Trigger.MANUAL,
        None,
        State.RUNNING,
    )


def test_two_runs_by_hand_are_two_firings():
    world = World(cron("a", "0 0 1 1 *", max=2))
    world.send(RunAsked(task="a"))
    world.send(RunAsked(task="a"))
    assert world.alive("a") == 2


def test_a_run_by_hand_is_refused_at_max():
    world = World(cron("a", "0 0 1 1 *"))
    world.send(RunAsked(task="a"))
    assert "max is 1" in refusal(world, "a")


def test_a_run_by_hand_takes_no_slot_that_a_fire_waits_for():
    world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE))
    world.behave("a", lasts=None)
    world.pass_(20)
    assert refusal(world, "a") == "no free slot for 'a': 1 active, 1 queued, max is 1"


def test_a_run_by_hand_is_refused_for_what_is_not_here():
    assert refusal(World(cron("a")), "b") == "no task 'b' on this host"


def test_a_run_by_hand_is_refused_for_a_task_that_has_left_the_file():
    world = World(cron("a", EVERY_10))
    world.behave("a", lasts=None)
    world.pass_(10)
    world.load()
    assert refusal(world, "a") == "no task 'a' on this host"


def test_a_run_by_hand_is_refused_for_a_daemon_task():
    assert "cannot be run manually" in refusal(World(daemon("d")), "d")


def test_a_run_by_hand_is_refused_while_stopping():
    world = World(cron("a", EVERY_10, max=2))
    world.behave("a", lasts=None, term_lasts=None)
    world.pass_(10)
    world.stop()
    assert refusal(world, "a") == "the service is stopping"


def test_a_message_about_nobody_changes_nothing():
    world = World(cron("a"))
    for message in (
        NotStarted(run_id="nobody", reason="x"),
        Unrecorded(run_ids=("nobody",), reason="x"),
        Survived(run_id="nobody", processes=("1 x",)),
    ):
        commands = world.send(message)
        assert not any(isinstance(c, Record | Start | Leave) for c in commands)


def test_with_a_lead_a_free_task_is_prepared_ahead_and_begins_at_its_second_not_before():
    world = World(cron("a", "*/10 * * * * *"), lead=0.03)
    world.pass_(9.98)
    assert world.rows("a")[0].run.fire_time == world.base + 10
    assert world.starts_of("a") == []
    world.pass_(0.03)
    assert world.starts_of("a") == [10.0]
    world.pass_(40)
    assert world.fires("a") == [10, 20, 30, 40, 50]


def test_a_crowd_is_decided_further_ahead_than_one():
    crowd = [cron(f"t{number}", "*/10 * * * * *") for number in range(100)]
    world = World(*crowd, cron("alone", "5 * * * * *"), lead=Lead(0.03, 0.002))
    world.pass_(4.95)
    assert world.rows() == []
    world.pass_(4.80)
    assert len(world.rows()) == 1
    world.pass_(0.05)  # 0.2 s before their second
    assert len(world.rows()) == 101
    assert world.starts == [("alone", 5.0)]
    world.pass_(1)
    assert {at for name, at in world.starts if name != "alone"} == {10.0}


def test_with_a_lead_a_task_whose_run_ends_just_before_its_second_is_not_skipped():
    world = World(cron("a", "* * * * * *"), lead=0.03)
    world.behave("a", lasts=0.99)
    world.pass_(5.5)
    assert world.starts_of("a") == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert world.count(Outcome.SKIPPED) == 0


def test_a_reload_between_preparing_and_the_second_neither_loses_nor_doubles_the_fire():
    world = World(cron("a", "*/10 * * * * *"), lead=0.03)
    world.pass_(9.98)
    world.load(cron("a", "*/5 * * * * *", command="new"))
    world.pass_(10)
    assert world.starts_of("a") == [10.0, 15.0]


def test_a_stop_between_preparing_and_the_second_starts_nothing():
    world = World(cron("a", "*/10 * * * * *"), lead=0.03)
    world.pass_(9.98)
    world.stop()
    world.pass_(10)
    assert world.left
    assert world.starts_of("a") == []
    assert world.outcomes("a") == ["skipped"]


def test_a_restart_after_fires_decided_ahead_neither_misses_nor_repeats_them():
    first = World(cron("a", "* * * * * *"), lead=0.03)
    first.behave("a", lasts=0.1)
    first.pass_(5.98)
    first.stop()
    first.pass_(5)
    second = World(wall=first.clock.wall, prefix="s", lead=0.03)
    second.history = first.history
    second.behave("a", lasts=0.1)
    _, decided = first.history.decided()["a"]
    second.load(cron("a", "* * * * * *"), since={"a": decided})
    second.pass_(2)
    fires = second.history.rows.values()
    assert [(row.run.fire_time or 0) - first.base for row in fires] == [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        10,
        11,
        12,
        13,
    ]
    assert [row.count for row in second.rows() if row.outcome is Outcome.MISSED] == [3]
