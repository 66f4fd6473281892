"""How the service ends: what it stops, what it waits for, what it leaves."""

from __future__ import annotations

from torch.event import ProcessesSurvived, ServiceStopped, ServiceStopping
from torch.schedule.commands import Leave, Start, Stop
from torch.schedule.messages import Ended, RunAsked, StopAsked, StopMode, Unrecorded, Woke
from torch.task import Overlap
from torch.testing import World, cron, daemon

EVERY_10 = "*/10 * * * * *"


def running(term_lasts: float | None = 2.0, *, unkillable: bool = False, **keys) -> World:
    world = World(cron("a", EVERY_10, **keys))
    world.behave("a", lasts=None, term_lasts=term_lasts, unkillable=unkillable)
    world.pass_(11)
    return world


def last_words(world: World) -> ServiceStopped:
    (told,) = world.told(ServiceStopped)
    assert world.events[-1] == told
    return told


def test_with_nothing_alive_the_service_leaves_at_once():
    world = World(cron("a"))
    world.stop()
    assert world.left
    assert (last_words(world).ended, last_words(world).killed) == (0, 0)


def test_a_stop_sends_sigterm_and_leaves_when_all_have_ended():
    world = running()
    world.behave("d", lasts=None, term_lasts=4.0)
    world.load(cron("a", EVERY_10), daemon("d", max=2))
    world.stop()
    assert [signal for _, signal, _ in world.signals] == ["TERM"] * 3
    assert world.told(ServiceStopping)[0].live == 3
    world.pass_(3)
    assert world.told(ServiceStopped) == []
    world.pass_(2)
    assert world.left
    assert (last_words(world).ended, last_words(world).killed) == (3, 0)
    assert world.outcomes("d") == ["killed", "killed"]


def test_while_stopping_nothing_new_fires_and_no_daemon_comes_back():
    world = running(term_lasts=25.0, max=2, grace=30.0)
    world.behave("d", lasts=None)
    world.load(cron("a", EVERY_10, max=2, grace=30.0), daemon("d"))
    world.stop()
    world.pass_(60)
    assert len(world.starts) == 2
    assert world.scheduler.wake_at.wall is None


def test_what_ignores_sigterm_gets_sigkill_after_its_own_grace():
    world = running(term_lasts=None, grace=7.0)
    world.stop()
    world.pass_(10)
    assert world.signals_of("a") == [("TERM", 11.0), ("KILL", 18.0)]
    assert (last_words(world).ended, last_words(world).killed) == (0, 1)


def test_a_second_stop_goes_to_sigkill_at_once():
    world = running(term_lasts=None)
    world.stop()
    world.pass_(1)
    world.stop()
    assert world.signals_of("a") == [("TERM", 11.0), ("KILL", 12.0)]
    assert world.left


def test_stop_now_goes_to_sigkill_at_once():
    world = running(term_lasts=None)
    world.stop(mode=StopMode.NOW)
    assert world.signals_of("a") == [("KILL", 11.0)]
    assert world.left


def test_a_stop_that_keeps_the_runs_leaves_them_alone():
    world = running()
    world.stop(mode=StopMode.KEEP)
    assert world.left
    assert world.signals == []
    assert world.outcomes("a") == ["live"]
    assert last_words(world).kept == 1


def test_after_a_stop_that_keeps_the_runs_nothing_new_fires():
    world = running()
    world.stop(mode=StopMode.KEEP)
    world.pass_(60)
    assert len(world.rows()) == 1
    world.send(Ended(run_id="r1", exit_code=0, at=world.clock.wall))
    assert len(world.told(ServiceStopped)) == 1


def test_the_last_words_are_said_once():
    world = World(cron("a"))
    world.stop()
    world.stop()
    assert len(world.told(ServiceStopped)) == 1


def test_a_fire_that_waits_is_given_up_with_a_row():
    world = running(overlap=Overlap.QUEUE)
    world.pass_(10)
    world.stop()
    row = world.rows("a")[1]
    assert row.ending is not None
    assert (row.ending.outcome, row.ending.reason) == ("skipped", "the service stopped")


def test_a_run_that_is_being_killed_already_is_killed_no_later():
    world = running(term_lasts=None, timeout=5.0, grace=10.0)
    world.pass_(6)  # timed out at 15: SIGKILL at 25
    world.stop()
    world.pass_(20)
    assert world.signals_of("a") == [("TERM", 15.0), ("KILL", 25.0)]
    assert world.outcomes("a") == ["timed_out"]


def test_what_survives_sigkill_is_named_and_no_longer_waited_for():
    world = running(term_lasts=None, unkillable=True)
    world.stop(mode=StopMode.NOW)
    assert world.left
    assert world.told(ProcessesSurvived)[0].run_id == "r1"
    assert last_words(world).left == ("1001 r1",)
    assert world.outcomes("a") == ["live"]  # the next service finds it


def test_a_stop_that_overtakes_a_start_still_ends_the_run():
    world = World(cron("a", EVERY_10))
    core, clock = world.scheduler, world.clock
    clock.advance(10)
    (_, start) = core.handle(Woke(), clock.now())
    assert isinstance(start, Start)
    commands = core.handle(StopAsked(), clock.now())
    assert [c.run_id for c in commands if isinstance(c, Stop)] == ["r1"]
    world.behave("a", lasts=None, term_lasts=None)
    world.processes.start(start.run, start.task, clock.mono)
    world.send(*world.processes.hear(clock.mono, clock.wall))
    assert not world.left
    world.pass_(10)
    assert world.signals_of("a") == [("KILL", 20.0)]
    assert world.left


def test_a_stop_with_a_full_disk_does_not_wait_for_a_run_that_never_was():
    world = World(cron("a", EVERY_10))
    core, clock = world.scheduler, world.clock
    clock.advance(10)
    core.handle(Woke(), clock.now())
    core.handle(StopAsked(), clock.now())
    commands = core.handle(Unrecorded(run_ids=("r1",), reason="disk full"), clock.now())
    assert isinstance(commands[-1], Leave)


def test_a_stop_in_the_answer_that_starts_the_run_comes_after_the_start():
    task = cron("a", "@reboot", EVERY_10, overlap=Overlap.REPLACE)
    world = World()
    world.clock.advance(5)
    world.behave("a", lasts=None, term_lasts=0.0)
    world.load(task, since={"a": world.base - 5}, rebooted=True)  # the fire of 0, and the boot
    assert world.signals_of("a") == [("TERM", 5.0)]
    assert [row.run.fire_time - world.base for row in world.rows("a") if row.run.fire_time] == [
        0,
        5,
    ]
    assert world.outcomes("a") == ["killed", "live"]


def test_a_run_by_hand_that_is_stopped_counts_like_any_other():
    world = World(cron("a"))
    world.behave("a", lasts=None)
    world.send(RunAsked(task="a"))
    world.stop()
    assert last_words(world).ended == 1
