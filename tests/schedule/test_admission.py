"""The door to a slot: a gate that was made here is one more entry of a list, and all that starts
passes it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from torch.event import FireSkipped
from torch.run import Outcome, Trigger
from torch.schedule.commands import Refuse
from torch.schedule.gates import GO, Candidate, Judgement, Says
from torch.schedule.messages import PauseAsked, ResumeAsked, RunAsked
from torch.task import Overlap, Retry
from torch.testing import World, cron, daemon

EVERY_10 = "*/10 * * * * *"


@dataclass
class Level:
    """Between `since` and `until` (seconds after the base) it lets nothing of these tasks go."""

    says: Says
    tasks: tuple[str, ...] = ("a",)
    since: float = 0.0
    until: float = 1e9
    base: float = 1_800_000_000.0
    asked: list[Candidate] = field(default_factory=list)

    def ask(self, candidate: Candidate) -> Judgement:
        self.asked.append(candidate)
        if candidate.task.name not in self.tasks:
            return GO
        if not self.since <= candidate.now.wall - self.base < self.until:
            return GO
        return Judgement(says=self.says, reason="level 8 of 6", hint="see: torch levels")


def rows(world: World, task: str = "a"):
    """(outcome, reason, first, last, count) of each; instants after the base."""
    return [
        (row.outcome and row.outcome.value, row.ending.reason if row.ending else "",
         (row.run.fire_time or 0) - world.base, row.last and row.last - world.base, row.count)
        for row in world.rows(task)
    ]  # fmt: skip


@pytest.mark.parametrize("lead", [0.0, 0.03])
def test_a_gate_that_skips_gives_each_fire_its_row_and_its_reason(lead):
    world = World(cron("a", EVERY_10), cron("b", EVERY_10), gates=[Level(Says.SKIP)], lead=lead)
    world.pass_(25)
    assert world.starts_of("a") == []
    assert rows(world) == [
        ("skipped", "level 8 of 6", 10, None, 1),
        ("skipped", "level 8 of 6", 20, None, 1),
    ]
    assert [(e.run.task, e.reason) for e in world.told(FireSkipped)] == [("a", "level 8 of 6")] * 2
    assert world.starts_of("b") == [10.0, 20.0]


@pytest.mark.parametrize("lead", [0.0, 0.03])
def test_fires_that_a_gate_holds_back_are_one_row_and_the_next_one_starts(lead):
    gate = Level(Says.HOLD, until=45.0)
    world = World(cron("a", EVERY_10), gates=[gate], lead=lead)
    world.pass_(55)
    assert rows(world) == [
        ("skipped", "level 8 of 6", 10, 40, 4),
        ("succeeded", "", 50, None, 1),
    ]
    assert world.starts_of("a") == [50.0]
    assert len(world.told(FireSkipped)) == 1


def test_what_is_held_back_again_is_another_row():
    world = World(cron("a", EVERY_10), gates=[Level(Says.HOLD, until=25.0),
                                              Level(Says.HOLD, since=35.0)])  # fmt: skip
    world.pass_(55)
    assert rows(world) == [
        ("skipped", "level 8 of 6", 10, 20, 2),
        ("succeeded", "", 30, None, 1),
        ("skipped", "level 8 of 6", 40, 50, 2),
    ]


def test_a_service_that_dies_leaves_no_fire_that_was_held_back_without_its_row():
    task = cron("a", EVERY_10)
    world = World(task, gates=[Level(Says.HOLD, until=55.0)])
    world.pass_(31)
    world.crash()
    world.recover(task)
    world.pass_(30)
    assert rows(world) == [
        ("skipped", "level 8 of 6", 10, 30, 3),
        ("skipped", "level 8 of 6", 40, 50, 2),
        ("succeeded", "", 60, None, 1),
    ]


def test_fires_that_could_not_be_recorded_while_they_were_held_back_are_recorded_later():
    world = World(cron("a", EVERY_10), gates=[Level(Says.HOLD)])
    world.pass_(11)
    world.history.broken = "disk full"
    world.pass_(20)
    world.history.broken = ""
    world.pass_(5)
    assert rows(world) == [("skipped", "level 8 of 6", 10, 30, 3)]


def test_a_fire_that_a_gate_tells_to_wait_starts_when_it_may():
    world = World(cron("a", "0 * * * *"), cron("b", EVERY_10), gates=[Level(Says.WAIT, until=3605)])
    world.behave("a", lasts=1.0)
    world.pass_(3601)
    assert world.outcomes("a") == ["live"]
    assert world.starts_of("a") == []
    world.pass_(15)
    assert world.starts_of("a") == [3610.0]  # the service wakes for b


@pytest.mark.parametrize("says", [Says.WAIT, Says.SKIP, Says.HOLD])
def test_a_run_by_hand_is_refused_with_the_reason_and_the_way_out(says):
    world = World(cron("a", EVERY_10), gates=[Level(says)])
    (refusal,) = world.send(RunAsked(task="a"))
    assert refusal == Refuse(reason="level 8 of 6", hint="see: torch levels")


@pytest.mark.parametrize("says", [Says.WAIT, Says.SKIP, Says.HOLD])
def test_a_daemon_task_that_is_held_back_is_kept_alive_once_it_may(says):
    world = World(daemon("a", max=2), cron("b", EVERY_10), gates=[Level(says, until=15.0)])
    world.behave("a", lasts=None)
    world.pass_(11)
    assert world.alive("a") == 0
    world.pass_(10)
    assert world.alive("a") == 2


@pytest.mark.parametrize("says", [Says.WAIT, Says.HOLD])
def test_a_retry_that_is_held_back_keeps_its_row_and_starts_when_it_may(says):
    task = cron("a", retry=Retry(attempts=1, delay=5.0))
    world = World(task, cron("b", EVERY_10), gates=[Level(says, since=61.0, until=95.0)])
    world.behave("a", lasts=2.0, code=1)
    world.pass_(80)
    assert world.starts_of("a") == [60.0]
    assert world.outcomes("a") == ["failed", "live"]
    world.pass_(25)
    assert world.starts_of("a") == [60.0, 100.0]


def test_a_gate_learns_who_asks_and_how_many_are_live_and_wait():
    gate = Level(Says.GO, tasks=())
    world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE), gates=[gate])
    world.behave("a", lasts=None)
    world.pass_(25)
    asked = [(c.live, c.waiting, c.trigger, c.fire_time) for c in gate.asked if not c.in_line]
    at = world.base
    assert asked == [
        (0, 0, Trigger.SCHEDULE, at + 10),
        (1, 0, Trigger.SCHEDULE, at + 20),
    ]


def test_the_pause_is_asked_first_and_the_slot_last():
    """A gate between hears of a task that is full, and never of a fire of one that is paused."""
    gate = Level(Says.GO, tasks=())
    world = World(cron("a", EVERY_10), gates=[gate])
    world.behave("a", lasts=None)
    world.pass_(15)
    world.send(PauseAsked(task="a"))
    world.pass_(30)
    world.send(ResumeAsked(task="a"))
    world.pass_(10)
    fires = [c.fire_time - world.base for c in gate.asked if c.fire_time]
    assert fires == [10, 50]
    assert world.count(Outcome.SKIPPED) == 4
