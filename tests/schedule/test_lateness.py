"""How late a start is: from the instant at which it was to begin, whatever put that off."""

from __future__ import annotations

import pytest

from torch.event import RunStarted
from torch.run import Run, Trigger, due_at, lateness
from torch.task import CatchUp, Overlap, Retry
from torch.testing import World, cron


def late(world: World) -> list[float | None]:
    return [
        None if each.lateness is None else round(each.lateness, 3)
        for each in world.told(RunStarted)
    ]


def due(world: World) -> list[float | None]:
    """The instants on record, in seconds after base, of starts that were put off."""
    return [None if row.due is None else round(row.due - world.base, 3) for row in world.rows("a")]


def test_a_retry_is_late_only_after_the_end_of_its_delay():
    world = World()
    world.behave("a", lasts=1.0, code=1)
    world.load(cron("a", "0 0 * * *", retry=Retry(attempts=1, delay=10.0)))
    world.pass_(86_400)
    assert len(world.starts_of("a")) == 2
    assert late(world) == [0.0, 0.0]
    assert due(world)[0] is None
    assert due(world)[1] is not None


def test_a_queued_run_is_late_only_after_it_was_given_a_slot():
    world = World()
    world.behave("a", lasts=70.0)
    world.load(cron("a", overlap=Overlap.QUEUE))
    world.pass_(150)
    assert world.starts_of("a") == [60.0, 130.0]
    assert late(world) == [0.0, 0.0]
    assert due(world) == [None, 130.0]


def test_jitter_is_no_lateness():
    world = World(cron("a", "0 * * * *", jitter=600.0))
    world.pass_(3600 + 600)
    (started,) = world.starts_of("a")
    assert started > 3600.0
    assert late(world) == [0.0]


def test_a_start_behind_a_suspend_is_late_by_what_the_host_slept_past_its_instant():
    world = World(cron("a", start_within=60.0))
    world.pass_(55)
    world.freeze(10)
    assert late(world) == [5.0]


def test_a_retry_behind_a_suspend_is_late_by_what_the_host_slept_past_its_instant():
    world = World()
    world.behave("a", lasts=1.0, code=1)
    world.load(cron("a", "1 * * * *", retry=Retry(attempts=1, delay=10.0)))
    world.pass_(61 + 8)
    world.freeze(7)
    assert late(world) == [0.0, 5.0]


def test_a_fire_that_is_caught_up_is_late_since_its_fire_time():
    world = World(cron("a", catch_up=CatchUp.LAST, start_within=1.0))
    world.freeze(70)
    assert late(world) == [10.0]


def test_a_fire_that_waited_through_a_restart_is_late_since_its_instant():
    retry = Retry(attempts=1, delay=30.0)
    world = World()
    world.behave("a", lasts=1.0, code=1)
    world.load(cron("a", "1 * * * *", retry=retry))
    world.pass_(65)
    world.crash()
    world.recover(cron("a", "1 * * * *", retry=retry))
    world.pass_(60)
    assert late(world) == [0.0, 0.0]


@pytest.mark.parametrize("trigger", [Trigger.MANUAL, Trigger.DAEMON])
def test_a_run_that_no_fire_names_is_never_late(trigger):
    assert lateness(5.0, due_at(Run(id="r", task="a", trigger=trigger))) is None
