"""What becomes of the runs of a service that died: adopted, ended, offered again, unknown."""

from __future__ import annotations

from torch.event import RunEnded
from torch.run import Ending, Outcome, Run, Trigger, Usage
from torch.schedule.messages import FoundRun, KillAsked, Recovered, Trace
from torch.task import Overlap
from torch.testing import World, cron

EVERY_10 = "*/10 * * * * *"


def test_a_grace_is_not_begun_anew_by_a_restart():
    world = World(cron("a", grace=6.0))
    world.behave("a", lasts=None, term_lasts=None)
    world.pass_(61)
    (run,) = world.processes.alive
    world.send(KillAsked(run_ids=(run,)))
    for _ in range(3):
        world.pass_(1)
        world.crash()
        world.pass_(0.5)
        world.recover(cron("a", grace=6.0))
    world.pass_(5)
    assert [at for signal, at in world.signals_of("a") if signal == "KILL"] == [67.0]


def test_a_task_that_left_the_file_while_no_service_lived_is_recorded_as_gone():
    world = World(cron("a"), cron("b"))
    world.pass_(1)
    world.crash()
    world.recover(cron("b"))
    decided = world.history.decided()
    assert decided["a"][0] == ""
    assert decided["b"][0] != ""


def test_the_last_end_of_a_task_has_the_time_at_which_it_was_not_the_one_at_which_it_was_found():
    world = World(cron("a"))
    world.behave("a", lasts=5.0)
    world.pass_(61)
    world.crash()
    world.pass_(30)
    world.recover(cron("a"))
    (state,) = world.tasks()
    assert state.last is not None
    assert state.last[2] - world.base == 65.0


def test_the_end_that_was_found_has_the_signal_and_what_the_run_used():
    world = World(cron("a"))
    usage = Usage(cpu_seconds=0.5, max_rss=4096)
    ended = FoundRun(
        run=Run(id="old", task="a", trigger=Trigger.MANUAL), trace=Trace.ENDED, task=cron("a"),
        recorded_at=world.clock.wall, exit_code=137, signal=9, usage=usage,
    )  # fmt: skip
    world.send(Recovered(found=(ended,)))
    (row,), (told,) = world.rows("a"), world.told(RunEnded)
    assert row.ending == Ending(outcome=Outcome.FAILED, exit_code=137, signal=9)
    assert (row.usage, told.usage) == (usage, usage)


def test_a_run_that_waited_through_a_reboot_is_adopted_like_any_other():
    task = cron("a", EVERY_10, overlap=Overlap.QUEUE)
    world = World(task)
    world.behave("a", lasts=None)
    world.pass_(20)  # the fire of 20 waits for the run of 10
    world.reboot()
    world.recover(task)
    assert world.outcomes("a") == ["unknown", "live"]
    world.crash()
    world.recover(task)
    assert world.outcomes("a") == ["unknown", "live"]
    assert world.alive("a") == len(world.live("a")) == 1


def test_a_service_that_died_while_the_clock_was_behind_fires_nothing_again():
    task = cron("a", EVERY_10, start_within=5.0)
    world = World(task)
    world.freeze(59)  # all of 10 to 50 are missed, in one row
    assert [(row.count, row.outcome) for row in world.rows()] == [(5, Outcome.MISSED)]
    world.step(-40)
    for _ in range(2):  # each new service finds the watermark where the first one left it
        world.crash()
        world.recover(task)
    world.pass_(40)
    assert world.starts == []
    world.pass_(1)
    assert world.starts_of("a") == [60.0]


def test_a_fire_that_waited_through_an_edit_is_adopted_under_the_definition_it_ran_by():
    world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE))
    world.behave("a", lasts=15.0)
    world.pass_(20)  # the fire of 20 waits for the run of 10
    edited = cron("a", EVERY_10, overlap=Overlap.QUEUE, timeout=8.0)
    world.load(edited)
    world.pass_(6)
    world.crash()
    world.recover(edited)
    world.pass_(8)
    assert world.outcomes("a")[:2] == ["succeeded", "timed_out"]


def test_fires_that_are_missed_behind_one_that_was_decided_ahead_keep_their_row():
    """The definition changed while no service lived, so its fires begin where the clock is, and
    the first of them has the row of the old definition's, which was decided ahead of it."""
    world = World(lead=0.7)
    world.behave("a", lasts=0.1)
    world.load(cron("a", "* * * * * *"))
    world.pass_(9.5)
    assert world.fires("a")[-1] == 10
    world.crash(both=True)
    world.recover(cron("a", "* * * * * *", jitter=0.1))  # jitter: nothing is decided ahead
    world.freeze(5.6)
    rows = [row for row in world.rows("a") if row.outcome is Outcome.MISSED and row.last]
    found = [(row.run.fire_time, row.last, row.count) for row in rows]
    assert found == [(world.base + 11, world.base + 14, 4)]
