"""Daemon tasks: how many are kept, how they come back, how an edit replaces them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from torch.clock import Now
from torch.event import DaemonCrashLooping, DaemonHealthy
from torch.schedule.deadlines import Deadline
from torch.schedule.keepalive import Keeper
from torch.schedule.messages import KillAsked, Woke
from torch.task import Restart
from torch.testing import World, cron, daemon

RESTART = Restart(delay=1.0, max_delay=8.0, healthy_after=10.0)


def kept(*, lasts=None, code=0, **keys) -> World:
    """A world with one daemon task `d`."""
    world = World()
    world.behave("d", lasts=lasts, code=code)
    world.load(daemon("d", restart=RESTART, **keys))
    return world


def replace(world: World, **keys) -> None:
    world.load(daemon("d", restart=RESTART, **keys))


def commands(world: World) -> list[object]:
    return [process.task.command for process in world.processes.of("d")]


def test_max_runs_are_started_at_once():
    assert kept(max=3).alive("d") == 3


def test_every_exit_restarts_code_0_too():
    world = kept(lasts=20.0, code=0)
    world.pass_(50)
    assert world.starts_of("d") == [0.0, 21.0, 42.0]
    assert world.outcomes("d") == ["succeeded", "succeeded", "live"]


def test_deaths_in_a_row_double_the_delay_up_to_its_most():
    world = kept(lasts=0.5, code=1)
    world.pass_(50)
    starts = world.starts_of("d")
    gaps = [after - before - 0.5 for before, after in pairwise(starts)]
    assert gaps[:6] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_run_that_lived_long_enough_resets_the_delay():
    world = kept(lasts=0.5, code=1)
    world.pass_(3.0)  # two deaths
    world.behave("d", lasts=10.0)
    world.pass_(2.0)
    world.behave("d", lasts=0.5)
    world.pass_(12.0)
    assert world.starts_of("d")[-3:] == [4.0, 4.0 + 10.0 + 1.0, 15.0 + 0.5 + 1.0]


def test_a_task_that_keeps_dying_is_told_once_a_death_from_the_third_on():
    world = kept(lasts=0.5, code=1)
    world.pass_(12.0)  # deaths at 0.5, 2, 4.5, 9
    assert [told.failures for told in world.told(DaemonCrashLooping)] == [3, 4]
    (state,) = world.tasks()
    assert state.crash_looping


def test_a_crash_looping_task_that_lives_is_told_healthy_once():
    world = kept(lasts=0.5, code=1)
    world.pass_(5.0)
    world.behave("d", lasts=None)
    world.pass_(100.0)
    (state,) = world.tasks()
    assert len(world.told(DaemonHealthy)) == 1
    assert not state.crash_looping


def test_a_task_that_died_once_and_lives_was_never_said_to_be_ill():
    world = kept(lasts=0.5, code=1)
    world.pass_(0.7)
    world.behave("d", lasts=None)
    world.pass_(100.0)
    assert world.told(DaemonCrashLooping) == []
    assert world.told(DaemonHealthy) == []


def test_a_task_that_cannot_be_started_backs_off_like_one_that_dies():
    world = World()
    world.behave("d", refusal="no such user")
    world.load(daemon("d", restart=RESTART))
    world.pass_(7.5)
    assert world.outcomes("d") == ["failed"] * 4  # at 0, 1, 3 and 7
    assert len(world.told(DaemonCrashLooping)) == 2


def test_a_run_that_is_killed_by_hand_comes_back_at_once():
    world = kept()
    world.send(KillAsked(run_ids=("r1",)))
    assert world.starts_of("d") == [0.0, 0.0]
    assert world.outcomes("d") == ["killed", "live"]


def test_many_runs_that_die_apart_do_not_breed_wakeups():
    world = World()
    names = [f"d{n}" for n in range(3)]
    for name in names:
        world.behave(name, lasts=0.25, code=1)
    world.load(*(daemon(name, max=12, restart=RESTART) for name in names))
    for n in range(1, 13):  # stagger them: each slot dies at an instant of its own
        world.pass_(0.01)
        world.send(KillAsked(run_ids=(f"r{n}",), by_force=True))
    world.pass_(120)
    assert len(world.scheduler._deadlines._heap) < 200


def test_runs_that_began_one_by_one_are_looked_at_together_once_their_instants_have_passed(
    monkeypatch,
):
    """A look goes over all of them: one for each of ten thousand would keep the service for
    minutes."""
    looks = []
    monkeypatch.setattr(Keeper, Deadline.KEEP, lambda *_, **__: looks.append("a look"))
    world = kept(max=5)
    now = world.clock.now()
    for number in range(1, 101):
        world.scheduler._deadlines.add(now.mono + number / 1000, Deadline.KEEP, "d")
    looks.clear()
    world.scheduler.handle(Woke(), Now(now.wall + 1, now.mono + 1))
    assert len(looks) == 1


# ── edits ─────────────────────────────────────────────────────────────────────────────────


def test_a_changed_command_replaces_one_by_one_the_next_when_the_last_is_healthy():
    world = kept(max=3)
    world.pass_(100)
    replace(world, max=3, command="new")
    assert world.signals_of("d") == [("TERM", 100.0)]
    world.pass_(9.5)
    assert commands(world).count("new") == 1
    world.pass_(10)
    assert commands(world).count("new") == 2
    world.pass_(10)
    assert commands(world) == ["new"] * 3
    assert [at for _, at in world.signals_of("d")] == [100.0, 110.0, 120.0]


def test_a_new_definition_that_dies_takes_no_further_run_down():
    world = kept(max=3)
    world.pass_(100)
    world.behave("d", lasts=0.5, code=1)
    replace(world, max=3, command="broken")
    world.pass_(300)
    assert commands(world).count("serve") == 2


def test_an_edit_taken_back_undoes_the_rest_of_a_replacement():
    world = kept(max=3)
    world.pass_(100)
    replace(world, max=3, command="new")
    world.pass_(5)
    replace(world, max=3)
    world.pass_(100)
    assert commands(world) == ["serve"] * 3
    assert len(world.signals_of("d")) == 2  # one to the new command, one back


def test_a_replacement_goes_on_when_healthy_after_is_made_longer_meanwhile():
    world = kept(max=2)
    world.pass_(100)
    replace(world, max=2, command="new")
    world.pass_(5)
    slow = Restart(delay=1.0, max_delay=8.0, healthy_after=30.0)
    world.load(daemon("d", restart=slow, max=2, command="new"))
    world.pass_(24.5)
    assert commands(world) == ["serve", "new"]
    world.pass_(1)
    assert commands(world) == ["new", "new"]


def test_an_edit_of_what_no_process_sees_restarts_nothing():
    world = kept(max=2)
    world.pass_(100)
    replace(world, max=2, description="feeds the queue", grace=3.0)
    world.pass_(100)
    assert world.signals == []
    assert len(world.starts) == 2


def test_an_edit_resets_the_back_off():
    world = kept(lasts=0.5, code=1)
    world.pass_(10)  # waits out 8 s since its death at 9
    world.behave("d", lasts=None)
    replace(world, command="mended")
    assert world.starts_of("d")[-1] == 10.0
    assert commands(world) == ["mended"]


def test_a_reload_that_changes_other_tasks_leaves_the_back_off():
    world = kept(lasts=0.5, code=1)
    world.pass_(10)
    world.load(daemon("d", restart=RESTART), cron("other"))
    assert world.starts_of("d")[-1] == 8.5
    world.pass_(8)
    assert world.starts_of("d")[-1] == 17.0


def test_a_raised_max_starts_what_is_missing():
    world = kept(max=1)
    replace(world, max=3)
    assert world.alive("d") == 3
    assert world.signals == []


def test_a_lowered_max_stops_what_is_too_much():
    world = kept(max=3)
    replace(world, max=1)
    assert world.alive("d") == 1
    assert world.outcomes("d") == ["live", "killed", "killed"]


def test_a_lowered_and_raised_max_is_never_exceeded_by_runs_that_will_not_go():
    world = World()
    world.behave("d", lasts=None, term_lasts=5.0)
    world.load(daemon("d", restart=RESTART, max=3))
    replace(world, max=1)
    replace(world, max=2)
    assert len(world.starts) == 3
    world.pass_(20)
    assert world.alive("d") == 2


def test_a_disabled_daemon_task_is_stopped_and_an_enabled_one_comes_back():
    world = kept(max=2)
    replace(world, max=2, enabled=False)
    world.pass_(60)
    assert world.alive("d") == 0
    replace(world, max=2)
    assert world.alive("d") == 2


def test_a_removed_daemon_tasks_runs_are_stopped_and_it_is_forgotten():
    world = kept(max=2)
    world.load()
    assert world.outcomes("d") == ["killed", "killed"]
    assert world.tasks() == []


def test_a_daemon_task_removed_in_its_back_off_does_not_come_back():
    world = kept(lasts=0.5, code=1)
    world.pass_(10)
    world.load()
    world.pass_(60)
    assert world.starts_of("d")[-1] == 8.5
    assert world.tasks() == []


def test_a_daemon_task_that_is_removed_and_added_again_waits_for_its_old_runs_to_go():
    world = World()
    world.behave("d", lasts=None, term_lasts=5.0)
    world.load(daemon("d", restart=RESTART, max=2))
    world.load()
    world.load(daemon("d", restart=RESTART, max=2))
    assert len(world.starts) == 2
    world.pass_(6)
    assert world.starts_of("d") == [0.0, 0.0, 5.0, 5.0]


def test_a_daemon_task_that_becomes_a_cron_task_is_stopped():
    world = kept(max=1)
    world.load(cron("d"))
    assert world.alive("d") == 0
    world.pass_(60)
    assert world.starts_of("d") == [0.0, 60.0]


def test_a_cron_task_that_becomes_a_daemon_task_waits_for_its_run_to_end():
    world = World(cron("d"))
    world.behave("d", lasts=30.0)
    world.pass_(61)
    world.behave("d", lasts=None)
    replace(world)
    assert world.signals == []
    assert world.starts_of("d") == [60.0]
    world.pass_(30)
    assert world.starts_of("d") == [60.0, 90.0]
    assert world.outcomes("d") == ["succeeded", "live"]


def test_health_is_noticed_at_its_very_instant_whatever_the_clocks_reading():
    for mono in (0.1, 1234.567, 98765.4321, 1e6 / 7):
        world = World()
        world.clock.mono = mono
        world.behave("d", lasts=None)
        quick = Restart(delay=1.0, max_delay=8.0, healthy_after=0.3)
        world.load(daemon("d", restart=quick, max=2))
        world.pass_(100)
        world.load(daemon("d", restart=quick, max=2, command="new"))
        world.pass_(10)
        assert commands(world) == ["new", "new"]


def test_starts_that_could_not_be_recorded_are_no_crash_loop_of_the_task():
    world = World()
    world.history.broken = "disk full"
    world.behave("d", lasts=None)
    world.load(daemon("d", restart=RESTART))
    world.pass_(100)
    (state,) = world.tasks()
    assert not state.crash_looping
    assert world.told(DaemonCrashLooping) == []
    world.history.broken = ""
    world.pass_(9)
    assert world.alive("d") == 1


@pytest.mark.parametrize("of_host", [True, False])
def test_a_start_that_the_host_did_not_let_begin_is_no_crash_and_is_tried_again(of_host):
    """One that the task itself prevents is: only an edit helps."""
    world = World()
    world.behave("d", refusal="refused", of_host=of_host)
    world.load(daemon("d", restart=RESTART))
    world.pass_(30)
    rows = len(world.rows("d"))
    assert 4 < rows < 8  # after 1, 2, 4, 8, 8 … seconds
    assert bool(world.told(DaemonCrashLooping)) is not of_host
    (state,) = world.tasks()
    assert state.crash_looping is not of_host


def test_a_crash_loop_goes_on_behind_a_full_disk():
    world = kept(lasts=0.1, code=1)
    world.pass_(4)
    world.history.broken = "disk full"
    world.pass_(20)
    world.history.broken = ""
    world.pass_(20)
    assert [told.failures for told in world.told(DaemonCrashLooping)] == [3, 4, 5]
