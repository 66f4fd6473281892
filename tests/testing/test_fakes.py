"""The shipped fakes: a fake that errs makes every test that leans on it worthless."""

from __future__ import annotations

import pytest

from torch.clock import Clock, Now
from torch.event import RunEnded
from torch.run import Outcome, Run, Trigger
from torch.schedule.messages import Ended, KillAsked, NotStarted, RunAsked, Started, Survived
from torch.testing import Behaviour, FakeClock, FakeProcesses, Step, World, cron, daemon
from torch.testing.history import DiskFull, FakeHistory

TASK = cron("a")


def test_a_fake_clock_goes_only_when_told_to():
    clock: Clock = FakeClock(wall=100.0, mono=5.0)
    assert clock.now() == clock.now() == Now(100.0, 5.0)


def test_advancing_moves_both_readings_and_stepping_only_the_wall():
    clock = FakeClock(wall=100.0, mono=5.0)
    clock.advance(2.5)
    clock.step(-50.0)
    assert clock.now() == Now(52.5, 7.5)


def test_a_fake_clock_does_not_run_backwards():
    with pytest.raises(ValueError, match="step"):
        FakeClock().advance(-1)


def test_equal_tasks_have_equal_digests_and_others_do_not():
    assert cron("a").digest == cron("a").digest
    assert (
        len({cron("a").digest, cron("a", max=2).digest, cron("b").digest, daemon("a").digest}) == 4
    )
    assert cron("a", "* * * * *").digest != cron("a", "* * * * *", timezone="Asia/Tokyo").digest


# ── processes ─────────────────────────────────────────────────────────────────────────────


RUN = Run(id="r1", task="a", trigger=Trigger.MANUAL)


def process(**keys) -> FakeProcesses:
    """One process of `a`, as run r1, that started at 0."""
    made = FakeProcesses()
    made.behave("a", Behaviour(**keys))
    made.start(RUN, TASK, 0.0)
    return made


def reaped(made: FakeProcesses, mono: float) -> list[int | None]:
    return [m.exit_code for m in made.hear(mono, 0.0) if isinstance(m, Ended)]


def test_a_process_ends_when_its_time_is_up():
    made = process(lasts=5.0, code=3)
    assert made.first_end() == 5.0
    assert reaped(made, 4.9) == []
    assert reaped(made, 5.0) == [3]
    assert made.alive == {}


def test_a_process_without_an_end_lives_until_sigterm():
    made = process(lasts=None)
    assert made.first_end() is None
    made.stop("r1", 7.0, by_force=False)
    assert reaped(made, 7.0) == [143]


def test_a_process_may_take_its_time_to_end_but_not_more_by_a_second_sigterm():
    made = process(lasts=None, term_lasts=2.0, term_code=0)
    made.stop("r1", 7.0, by_force=False)
    made.stop("r1", 8.0, by_force=False)
    assert made.first_end() == 9.0
    assert reaped(made, 9.0) == [0]


def test_a_process_that_ignores_sigterm_ends_by_sigkill():
    made = process(lasts=None, term_lasts=None)
    made.stop("r1", 7.0, by_force=False)
    assert made.first_end() is None
    made.stop("r1", 8.0, by_force=True)
    assert reaped(made, 8.0) == [137]


def test_an_unkillable_process_survives_and_is_named():
    made = process(lasts=None, unkillable=True)
    assert made.stop("r1", 7.0, by_force=True) == Survived(run_id="r1", processes=("1001 r1",))
    assert list(made.alive) == ["r1"]


def test_a_process_that_never_starts_says_why():
    made = FakeProcesses()
    made.behave("a", Behaviour(refusal="no such user"))
    made.start(RUN, TASK, 0.0)
    assert made.hear(0.0, 0.0) == [NotStarted(run_id="r1", reason="no such user")]
    assert made.alive == {}


def test_a_process_that_starts_has_a_pid_of_its_own():
    made = FakeProcesses()
    other = Run(id="r2", task="a", trigger=Trigger.MANUAL)
    made.start(RUN, TASK, 0.0)
    made.start(other, TASK, 0.0)
    assert made.hear(0.0, 0.0) == [
        Started(run_id="r1", pid=1001),
        Started(run_id="r2", pid=1002),
    ]
    assert [p.pid for p in made.of("a")] == [1001, 1002]


def test_a_signal_to_what_is_gone_is_lost():
    assert FakeProcesses().stop("nobody", 1.0, by_force=True) is None


# ── reapers ───────────────────────────────────────────────────────────────────────────────


def lines(made: FakeProcesses) -> str:
    said = made.said("r1")
    if said is None:
        return ""
    return "B" + "S" * (said.pid is not None) + "X" * (said.ended is not None)


