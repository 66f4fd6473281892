"""Live runs: their deadlines, and how a run that is too long is ended."""

from __future__ import annotations

import pytest

from torch.event import RunEnded, RunStarted, RunStopping
from torch.run import Ending, IllegalMove, Outcome, State, Usage, move
from torch.schedule.deadlines import Deadline, Deadlines
from torch.schedule.messages import Ended, KillAsked, RunAsked, Started
from torch.testing import World, cron

HOURLY = "0 * * * *"


def started(behaviour=None, **keys) -> World:
    """A world in which the task `a` has just been started by hand, and does not end by itself."""
    world = World(cron("a", HOURLY, **keys))
    world.behave("a", lasts=None, **(behaviour or {}))
    world.send(RunAsked(task="a"))
    return world


def ended(world: World) -> Ending | None:
    """How its one run ended, by the history and by what was told."""
    (row,), (told,) = world.rows("a"), world.told(RunEnded)
    assert row.ending == told.ending
    return row.ending


# ── deadlines ─────────────────────────────────────────────────────────────────────────────


def test_deadlines_come_in_order_and_once():
    deadlines = Deadlines()
    for mono, key in ((3.0, "c"), (1.0, "a"), (2.0, "b"), (1.0, "a")):
        deadlines.add(mono, Deadline.KEEP, key)
    assert list(deadlines.pop_due(2.0)) == [(Deadline.KEEP, "a"), (Deadline.KEEP, "b")]
    assert deadlines.first() == 3.0


def test_a_deadline_that_has_come_can_be_asked_for_again():
    deadlines = Deadlines()
    deadlines.add(1.0, Deadline.KEEP, "a")
    assert list(deadlines.pop_due(1.0)) == [(Deadline.KEEP, "a")]
    deadlines.add(1.0, Deadline.KEEP, "a")
    assert list(deadlines.pop_due(1.0)) == [(Deadline.KEEP, "a")]


def test_a_run_that_has_ended_wakes_nobody():
    deadlines = Deadlines()
    deadlines.add(1.0, Deadline.TIMEOUT, "r1")
    deadlines.add(2.0, Deadline.TIMEOUT, "r2")
    deadlines.forget("r1")
    assert deadlines.first() == 2.0
    assert list(deadlines.pop_due(9.0)) == [(Deadline.TIMEOUT, "r2")]


def test_short_runs_with_a_long_timeout_do_not_pile_up():
    deadlines = Deadlines()
    for n in range(10_000):
        deadlines.add(1e6 + n, Deadline.TIMEOUT, f"r{n}")
        if n >= 10:
            deadlines.forget(f"r{n - 10}")
    assert len(deadlines._heap) < 200
    assert deadlines.first() == 1e6 + 9990


# ── states ────────────────────────────────────────────────────────────────────────────────


def test_a_run_goes_from_intent_to_running_to_finished():
    world = started()
    (row,) = world.rows("a")
    assert (row.state, row.pid) == (State.RUNNING, world.processes.of("a")[0].pid)
    world.send(Ended(run_id=row.run.id, exit_code=0, at=world.clock.wall))
    assert (row.state, row.outcome) == (State.FINISHED, Outcome.SUCCEEDED)


@pytest.mark.parametrize(
    ("current", "to"),
    [
        (State.FINISHED, State.RUNNING),
        (State.STOPPING, State.RUNNING),
        (State.RUNNING, State.INTENT),
        (State.FINISHED, State.FINISHED),
    ],
)
def test_a_move_that_is_not_in_the_table_raises(current, to):
    with pytest.raises(IllegalMove, match=f"a run that is {current} cannot become {to}"):
        move(current, to)


def test_a_start_is_told_with_its_lateness():
    world = World(cron("a", HOURLY, start_within=100.0))
    world.freeze(3600 + 42)
    (told,) = world.told(RunStarted)
    assert told.lateness == 42.0


def test_a_run_by_hand_is_not_late():
    assert started().told(RunStarted)[0].lateness is None


def test_an_end_is_told_with_how_long_the_run_lived():
    world = World(cron("a", HOURLY))
    world.behave("a", lasts=12.5)
    world.pass_(3700)
    assert world.told(RunEnded)[0].seconds == 12.5


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome.SUCCEEDED),
        (3, Outcome.SUCCEEDED),
        (1, Outcome.FAILED),
        (128 + 11, Outcome.FAILED),
        (None, Outcome.UNKNOWN),
    ],
)
def test_the_outcome_follows_from_the_exit_code(code, outcome):
    world = World(cron("a", HOURLY, success_codes=frozenset({0, 3})))
    world.behave("a", lasts=1.0, code=code)
    world.pass_(3601)
    (row,) = world.rows("a")
    assert row.ending is not None
    assert (row.outcome, row.ending.exit_code) == (outcome, code)


