"""Runs whose reaper is killed or stopped: none is lost, none runs twice, nothing is guessed."""

from __future__ import annotations

import pytest

from torch.run import Outcome, State
from torch.schedule.evidence import NOTHING_SAID, REAPER_KILLED
from torch.schedule.messages import KillAsked, RunAsked
from torch.task import Overlap
from torch.testing import Step, World, cron

TASK = cron("a", "*/10 * * * * *")


def asked(**behaviour) -> World:
    """A run of `a` is asked for at 5 s, and behaves so."""
    world = World(TASK)
    world.behave("a", **behaviour)
    world.pass_(5)
    world.send(RunAsked(task="a"))
    return world


def ends(world: World) -> list[tuple[str, int | None, str]]:
    return [
        (row.ending.outcome.value, row.ending.exit_code, row.ending.reason)
        for row in world.rows()
        if row.ending is not None
    ]


# ── the reaper of a service that lives ────────────────────────────────────────────────────


def test_the_code_of_a_run_whose_reaper_was_killed_is_known_to_the_service_that_lives():
    world = asked(lasts=4.0, code=3)
    world.kill_reaper()
    world.pass_(4)
    assert ends(world) == [("failed", 3, "")]


def test_fires_go_on_after_the_reaper_was_killed():
    world = asked(lasts=1.0)
    world.kill_reaper()
    world.pass_(16)
    assert world.starts_of("a") == [5.0, 10.0, 20.0]
    assert {outcome for outcome, _, _ in ends(world)} == {"succeeded"}


def test_a_start_that_was_lost_with_the_reaper_before_its_b_line_begins_on_the_next_reaper():
    world = World(TASK)
    world.kill_reaper(Step.ORDER)
    world.pass_(12)
    assert world.starts_of("a") == [10.0]
    assert ends(world) == [("succeeded", 0, "")]


def test_a_prepared_start_that_was_lost_with_the_reaper_begins_at_its_instant():
    world = World(TASK, lead=0.5)
    world.pass_(9.7)
    assert world.processes.orders
    world.kill_reaper()
    world.pass_(2)
    assert world.starts_of("a") == [10.0]


def test_a_run_with_a_b_line_and_no_process_is_not_known_and_not_started_again():
    world = World(TASK)
    world.kill_reaper(Step.SPAWN)
    world.pass_(15)
    assert world.starts == []
    assert ends(world) == [("unknown", None, NOTHING_SAID)]


def test_a_run_without_an_s_line_is_found_by_its_mark():
    world = World(TASK)
    world.behave("a", lasts=2.0, code=4)
    world.kill_reaper(Step.BORN)
    world.pass_(13)
    assert world.starts_of("a") == [10.0]
    assert ends(world) == [("failed", 4, "")]


def test_a_run_that_ended_before_its_s_line_is_not_known():
    world = World(TASK)
    world.behave("a", lasts=0.0)
    world.kill_reaper(Step.BORN)
    world.pass_(13)
    assert ends(world) == [("unknown", None, NOTHING_SAID)]


def test_a_run_that_ended_before_its_x_line_is_reaped_by_the_service():
    world = asked(lasts=2.0, code=6)
    world.kill_reaper(Step.END)
    world.pass_(4)
    assert ends(world) == [("failed", 6, "")]


def test_what_only_the_service_knew_is_lost_with_it():
    world = asked(lasts=2.0)
    world.kill_reaper()
    world.history.broken = "disk full"
    world.pass_(3)
    world.crash()
    world.history.broken = ""
    world.recover(TASK)
    assert ends(world) == [("unknown", None, REAPER_KILLED)]


# ── the reaper of an earlier service ──────────────────────────────────────────────────────


def test_a_reaper_outlives_its_service_and_its_runs_are_adopted_with_their_codes():
    world = asked(lasts=4.0, code=3)
    world.crash()
    world.pass_(1)
    world.recover(TASK)
    world.pass_(3)
    assert ends(world) == [("failed", 3, "")]


def test_what_ended_while_no_service_lived_is_in_the_journal():
    world = asked(lasts=2.0, code=3)
    world.crash()
    world.pass_(3)
    world.recover(TASK)
    assert ends(world) == [("failed", 3, "")]
    assert world.rows()[0].ended_at == world.base + 7.0


@pytest.mark.parametrize("when", ["a service lives", "none lives", "with its service"])
def test_a_run_of_an_earlier_reaper_that_was_killed_keeps_its_slot_and_is_not_known(when):
    world = asked(lasts=7.0)
    world.crash(both=when == "with its service")
    if when == "none lives":
        world.kill_reaper()
    world.recover(TASK)
    if when == "a service lives":
        world.kill_old_reapers()
    world.pass_(6)
    assert world.outcomes("a") == ["live", "skipped"]
    world.pass_(2)
    assert ends(world)[0] == ("unknown", None, REAPER_KILLED)
    assert world.outcomes("a") == ["unknown", "skipped"]


def test_a_code_that_was_written_down_outlives_the_reaper_and_the_host():
    world = asked(lasts=2.0, code=3)
    world.history.broken = "disk full"
    world.pass_(3)
    world.history.broken = ""
    world.reboot()
    world.recover(TASK)
    assert ends(world) == [("failed", 3, "")]


