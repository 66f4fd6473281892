"""Who is told what, and when: no storm, nothing forgotten, nothing told twice."""

from __future__ import annotations

import pytest

from torch.channel import Channel, Way
from torch.message import MessageKind
from torch.schedule.messages import HistoryReset, KillAsked, Matched, PauseAsked
from torch.task import Alert, CatchUp, Restart, Retry
from torch.testing import World, cron, daemon

OPS = Channel(name="ops", way=Way.EXEC, target="cat")
PAGER = Channel(name="pager", way=Way.EXEC, target="cat")
CHANNELS = {"ops": OPS, "pager": PAGER}
HOUR = 3600.0
RESTART = Restart(delay=1.0, max_delay=8.0, healthy_after=10.0)


def told(*tasks, **behaviour) -> World:
    """A world of these tasks and two channels; `behaviour` is that of task `a`."""
    world = World()
    if behaviour:
        world.behave("a", **behaviour)
    world.load(*tasks, channels=CHANNELS)
    return world


def kinds(world: World, channel: str | None = None) -> list[str]:
    return [kind for _, kind in world.notices(channel)]


def notices(world: World):
    return [notice for _, batch, _ in world.seen.sends for notice in batch]


# ── a cron task ───────────────────────────────────────────────────────────────────────────


def test_a_task_that_fails_every_minute_for_an_hour_is_told_once():
    world = told(cron("a", on_failure=("ops",)), code=1)
    world.pass_(HOUR)
    assert kinds(world) == ["failing"]
    assert notices(world)[0].exit_code == 1


def test_the_first_success_after_it_is_told_to_whoever_was_told_of_the_failure():
    world = told(cron("a", on_failure=("ops",)), code=1)
    world.pass_(301)
    world.behave("a", code=0)
    world.pass_(300)
    assert kinds(world) == ["failing", "recovered"]
    recovered = notices(world)[1]
    assert (recovered.count, recovered.since) == (5, world.base + 61.0)


def test_a_recovery_goes_to_on_recovery_where_that_is_given():
    world = told(cron("a", on_failure=("ops",), on_recovery=("pager",)), code=1)
    world.pass_(61)
    world.behave("a", code=0)
    world.pass_(60)
    assert (kinds(world, "ops"), kinds(world, "pager")) == (["failing"], ["recovered"])


def test_an_empty_on_recovery_tells_nobody():
    world = told(cron("a", on_failure=("ops",), on_recovery=()), code=1)
    world.pass_(61)
    world.behave("a", code=0)
    world.pass_(60)
    assert kinds(world) == ["failing"]


def test_on_recovery_alone_tells_of_the_end_of_a_failure_nobody_was_told_of():
    world = told(cron("a", on_recovery=("ops",)), code=1)
    world.pass_(130)
    world.behave("a", code=0)
    world.pass_(60)
    assert kinds(world) == ["recovered"]


def test_a_failure_that_lasts_is_told_again_with_the_first_one_after_remind_after():
    world = told(cron("a", on_failure=("ops",), remind_after=HOUR), code=1)
    world.pass_(2.5 * HOUR)
    assert kinds(world) == ["failing", "still_failing", "still_failing"]
    assert notices(world)[1].count == 61


def test_a_task_that_always_succeeds_is_never_heard_of():
    world = told(cron("a", on_failure=("ops",), on_missed=("ops",)))
    world.pass_(HOUR)
    assert kinds(world) == []


def test_an_attempt_that_is_tried_again_is_no_failure_yet():
    retry = Retry(attempts=2, delay=5.0)
    world = told(cron("a", "0 * * * *", on_failure=("ops",), retry=retry), code=1)
    world.pass_(2)
    assert kinds(world) == []
    world.pass_(30)
    assert kinds(world) == []  # the hour has not come