@pytest.mark.parametrize("code", [129, 128 + 9, 128 + 15, 128 + 64])
def test_an_exit_code_above_128_is_no_signal(code):
    world = started()
    world.send(Ended(run_id="r1", exit_code=code, at=world.clock.wall))
    assert ended(world) == Ending(outcome=Outcome.FAILED, exit_code=code)


def test_a_run_that_died_of_a_signal_has_it_beside_its_exit_code():
    world = started()
    world.send(Ended(run_id="r1", exit_code=139, signal=11, at=world.clock.wall))
    assert ended(world) == Ending(outcome=Outcome.FAILED, exit_code=139, signal=11)


@pytest.mark.parametrize(("code", "signal"), [(143, 15), (143, None)])
def test_what_ended_a_run_that_was_told_to_stop_is_known_as_well(code, signal):
    world = started({"term_lasts": None})
    world.send(KillAsked(run_ids=("r1",)))
    world.send(Ended(run_id="r1", exit_code=code, signal=signal, at=world.clock.wall))
    assert ended(world) == Ending(
        outcome=Outcome.KILLED, exit_code=code, signal=signal, reason="torch kill"
    )


def test_what_a_run_used_is_recorded_and_told_with_its_end():
    world, usage = started(), Usage(cpu_seconds=1.25, max_rss=54 * 2**20)
    world.send(Ended(run_id="r1", exit_code=0, at=world.clock.wall, usage=usage))
    assert world.rows("a")[0].usage == usage
    assert [told.usage for told in world.told(RunEnded)] == [usage]


def test_what_a_run_used_may_be_unknown():
    world = started()
    world.send(Ended(run_id="r1", exit_code=0, at=world.clock.wall))
    assert world.rows("a")[0].usage is None
    assert [told.usage for told in world.told(RunEnded)] == [None]


def test_a_run_that_is_gone_ends_once():
    world = started()
    (row,) = world.rows("a")
    world.send(Ended(run_id=row.run.id, exit_code=0, at=world.clock.wall))
    world.send(Ended(run_id=row.run.id, exit_code=9, at=world.clock.wall))
    world.send(Started(run_id=row.run.id, pid=7))
    assert len(world.told(RunEnded)) == 1
    assert row.outcome is Outcome.SUCCEEDED


# ── timeout, grace, kill ──────────────────────────────────────────────────────────────────


def test_a_run_past_its_timeout_gets_sigterm():
    world = started(timeout=30.0)
    world.pass_(60)
    assert world.signals_of("a") == [("TERM", 30.0)]
    assert world.outcomes("a") == ["timed_out"]


def test_a_run_that_ignores_sigterm_gets_sigkill_after_its_grace():
    world = started({"term_lasts": None}, timeout=30.0, grace=5.0)
    world.pass_(60)
    assert world.signals_of("a") == [("TERM", 30.0), ("KILL", 35.0)]
    assert world.outcomes("a") == ["timed_out"]


def test_a_run_that_ends_in_its_grace_with_code_0_has_timed_out_all_the_same():
    world = started({"term_lasts": 2.0, "term_code": 0}, timeout=30.0)
    world.pass_(60)
    (row,) = world.rows("a")
    assert row.ending is not None
    assert (row.outcome, row.ending.exit_code) == (Outcome.TIMED_OUT, 0)


def test_a_run_that_ends_in_time_is_left_alone():
    world = World(cron("a", HOURLY, timeout=30.0))
    world.behave("a", lasts=29.0)
    world.pass_(4000)
    assert world.signals == []


def test_a_step_of_the_clock_shortens_no_timeout():
    world = started(timeout=30.0)
    world.step(+300)
    assert world.signals == []
    world.step(-300)
    world.pass_(29)
    assert world.signals == []
    world.pass_(1)
    assert world.signals_of("a") == [("TERM", 30.0)]


def test_without_a_timeout_a_run_may_live_for_ever():
    world = started()
    world.pass_(50 * 3600)
    assert world.signals == []


def test_a_kill_goes_to_sigterm_and_by_force_to_sigkill():
    world = started({"term_lasts": None})
    for by_force in (False, False, True, True):
        world.send(KillAsked(run_ids=("r1",), by_force=by_force))
    assert world.signals_of("a") == [("TERM", 0.0), ("KILL", 0.0)]
    assert world.outcomes("a") == ["killed"]
    assert [told.by_force for told in world.told(RunStopping)] == [False, True]


def test_a_kill_of_what_is_gone_does_nothing():
    world = started()
    assert world.send(KillAsked(run_ids=("nobody",))) == ()
    assert world.outcomes("a") == ["live"]


def test_a_kill_in_a_timeouts_grace_leaves_it_a_timeout():
    world = started({"term_lasts": None}, timeout=30.0, grace=10.0)
    world.pass_(31)
    world.send(KillAsked(run_ids=("r1",), by_force=True))
    assert world.outcomes("a") == ["timed_out"]
