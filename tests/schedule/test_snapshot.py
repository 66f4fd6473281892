"""A snapshot is the core's state at one instant, whenever and in whatever slices it is read."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from tests.simulation.play import Game
from torch.schedule.messages import PauseAsked, ResumeAsked, RunAsked
from torch.schedule.scheduler import Scheduler
from torch.schedule.snapshot import Snapshot, TaskView
from torch.task import Overlap, Restart, Retry
from torch.testing import World, cron, daemon

EVERY_10 = "*/10 * * * * *"


def read(snapshot: Snapshot) -> list[TaskView]:
    return [*snapshot.tasks()]


def test_a_snapshot_that_is_read_later_is_that_of_its_instant():
    world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE), cron("b"), daemon("d"))
    world.behave("a", lasts=15.0)
    world.pass_(21)
    early, late = world.scheduler.snapshot(), world.scheduler.snapshot()
    known = read(early)
    world.pass_(60)
    world.send(PauseAsked(task="b"), RunAsked(task="b"))
    world.load(cron("b", "* * * * * *"), cron("new"))
    assert read(late) == known == read(early)
    assert late.names == ("a", "b", "d")
    assert world.scheduler.snapshot().task("new") is not None
    assert late.task("new") is None


@pytest.mark.parametrize("seed", range(12))
def test_in_every_world_what_is_read_late_is_what_was_read_at_once(seed):
    """Each message meets a snapshot that nobody has read yet."""
    handle = Scheduler.handle
    compared = 0

    def handled(self, message, now):
        nonlocal compared
        at_once, later = self.snapshot(), self.snapshot()
        known = read(at_once)
        commands = handle(self, message, now)
        assert read(later) == known
        compared += 1
        return commands

    with patch.object(Scheduler, "handle", handled):
        game = Game(seed)
        for _ in range(25):
            game.step()
    assert compared > 100


def test_it_shows_what_waits_and_what_is_put_off_and_for_how_long():
    world = World(
        cron("a", EVERY_10, overlap=Overlap.QUEUE), cron("r", retry=Retry(attempts=1, delay=30.0)),
        daemon("d", restart=Restart(delay=20.0, max_delay=60.0)),
    )  # fmt: skip
    world.behave("a", lasts=None)
    world.behave("r", code=1)
    world.behave("d", lasts=35.0, code=1)  # its second run, from 21 on
    world.pass_(62)
    a, r, d = read(world.scheduler.snapshot())
    assert [len(a.runs), len(a.waiting)] == [1, 1]
    assert [(each.run.attempt, each.at - world.base) for each in r.put_off] == [(2, 91.0)]
    assert r.failing
    (restart,) = d.restarts
    assert restart.at - world.clock.mono == 14.0
    assert d.kept


def test_a_live_run_is_found_by_its_id():
    world = World(cron("a", EVERY_10))
    world.behave("a", lasts=None)
    world.pass_(11)
    snapshot = world.scheduler.snapshot()
    (run_id,) = snapshot.run_ids()
    world.pass_(20)
    found = snapshot.run(run_id)
    assert found is not None
    assert (found.run.id, found.stopped) == (run_id, False)
    assert snapshot.run("nobody") is None


def test_a_pause_is_in_the_snapshots_after_it_and_in_none_before():
    world = World(cron("a", EVERY_10))
    before = world.scheduler.snapshot()
    world.send(PauseAsked(task="a"))
    during = world.scheduler.snapshot()
    world.send(ResumeAsked(task="a"))
    snapshots = (before, during, world.scheduler.snapshot())
    paused = [read(each)[0].paused is not None for each in snapshots]
    assert paused == [False, True, False]


def test_a_snapshot_that_nobody_reads_any_more_costs_nothing():
    world = World(cron("a", EVERY_10))
    world.scheduler.snapshot()
    world.pass_(11)
    assert world.scheduler._states._read == []
