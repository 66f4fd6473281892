"""When the file is read again: what was asked for last is in force in the end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from torch.event import TasksReloaded
from torch.schedule.commands import ReadFile
from torch.schedule.messages import ReadOver, ReloadAsked
from torch.testing import World, cron


def names(world: World) -> list[str]:
    return [view.task.name for view in world.tasks()]


def test_a_file_that_changed_is_in_force_when_it_was_read():
    world = World(cron("a"))
    world.edit(cron("a"), cron("b"))
    world.pass_(0.4)
    assert names(world) == ["a"]
    world.pass_(0.2)
    assert names(world) == ["a", "b"]
    assert [told.added for told in world.told(TasksReloaded)] == [("b",)]


def test_a_thousand_asks_while_one_is_read_are_one_more():
    world = World(cron("a"))
    for number in range(1000):
        world.edit(cron(f"t{number}"))
    world.pass_(5)
    assert world.seen.readings == 2
    assert names(world) == ["t999"]


def test_an_ask_before_the_first_file_is_in_force_is_met_after_it():
    world = World()
    assert world.send(ReloadAsked()) == ()
    world.seen.file = (cron("b"),)
    world.load(cron("a"))
    world.pass_(1)
    assert names(world) == ["b"]


def test_a_file_that_is_being_saved_is_looked_at_again_and_an_ask_comes_before_that():
    world = World(cron("a"))
    core, clock = world.scheduler, world.clock
    assert core.handle(ReloadAsked(), clock.now()) == (ReadFile(is_asked=True),)
    assert core.handle(ReadOver(again_in=5.0), clock.now()) == ()
    assert core.wake_at.mono == clock.mono + 5.0
    world.seen.file = (cron("b"),)
    world.pass_(4.9)
    assert names(world) == ["a"]
    world.pass_(1)
    assert names(world) == ["b"]
    core.handle(ReloadAsked(), clock.now())
    core.handle(ReadOver(again_in=5.0), clock.now())
    assert core.handle(ReloadAsked(), clock.now()) == (ReadFile(is_asked=True),)
    assert core.wake_at.mono is None


def test_a_service_that_stops_reads_no_file():
    world = World(cron("a"))
    world.behave("a", lasts=100.0, term_lasts=8.0)
    world.pass_(61)
    world.stop()
    assert world.send(ReloadAsked()) == ()
    assert world.send(ReadOver(again_in=0.1)) == ()


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.1, 0.3, 2.0]),
                  st.sampled_from([0.0, 0.2, 1.0]), st.booleans()),
        max_size=12,
    )
)  # fmt: skip
def test_what_was_asked_for_last_is_in_force_in_the_end(edits):
    world = World(cron("first"))
    last = "first"
    for number, wait, takes, dies in edits:
        last = f"t{number}"
        world.edit(cron(last), takes=takes)
        world.pass_(wait)
        if dies:
            world.crash()
            world.recover(*world.seen.file)
    world.pass_(5)
    assert names(world) == [last]
    assert world.seen.readings <= len(edits)