def test_the_last_attempt_that_fails_is():
    retry = Retry(attempts=2, delay=5.0)
    world = told(cron("a", "1 * * * *", on_failure=("ops",), retry=retry), code=1)
    world.pass_(61)
    assert kinds(world) == []
    world.pass_(20)
    assert kinds(world) == ["failing"]


def test_a_retry_that_succeeds_is_nobodys_business():
    retry = Retry(attempts=2, delay=5.0)
    world = told(cron("a", "1 * * * *", on_failure=("ops",), retry=retry), code=1)
    world.pass_(61)
    world.behave("a", code=0)
    world.pass_(60)
    assert world.outcomes("a") == ["failed", "succeeded"]
    assert kinds(world) == []


def test_a_retry_that_gave_way_to_a_newer_fire_leaves_a_failure():
    retry = Retry(attempts=3, delay=90.0)
    world = told(cron("a", on_failure=("ops",), retry=retry), code=1)
    world.pass_(125)
    assert kinds(world) == ["failing"]


def test_a_retry_that_a_full_disk_kept_from_starting_leaves_a_failure():
    retry = Retry(attempts=1, delay=60.0)
    world = told(cron("a", "1 * * * *", on_failure=("ops",), retry=retry), code=1)
    world.pass_(65)
    world.history.broken = "disk full"
    world.pass_(60)
    world.history.broken = ""
    world.pass_(60)
    assert world.outcomes("a") == ["failed", "missed"]
    assert kinds(world) == ["failing"]


def test_a_timeout_is_a_failure_and_a_kill_by_hand_is_not():
    world = told(cron("a", on_failure=("ops",), timeout=5.0), lasts=None)
    world.pass_(61)
    world.send(KillAsked(run_ids=tuple(r.run.id for r in world.rows("a"))))
    world.pass_(30)
    assert (world.outcomes("a"), kinds(world)) == (["killed"], [])
    world.pass_(60)
    assert (world.outcomes("a")[1], kinds(world)) == ("timed_out", ["failing"])


def test_a_run_that_cannot_be_started_is_a_failure():
    world = told(cron("a", on_failure=("ops",)), refusal="no such user")
    world.pass_(61)
    assert kinds(world) == ["failing"]
    assert notices(world)[0].reason == "no such user"


def test_an_end_that_nobody_knows_is_a_failure():
    task = cron("a", "1 * * * *", on_failure=("ops",))
    world = told(task, lasts=None)
    world.pass_(65)
    world.reboot()
    world.recover(task)
    world.pass_(1)
    assert world.outcomes("a") == ["unknown"]
    assert kinds(world) == ["failing"]


@pytest.mark.parametrize("how", ["paused", "disabled"])
def test_a_retry_that_somebody_took_away_is_no_failure(how):
    retry = Retry(attempts=1, delay=60.0)
    world = told(cron("a", "1 * * * *", on_failure=("ops",), retry=retry), code=1)
    world.pass_(65)
    if how == "paused":
        world.send(PauseAsked(task="a"))
    else:
        world.load(cron("a", "1 * * * *", enabled=False, on_failure=("ops",), retry=retry))
    world.pass_(120)
    assert world.outcomes("a") == ["failed", "skipped"]
    assert kinds(world) == []


def test_the_last_run_of_a_task_that_left_the_file_tells_nobody():
    world = told(cron("a", "1 * * * *", on_failure=("ops",)), code=1, lasts=5.0)
    world.pass_(61)
    world.load(cron("b"))
    world.pass_(60)
    assert kinds(world) == []


def test_a_clock_that_was_ahead_silences_no_reminder():
    world = told(cron("a", on_failure=("ops",), remind_after=HOUR), code=1)
    world.pass_(61)
    world.step(-400 * 86_400.0)
    world.pass_(1.5 * HOUR)
    assert kinds(world) == ["failing", "still_failing"]


