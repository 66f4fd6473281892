"""What the service says of its tasks, of the core's state at one instant."""

from __future__ import annotations

from typing import Any

from torch.daemon import status
from torch.task import Restart, Retry
from torch.testing import World
from torch.testing.tasks import cron, daemon


def told(world: World, **keys: Any) -> dict[str, Any]:
    return status.of_all(world.scheduler.snapshot(), world.clock.now(), **keys)


def one(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(t for t in told(world)["tasks"] if t["name"] == name)
    return found


def test_a_retry_that_waits_says_when_it_is_due_and_which_attempt_it_is():
    world = World(cron("a", "0 * * * *", retry=Retry(attempts=1, delay=600.0)))
    world.behave("a", lasts=5.0, code=1)
    world.pass_(3600 + 60)
    put_off = one(world, "a")["put_off"]
    assert (put_off["for"], put_off["attempt"]) == ("retry", 2)
    assert put_off["at"][14:19] == "10:05"
    world.pass_(1200)
    assert one(world, "a")["put_off"] is None


def test_a_restart_that_waits_says_when_it_is_due():
    world = World(daemon("d", restart=Restart(delay=30.0, max_delay=60.0)))
    assert one(world, "d")["put_off"] is None
    world.behave("d", lasts=1.0, code=1)
    world.pass_(10)
    assert one(world, "d")["put_off"]["for"] == "restart"


def test_all_tasks_are_summed_up_with_the_fire_that_comes_next():
    world = World(cron("a", "30 * * * *"), cron("b", "10 * * * *"), cron("c", enabled=False))
    summary = told(world)["summary"]
    assert (summary["tasks"], summary["runs"], summary["failing"]) == (3, 0, 0)
    assert summary["next"]["task"] == "b"


def test_of_those_that_only_wait_the_soonest_are_told_with_those_that_are_busy():
    tasks = [cron(f"t{minute}", f"{minute} 12 1 1 *") for minute in range(9)]
    world = World(*tasks, daemon("d"), cron("off", enabled=False))
    world.pass_(1)
    found = told(world, soonest=2)
    assert [task["name"] for task in found["tasks"]] == ["t0", "t1", "d"]
    assert found["summary"]["tasks"] == 11


def test_in_brief_a_task_that_only_waits_says_the_same_with_less():
    world = World(cron("a", "30 * * * *"), daemon("d"), cron("off", enabled=False))
    whole, brief = told(world)["tasks"], told(world, brief=True)["tasks"]
    assert brief[1] == whole[1]
    for one, other in zip(brief, whole, strict=True):
        assert one == {key: other[key] for key in one}
    assert len(brief[0]) < len(whole[0])


def test_the_times_of_a_task_that_fires_at_two_expressions_come_in_order():
    world = World(cron("a", "0 * * * *", "30 * * * *", timezone="Europe/Berlin"))
    (view,) = world.tasks()
    found = status.upcoming(view, world.clock.now(), 3)
    assert [each["text"] for each in found["schedule"]] == ["0 * * * *", "30 * * * *"]
    assert [time[14:16] for time in found["times"]] == ["30", "00", "30"]
    assert len(status.upcoming(view, world.clock.now(), 9999)["times"]) == status.MOST_TIMES
