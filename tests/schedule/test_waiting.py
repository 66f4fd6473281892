"""Fires that wait: for a slot, for a retry's instant, for their share of a jitter."""

from __future__ import annotations

from torch.event import RetryPlanned
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.messages import PauseAsked, ResumeAsked
from torch.schedule.record import Entry, Progress, Record, Step, withheld
from torch.task import Overlap, Retry
from torch.testing import World, cron

EVERY_10 = "*/10 * * * * *"


# ── what waits while nothing can be written ───────────────────────────────────────────────


def test_a_fire_that_waited_does_not_start_while_nothing_can_be_written():
    world = World(cron("a", EVERY_10, overlap=Overlap.QUEUE))
    world.behave("a", lasts=15.0)
    world.pass_(20)  # the fire of 20 waits
    world.history.broken = "disk full"
    world.pass_(9)
    assert world.starts_of("a") == [10.0]
    world.history.broken = ""
    world.pass_(1)
    assert world.outcomes("a") == ["succeeded", "missed", "live"]


def test_a_crash_after_a_full_disk_starts_no_fire_that_waited_twice():
    task = cron("a", EVERY_10, overlap=Overlap.QUEUE)
    world = World(task)
    world.behave("a", lasts=15.0)
    world.pass_(20)
    world.history.broken = "disk full"
    world.pass_(6)
    world.crash()
    world.history.broken = ""
    world.recover(task)
    assert world.starts_of("a") == [10.0, 26.0]
    assert world.outcomes("a") == ["succeeded", "live"]


RUN = Run(id="r1", task="a", trigger=Trigger.MANUAL)


def test_a_fire_that_is_given_up_in_the_batch_that_failed_keeps_its_disposition():
    ended = Progress(
        run=RUN, step=Step.ENDED, at=1.0, ending=Ending(outcome=Outcome.SKIPPED, reason="paused")
    )
    batch = [Record((Entry(run=RUN),)), Record((ended,))]
    assert withheld(batch) == (frozenset({"r1"}), [Record((ended,))])


def test_what_is_offered_is_withheld_like_an_intent():
    offered = Progress(run=RUN, step=Step.OFFERED, at=1.0)
    assert withheld([Record((offered,))]) == (frozenset({"r1"}), [])


# ── retries ───────────────────────────────────────────────────────────────────────────────


def failing(**keys) -> World:
    """Fires at 0 of each minute, fails after a second, and tries twice more."""
    policy = Retry(attempts=2, delay=5.0)
    world = World(cron("a", retry=policy, **keys))
    world.behave("a", lasts=1.0, code=3)
    return world


def test_a_failed_run_is_tried_again_after_its_delay_each_time_longer():
    world = failing()
    world.pass_(100)
    assert world.starts_of("a") == [60.0, 66.0, 77.0]
    assert [row.run.attempt for row in world.rows()] == [1, 2, 3]
    assert world.fires("a") == [60, 60, 60]
    assert [told.delay for told in world.told(RetryPlanned)] == [5.0, 10.0]


def test_after_a_success_nothing_is_tried_again():
    world = failing()
    world.pass_(61)
    world.behave("a", code=0)
    world.pass_(39)
    assert world.outcomes("a") == ["failed", "succeeded"]


def test_the_next_attempt_is_on_disk_together_with_the_end_of_the_one_before():
    world = failing()
    world.pass_(61)
    world.crash()
    task = cron("a", retry=Retry(attempts=2, delay=5.0))
    world.recover(task)
    world.pass_(30)
    assert world.starts_of("a") == [60.0, 66.0, 77.0]


def test_a_retry_that_waits_gives_way_to_a_newer_fire():
    world = World(cron("a", EVERY_10, retry=Retry(attempts=3, delay=30.0)))
    world.behave("a", lasts=1.0, code=3)
    world.pass_(20)
    assert world.outcomes("a") == ["failed", "skipped", "live"]


def test_a_pause_gives_up_the_retry_that_waits():
    world = failing()
    world.pass_(61)
    world.send(PauseAsked(task="a"))
    world.send(ResumeAsked(task="a"))
    world.pass_(30)
    assert world.outcomes("a") == ["failed", "skipped"]


# ── jitter ────────────────────────────────────────────────────────────────────────────────


def test_a_fire_with_jitter_begins_at_its_share_of_it_and_keeps_its_fire_time():
    world = World(cron("a", jitter=30.0))
    world.pass_(100)
    (begun,) = world.starts_of("a")
    assert 60.0 <= begun < 90.0
    assert world.fires("a") == [60]


def test_a_restart_moves_no_jitter():
    task = cron("a", jitter=30.0)
    world, other = World(task), World(task)
    world.pass_(60)
    world.crash()
    world.recover(task)
    world.pass_(40)
    other.pass_(100)
    assert world.starts_of("a") == other.starts_of("a") != []