def test_a_stop_of_the_service_is_no_failure_of_its_tasks():
    world = told(cron("a", on_failure=("ops",)), lasts=None)
    world.pass_(61)
    world.stop()
    world.pass_(30)
    assert world.left
    assert kinds(world) == []


# ── fires that were missed ────────────────────────────────────────────────────────────────


def test_fires_missed_in_a_suspend_are_told_once_with_their_count():
    world = told(cron("a", on_missed=("ops",)))
    world.pass_(30)
    world.freeze(HOUR)
    world.pass_(1)
    assert kinds(world) == ["missed"]
    notice = notices(world)[0]
    assert (notice.count, notice.first, notice.last) == (59, world.base + 60, world.base + 3540)


def test_a_fire_that_starts_ends_it_and_the_next_miss_is_told_again():
    world = told(cron("a", on_missed=("ops",)))
    world.freeze(HOUR)
    world.pass_(120)
    world.freeze(HOUR)
    world.pass_(1)
    assert kinds(world) == ["missed", "missed"]


def test_fires_that_a_full_disk_kept_from_starting_are_missed():
    world = told(cron("a", on_missed=("ops",)))
    world.history.broken = "disk full"
    world.pass_(200)
    assert kinds(world) == ["missed"]


def test_a_caught_up_fire_is_not_missed_and_those_before_it_are():
    world = told(cron("a", on_missed=("ops",), catch_up=CatchUp.LAST, start_within=1.0))
    world.freeze(HOUR + 30)
    world.pass_(1)
    assert [n.count for n in notices(world)] == [59]


# ── a daemon task ─────────────────────────────────────────────────────────────────────────


def looping(**keys) -> World:
    task = daemon("a", restart=RESTART, on_failure=("ops",), on_crash_loop=("pager",), **keys)
    return told(task, lasts=1.0, code=1)


def test_a_daemon_that_keeps_dying_is_failing_and_then_crash_looping_once_each():
    world = looping()
    world.pass_(HOUR)
    assert (kinds(world, "ops"), kinds(world, "pager")) == (["failing"], ["crash_looping"])


def test_it_has_recovered_when_it_is_healthy_and_both_are_told():
    world = looping()
    world.pass_(100)
    world.behave("a", lasts=None)
    world.pass_(30)
    assert kinds(world, "ops") == ["failing", "recovered"]
    assert kinds(world, "pager") == ["crash_looping", "recovered"]


def test_whoever_was_told_of_both_hears_once_that_it_works_again():
    task = daemon("a", restart=RESTART, on_failure=("ops",), on_crash_loop=("ops",))
    world = told(task, lasts=1.0, code=1)
    world.pass_(100)
    world.behave("a", lasts=None)
    world.pass_(30)
    assert kinds(world) == ["failing", "crash_looping", "recovered"]
    assert world.history.troubles() == ()


def test_it_has_not_recovered_while_one_of_its_runs_is_away():
    world = looping(max=2)
    world.pass_(100)
    world.behave("a", lasts=9.0)
    world.pass_(100)
    assert "recovered" not in kinds(world)


def test_a_daemon_that_dies_once_is_failing_until_its_next_run_is_healthy():
    task = daemon("a", restart=RESTART, on_failure=("ops",))
    world = told(task, lasts=500.0, code=1)
    world.pass_(505)
    assert kinds(world) == ["failing"]
    world.pass_(10)
    assert kinds(world) == ["failing", "recovered"]


# ── patterns in the output ────────────────────────────────────────────────────────────────


def matched(world: World, *, count=1, offset=10, pattern="ERROR") -> None:
    run = world.rows("a")[-1].run
    world.send(
        Matched(
            task="a", run_id=run.id, pattern=pattern, lines=("ERROR x",), count=count, offset=offset
        )
    )


PATTERN = (Alert(pattern="ERROR", notify=("ops",)),)


