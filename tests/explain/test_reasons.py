"""Each reason that the core records is known, and says what would change it."""

from __future__ import annotations

import pytest

from torch.clock import FireTime
from torch.explain.reasons import known
from torch.run import Run, Trigger
from torch.schedule.evidence import NOTHING_SAID, REAPER_KILLED
from torch.schedule.messages import (
    FoundRun,
    KillAsked,
    PauseAsked,
    Recovered,
    ResumeAsked,
    StopAsked,
    Trace,
)
from torch.schedule.record import Paused
from torch.task import CatchUp, Overlap, Retry
from torch.testing import World
from torch.testing.tasks import cron, daemon

A_MINUTE = "* * * * *"


def reasons(world: World) -> set[str]:
    """The reasons of all rows that have one."""
    endings = [row.ending for row in world.rows() if row.ending is not None]
    return {ending.reason for ending in endings if ending.reason}


def slots() -> World:
    world = World(cron("a", A_MINUTE), cron("b", A_MINUTE, overlap=Overlap.REPLACE))
    world.behave("a", lasts=600)
    world.behave("b", lasts=600)
    world.pass_(300)
    return world


def ended_by_hand() -> World:
    world = World(cron("a", A_MINUTE, timeout=100.0), cron("b", A_MINUTE))
    world.behave("a", lasts=600)
    world.behave("b", lasts=600)
    world.pass_(200)
    world.send(KillAsked(run_ids=tuple(run.run.id for run in world.live("b"))))
    world.pass_(10)
    return world


def stopped() -> World:
    world = World(cron("a", A_MINUTE, overlap=Overlap.QUEUE))
    world.behave("a", lasts=600)
    world.pass_(130)
    world.send(StopAsked())
    world.pass_(60)
    return world


def paused() -> World:
    world = World(cron("a", A_MINUTE, overlap=Overlap.QUEUE), cron("b", A_MINUTE))
    world.behave("a", lasts=600)
    world.pass_(130)
    world.send(PauseAsked(task="a"))
    world.send(PauseAsked(task="b"))
    world.pass_(200)
    world.send(ResumeAsked(task="b"))
    return world


def late() -> World:
    world = World(
        cron("a", A_MINUTE, start_within=10.0),
        cron("b", A_MINUTE, catch_up=CatchUp.LAST),
        cron("c", "* * * * * *", catch_up=CatchUp.ALL),
    )
    world.pass_(60)
    world.freeze(630)
    world.pass_(60)
    return world


def edited() -> World:
    tasks = [cron(n, A_MINUTE, overlap=Overlap.QUEUE) for n in "abc"]
    world = World(*tasks, daemon("d"))
    for name in "abcd":
        world.behave(name, lasts=6000)
    world.pass_(130)
    off = cron("a", A_MINUTE, overlap=Overlap.QUEUE, enabled=False)
    world.load(off, daemon("c"), daemon("d", command="other"))
    world.pass_(60)
    return world


def retried() -> World:
    world = World(cron("a", A_MINUTE, retry=Retry(attempts=2, delay=90.0)))
    world.behave("a", code=1)
    world.pass_(300)
    return world


def unwritten() -> World:
    world = World(cron("a", A_MINUTE))
    world.history.broken = "disk full"
    world.pass_(130)
    world.history.broken = ""
    world.pass_(60)
    return world


@pytest.mark.parametrize(
    "past", [slots, ended_by_hand, stopped, paused, late, edited, retried, unwritten]
)
def test_every_reason_that_the_core_records_is_known(past):
    found = reasons(past())
    assert found
    assert {reason for reason in found if known(reason, cron("a")) is None} == set()


def test_the_reasons_of_a_recovery_are_known():
    task = cron("a", A_MINUTE)
    world = World()
    before = FireTime(world.base - 3600)
    runs = [
        Run(id=name, task=name, trigger=Trigger.SCHEDULE, fire_time=before)
        for name in ("a", "gone", "asleep")
    ]
    found = tuple(
        FoundRun(run=run, trace=Trace.NEVER_STARTED, task=task, recorded_at=world.base - 3600)
        for run in runs
    )
    world.send(Recovered(found=found, paused={"asleep": Paused(since=FireTime(world.base - 7200))}))
    world.load(task, cron("asleep", A_MINUTE))
    told = [event.reason for event in world.events if hasattr(event, "reason")]
    assert len(told) == 3
    assert {reason for reason in told if known(reason, task) is None} == set()


@pytest.mark.parametrize(
    "reason",
    [
        "its shim was killed; how the command ended is not known",
        REAPER_KILLED,
        NOTHING_SAID,
        "the host restarted while it ran",
        "its run file is gone; how it ended is not known",
        "stopped before it started",
    ],
)
def test_the_reasons_of_the_service_are_known(reason):
    assert known(reason, cron("a")) is not None


def test_a_reason_that_an_older_version_recorded_is_still_known():
    assert known("1 live and 1 waiting, max is 1", cron("a")) == known(
        "1 active, 1 queued, max is 1", cron("a")
    )


def test_what_would_change_it_is_not_what_is_so_already():
    full = "1 active, 1 queued, max is 1"
    queued = known(full, cron("a", overlap=Overlap.QUEUE, timeout=5.0))
    assert queued is not None
    assert queued.changes == (
        "'max: 2' allows one more run at a time",
        "'overlap: replace' ends the oldest run and starts the new one",
    )
    due = "a newer fire of the task was due too"
    all_start = known(due, cron("a", catch_up=CatchUp.ALL))
    assert all_start is not None
    assert all_start.changes == ()


def test_a_reason_that_nobody_knows_is_left_as_it_is():
    assert known("the moon was full", cron("a")) is None