def test_a_journal_has_a_line_for_each_step_until_the_end_is_on_record():
    made = process(lasts=5.0)
    assert lines(made) == "BS"
    made.hear(5.0, 0.0)
    assert lines(made) == "BSX"
    made.forget(["r1"])
    assert lines(made) == ""


@pytest.mark.parametrize(
    ("step", "left", "alive"),
    [(Step.ORDER, "", 0), (Step.SPAWN, "B", 0), (Step.BORN, "B", 1), (Step.END, "BS", 0)],
)
def test_a_reaper_and_its_service_that_die_at_a_step_leave_what_was_written(step, left, alive):
    made = FakeProcesses()
    made.behave("a", Behaviour(lasts=5.0))
    made.current.dies_at, made.current.takes_service = step, True
    made.start(RUN, TASK, 0.0)
    made.hear(5.0 - alive, 0.0)
    assert (lines(made), len(made.alive)) == (left, alive)
    assert made.service_falls
    assert not made.current.alive


def test_an_order_for_later_is_dropped_with_its_service_and_withdrawn_by_it():
    made = FakeProcesses()
    made.start(RUN, TASK, 0.0, at=5.0)
    assert made.next_start() == 5.0
    assert made.withdraw("r1")
    assert made.hear(9.0, 0.0) == [NotStarted(run_id="r1", reason="stopped before it started")]
    made.start(RUN, TASK, 0.0, at=5.0)
    made.service_died()
    assert made.hear(9.0, 0.0) == []
    assert (made.orders, made.alive, lines(made)) == ({}, {}, "")


def test_a_reaper_of_a_living_service_that_is_killed_leaves_it_the_codes():
    made = process(lasts=5.0, code=3)
    made.kill(made.current, 1.0, 0.0)
    assert made.current.alive
    assert reaped(made, 5.0) == [3]
    assert lines(made) == "BS"


def test_a_reaper_without_a_service_that_is_killed_leaves_no_codes():
    made = process(lasts=5.0, code=3)
    made.service_died()
    made.kill(made.current, 1.0, 0.0)
    made.service_begins()
    made.adopt(RUN, TASK, doubted=False)
    assert reaped(made, 5.0) == [None]
    assert made.ends["r1"] == (3, 5.0)


def test_a_silent_reaper_writes_and_says_nothing_until_it_goes_on():
    made = process(lasts=5.0, code=3)
    made.current.silent = True
    assert reaped(made, 6.0) == []
    assert (lines(made), len(made.alive)) == ("BS", 0)
    made.thaw(made.current, 7.0, 0.0)
    assert reaped(made, 7.0) == [3]
    assert lines(made) == "BSX"


# ── the history ───────────────────────────────────────────────────────────────────────────


def test_a_broken_history_takes_nothing():
    history = FakeHistory()
    history.broken = "disk full"
    with pytest.raises(DiskFull, match="disk full"):
        history.commit([], at=0.0)


# ── the world ─────────────────────────────────────────────────────────────────────────────


def test_a_world_reads_as_a_sentence():
    world = World(cron("a", "*/10 * * * * *"))
    world.behave("a", lasts=3.0, code=1)
    world.pass_(25)
    assert world.starts_of("a") == [10.0, 20.0]
    assert world.outcomes("a") == ["failed", "failed"]
    assert world.count(Outcome.FAILED) == 2
    assert world.elapsed == 25.0


def test_a_world_moves_to_the_very_instant_at_which_something_happens():
    world = World(cron("a", "*/10 * * * * *"))
    world.behave("a", lasts=0.1)
    world.clock.advance(0.3)
    world.pass_(30)
    assert world.starts_of("a") == [10.0, 20.0, 30.0]
    assert all(ended.seconds == pytest.approx(0.1) for ended in world.told(RunEnded))


def test_a_world_fails_on_a_start_without_its_row(monkeypatch):
    world = World(TASK)
    monkeypatch.setattr(world.history, "commit", lambda records, **_: frozenset())
    with pytest.raises(AssertionError, match="starts without a row"):
        world.send(RunAsked(task="a"))


def test_a_world_fails_on_a_process_above_max():
    world = World(TASK)
    world.behave("a", lasts=None)
    world.send(RunAsked(task="a"))
    world.scheduler._live.drop("r1")  # the core forgets what lives
    with pytest.raises(AssertionError, match="2 of a live"):
        world.send(RunAsked(task="a"))


def test_a_world_is_the_same_each_time():
    def lived() -> list[object]:
        world = World(cron("a", "*/7 * * * * *", max=2), daemon("d"))
        world.behave("a", lasts=11.0, code=1)
        world.behave("d", lasts=2.0)
        world.pass_(300)
        world.send(KillAsked(run_ids=tuple(world.processes.alive)))
        return [*world.events, *world.starts]

    assert lived() == lived()