def test_a_line_that_matches_is_told_and_further_ones_are_counted():
    world = told(cron("a", alert_on=PATTERN, remind_after=HOUR), lasts=None)
    world.pass_(61)
    matched(world)
    matched(world, count=7)
    assert kinds(world) == ["matched"]
    world.pass_(HOUR)
    matched(world)
    assert [(n.count, n.lines) for n in notices(world)] == [(1, ("ERROR x",)), (8, ("ERROR x",))]


def test_a_pattern_that_stands_twice_is_told_to_the_channels_of_both():
    twice = (*PATTERN, Alert(pattern="ERROR", notify=("pager",)))
    world = told(cron("a", alert_on=twice), lasts=None)
    world.pass_(61)
    matched(world)
    assert (kinds(world, "ops"), kinds(world, "pager")) == (["matched"], ["matched"])


def test_a_clock_that_was_ahead_keeps_no_match_quiet():
    world = told(cron("a", alert_on=PATTERN, remind_after=HOUR), lasts=None)
    world.pass_(61)
    matched(world)
    world.step(-400 * 86_400.0)
    matched(world)
    world.pass_(HOUR)
    matched(world)
    assert kinds(world) == ["matched", "matched"]


def test_the_output_of_a_run_is_watched_for_the_patterns_of_its_task():
    world = told(cron("a", alert_on=PATTERN), lasts=None)
    world.pass_(61)
    assert [w.patterns for w in world.seen.watches] == [(("ERROR", 0),)]


def test_an_edited_pattern_is_looked_for_in_the_run_that_lives():
    world = told(cron("a", alert_on=PATTERN), lasts=None)
    world.pass_(61)
    world.load(cron("a", alert_on=(Alert(pattern="panic", notify=("ops",)),)))
    world.load(cron("a"))
    assert [w.patterns for w in world.seen.watches] == [(("ERROR", 0),), (("panic", -1),), ()]


def test_a_new_service_watches_all_of_a_run_in_which_nothing_matched():
    task = cron("a", alert_on=PATTERN)
    world = told(task, lasts=None)
    world.pass_(61)
    world.crash()
    world.recover(task)
    assert [w.patterns for w in world.seen.watches] == [(("ERROR", 0),)] * 2


def test_a_pattern_that_stays_is_not_begun_anew():
    world = told(cron("a", alert_on=PATTERN), lasts=None)
    world.pass_(61)
    world.load(cron("a", alert_on=(*PATTERN, Alert(pattern="panic", notify=("ops",)))))
    assert world.seen.watches[-1].patterns == (("ERROR", 0), ("panic", -1))


def test_a_new_service_watches_from_the_last_match_on():
    task = cron("a", alert_on=PATTERN)
    world = told(task, lasts=None)
    world.pass_(61)
    matched(world, offset=1234)
    world.crash()
    world.recover(task)
    assert world.seen.watches[-1].patterns == (("ERROR", 1234),)
    matched(world, offset=2000)
    assert kinds(world) == ["matched"]


def test_of_several_runs_a_new_service_knows_where_it_was_in_each():
    task = cron("a", alert_on=PATTERN, max=3)
    world = told(task, lasts=None)
    world.pass_(121)
    first, second = (row.run.id for row in world.rows("a"))
    for run, offset in ((first, 10), (second, 20), (first, 30)):
        world.send(
            Matched(task="a", run_id=run, pattern="ERROR", lines=("x",), count=1, offset=offset)
        )
    world.crash()
    world.recover(task)
    again = {watch.run.id: watch.patterns for watch in world.seen.watches[-2:]}
    assert again == {first: (("ERROR", 30),), second: (("ERROR", 20),)}


def test_a_match_of_a_pattern_that_left_the_file_tells_nobody():
    world = told(cron("a", alert_on=PATTERN), lasts=None)
    world.pass_(61)
    matched(world, pattern="gone")
    assert kinds(world) == []


# ── restarts and edits ────────────────────────────────────────────────────────────────────