@pytest.mark.parametrize(
    ("step", "outcomes", "starts"),
    [
        (Step.ORDER, ["succeeded"], [11.0]),  # proven: offered again
        (Step.SPAWN, ["unknown"], []),
        (Step.BORN, ["unknown"], [10.0]),
        (Step.END, ["unknown"], [10.0]),
    ],
)
def test_both_die_at_a_step_of_the_start_or_the_end(step, outcomes, starts):
    world = World(TASK)
    world.behave("a", lasts=0.5)
    world.kill_reaper(step, both=True)
    world.pass_(11)
    assert not world.alive_service
    world.recover(TASK)
    world.pass_(2)
    assert (world.outcomes("a"), world.starts_of("a")) == (outcomes, starts)


def test_a_run_that_is_offered_again_and_has_to_queue_says_so_in_its_row():
    both = cron("a", "*/10 * * * * *", overlap=Overlap.QUEUE, max=2)
    world = World(both)
    world.behave("a", lasts=None)
    world.pass_(5)
    world.send(RunAsked(task="a"))
    world.kill_reaper(Step.ORDER, both=True)
    world.pass_(10)  # the fire of 10 was told to the reaper, and never began
    assert [row.not_before for row in world.rows()] == [None, None]
    world.recover(cron("a", "*/10 * * * * *", overlap=Overlap.QUEUE, max=1))
    assert world.rows()[1].not_before == world.base + 10
    world.send(KillAsked(run_ids=("r1",)))
    assert world.starts_of("a") == [5.0, 15.0]
    assert world.rows()[1].not_before is None


# ── a reaper that does not answer ─────────────────────────────────────────────────────────


def silent(*, lead: float = 0.0) -> World:
    """The reaper was stopped before the fire of 10; then its service died, and another came."""
    world = World(TASK, lead=lead)
    world.behave("a", lasts=2.0, code=3)
    world.pass_(9)
    world.freeze_reaper()
    world.pass_(2 if lead == 0.0 else 0.9)
    world.crash()
    world.pass_(0.5)
    world.recover(TASK)
    return world


def test_a_start_that_a_silent_reaper_was_told_begins_when_it_goes_on():
    world = World(TASK)
    world.freeze_reaper()
    world.pass_(12)
    assert (world.starts, world.outcomes("a")) == ([], ["live"])
    world.thaw_reapers()
    world.pass_(2)
    assert world.starts_of("a") == [12.0]
    assert ends(world) == [("succeeded", 0, "")]


def test_an_end_that_a_silent_reaper_has_not_reported_keeps_its_slot():
    world = asked(lasts=2.0)
    world.freeze_reaper()
    world.pass_(10)
    assert world.starts_of("a") == [5.0]
    assert world.outcomes("a")[0] == "live"  # it has ended, and nobody has said so
    world.thaw_reapers()
    world.pass_(10)
    assert set(world.outcomes("a")) == {"succeeded", "skipped"}
    assert world.starts_of("a") == [5.0, 20.0]


def test_a_run_that_a_silent_reaper_may_have_begun_keeps_its_slot():
    world = silent()
    world.pass_(20)
    assert world.starts == []
    assert world.outcomes("a") == ["live", "skipped", "skipped"]


def test_a_run_that_a_silent_reaper_begins_after_all_is_followed_to_its_end():
    world = silent()
    world.thaw_reapers()
    world.pass_(3)
    assert world.starts_of("a") == [11.5]
    assert ends(world) == [("failed", 3, "")]


@pytest.mark.parametrize("how", ["it dies", "it answers"])
def test_a_run_that_a_silent_reaper_had_not_begun_is_started_by_the_service_that_lives(how):
    # It had read nothing of it, or it drops what was prepared for an instant.
    world = silent() if how == "it dies" else silent(lead=0.5)
    if how == "it dies":
        world.kill_old_reapers()
    else:
        world.thaw_reapers()
    world.pass_(3)
    assert len(world.starts) == 1
    assert ends(world) == [("failed", 3, "")]
    assert world.processes.current.journal == {}  # its end is on record


def test_a_run_that_was_stopped_while_its_reaper_was_silent_never_begins():
    world = silent()
    world.send(KillAsked(run_ids=tuple(live.run.id for live in world.live())))
    world.kill_old_reapers()
    world.pass_(3)
    assert world.starts == []
    assert world.outcomes("a") == ["skipped"]


def test_a_run_that_a_silent_reaper_begins_after_it_was_stopped_is_ended_at_once():
    world = silent()
    world.send(KillAsked(run_ids=tuple(live.run.id for live in world.live())))
    world.pass_(30)  # past its grace: the core says nothing more
    world.thaw_reapers()
    assert len(world.starts) == 1
    world.pass_(1)
    assert world.outcomes("a")[0] == "killed"
    assert world.alive("a") <= 1


def test_a_timeout_runs_from_the_start_that_was_heard_of_late():
    task = cron("a", "*/10 * * * * *", timeout=3.0)
    world = World(task)
    world.behave("a", lasts=None)
    world.pass_(9)
    world.freeze_reaper()
    world.pass_(2)
    world.crash()
    world.recover(task)
    (live,) = world.live()
    assert live.state is State.INTENT
    world.thaw_reapers()
    world.pass_(4)
    assert world.signals_of("a") == [("TERM", 14.0)]
    assert world.outcomes("a") == [Outcome.TIMED_OUT.value]


def test_a_row_that_waits_does_not_wait_for_a_silent_reaper():
    task = cron("a", "*/10 * * * * *", jitter=4.0)
    world = World(task)
    world.pass_(10)
    (row,) = world.rows()
    assert row.not_before
    world.freeze_reaper()
    world.crash()
    world.recover(task)
    world.pass_(5)
    assert len(world.starts) == 1
