"""A paused task fires nothing and keeps nothing alive; each fire it skips has its disposition."""

from __future__ import annotations

from torch.event import TaskResumed
from torch.schedule.commands import Refuse
from torch.schedule.messages import PauseAsked, ResumeAsked
from torch.task import Retry
from torch.testing import World, cron, daemon

EVERY_10 = "*/10 * * * * *"


def paused(until: float | None = None) -> World:
    """Paused at 15, after the fire of 10."""
    world = World(cron("a", EVERY_10))
    world.pass_(15)
    end = None if until is None else world.base + until
    world.send(PauseAsked(task="a", until=end))
    return world


def test_a_paused_task_fires_nothing_and_its_fires_are_one_row():
    world = paused()
    world.pass_(30)
    world.send(ResumeAsked(task="a"))
    world.pass_(10)
    assert world.starts_of("a") == [10.0, 50.0]
    assert [(row.outcome, row.count) for row in world.rows()][1] == ("skipped", 3)
    assert [told.skipped for told in world.told(TaskResumed)] == [3]


def test_a_pause_with_an_end_ends_by_itself():
    world = paused(until=35.0)
    world.pass_(30)
    assert world.starts_of("a") == [10.0, 40.0]


def test_a_pause_is_kept_over_restarts():
    world = paused()
    world.crash()
    world.pass_(20)
    world.recover(cron("a", EVERY_10))
    world.pass_(20)
    assert world.starts_of("a") == [10.0]
    world.send(ResumeAsked(task="a"))
    assert [row.count for row in world.rows()] == [1, 4]


def test_a_pause_that_ended_while_no_service_lived_skips_only_its_own_fires():
    world = paused(until=35.0)
    world.crash()
    world.pass_(36)
    world.recover(cron("a", EVERY_10))
    world.pass_(1)
    assert [(row.outcome, row.count) for row in world.rows()][1] == ("skipped", 2)
    assert world.fires("a") == [10, 20, 40, 50]


def test_an_edit_ends_no_pause():
    world = paused()
    world.load(cron("a", EVERY_10, description="edited"))
    world.pass_(20)
    assert world.starts_of("a") == [10.0]


def test_a_run_that_fails_while_its_task_is_paused_is_not_tried_again():
    world = World(cron("a", EVERY_10, retry=Retry(attempts=2, delay=1.0)))
    world.behave("a", lasts=4.0, code=1)
    world.pass_(12)
    world.send(PauseAsked(task="a"))
    world.pass_(10)
    assert world.starts_of("a") == [10.0]
    assert world.outcomes("a") == ["failed"]


def test_a_paused_daemon_task_is_not_kept_alive_until_it_is_resumed():
    world = World(daemon("d"))
    world.behave("d", lasts=5.0)
    world.send(PauseAsked(task="d"))
    world.pass_(10)
    assert world.alive("d") == 0
    world.send(ResumeAsked(task="d"))
    assert world.alive("d") == 1


def test_what_is_not_paused_cannot_be_resumed():
    world = World(cron("a"))
    (answer,) = world.send(ResumeAsked(task="a"))
    assert isinstance(answer, Refuse)