def test_a_restart_tells_nothing_twice_and_the_recovery_after_it():
    task = cron("a", on_failure=("ops",))
    world = told(task, code=1)
    world.pass_(130)
    world.crash()
    world.recover(task)
    world.pass_(120)
    assert kinds(world) == ["failing"]
    world.behave("a", code=0)
    world.pass_(60)
    assert kinds(world) == ["failing", "recovered"]


def test_a_run_that_failed_while_no_service_lived_is_told_by_the_next():
    task = cron("a", "1 * * * *", on_failure=("ops",))
    world = told(task, code=1, lasts=30.0)
    world.pass_(65)
    world.crash()
    world.pass_(60)
    world.recover(task)
    world.pass_(1)
    assert world.outcomes("a") == ["failed"]
    assert kinds(world) == ["failing"]


@pytest.mark.parametrize("commands", range(12))
def test_wherever_the_service_dies_the_failure_is_told_and_no_two_ids_of_it(commands):
    task = cron("a", on_failure=("ops",))
    world = told(task, code=1)
    world.pass_(59.5)
    world.crash_after(commands)
    world.pass_(10)
    world.crash()
    world.recover(task)
    world.pass_(180)
    found = {n.id for n in notices(world) if n.kind is MessageKind.FAILING}
    assert len(found) == 1


def test_a_task_that_leaves_the_file_takes_its_trouble_with_it():
    task = cron("a", on_failure=("ops",))
    world = told(task, code=1)
    world.pass_(61)
    world.load(cron("b"))
    world.load(task)
    world.pass_(60)
    assert kinds(world) == ["failing", "failing"]
    assert len(world.history.troubles()) == 1


def test_an_edit_of_the_channels_touches_no_trouble():
    world = told(cron("a", on_failure=("ops",)), code=1)
    world.pass_(61)
    world.load(cron("a", on_failure=("ops", "pager")))
    world.pass_(60)
    assert kinds(world) == ["failing"]


def test_a_new_history_learns_what_is_told_and_what_is_owed():
    world = told(cron("a", on_failure=("ops",)), code=1)
    world.break_channel("ops")
    world.pass_(61)
    world.history.begin_anew()
    world.send(HistoryReset())
    assert [t.kind for t in world.history.troubles()] == ["failing"]
    assert [p.channel for p in world.history.owed()] == ["ops"]


# ── what an earlier service left is judged by the file that is coming ─────────────────────


def left_behind(*, reads: bool = True) -> World:
    """Two runs of `a` begun while ops was to be told of failures, an edit after which nobody
    is, and the death of the service and of the host."""
    world = told(cron("a", "* * * * * *", max=2, on_failure=("ops",)), lasts=None)
    world.pass_(2.5)
    world.load(cron("a", "0 0 1 1 *", max=2, on_failure=("ops",) if reads else ()))
    world.pass_(1)
    return world


def test_a_run_of_an_older_definition_that_a_service_left_is_told_as_the_new_file_says():
    world = left_behind(reads=False)
    world.reboot()
    world.recover(cron("a", "0 0 1 1 *", max=2))
    world.pass_(1)
    assert world.outcomes("a") == ["unknown", "unknown"]
    assert kinds(world) == []


def test_a_task_that_left_the_file_is_told_of_no_more_though_its_run_ends_before_the_file_is_read():
    world = left_behind()
    world.reboot()
    world.recover(cron("b", "0 0 1 1 *"))
    world.pass_(1)
    assert kinds(world) == []


def test_a_run_that_a_service_left_is_told_once_however_often_the_next_ones_die():
    world = left_behind()
    world.reboot()
    for dies_after in (0, 1, 2, None):
        world.recover(cron("a", "0 0 1 1 *", max=2, on_failure=("ops",)), dies_after=dies_after)
        world.pass_(1)
    assert [*{(n.id, n.kind.value) for n in notices(world)}] == [(notices(world)[0].id, "failing")]
