"""A changed file: what it does to runs, next fires, slots and counters, and what it must not."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from torch.event import FireSkipped, TasksReloaded
from torch.schedule.messages import RunAsked
from torch.task import CatchUp, Overlap
from torch.testing import World, cron, daemon

EVERY_10 = "*/10 * * * * *"


def running(lasts=None, **keys) -> World:
    """A world with a run of `a` that started at 10 s."""
    world = World(cron("a", EVERY_10, **keys))
    world.behave("a", lasts=lasts, term_lasts=5.0)
    world.pass_(11)
    return world


def test_a_reload_says_what_changed():
    world = World(cron("a"), cron("b"), cron("c"))
    world.load(cron("a"), cron("b", max=2), cron("d"))
    (told,) = world.told(TasksReloaded)
    assert (told.added, told.removed, told.changed, told.unchanged) == (("d",), ("c",), ("b",), 1)
    assert told.version == "v2"


def test_the_first_load_is_not_told_as_a_reload():
    assert World(cron("a")).told(TasksReloaded) == []


def test_an_unchanged_task_keeps_its_runs_its_next_fire_and_its_counters():
    world = running()
    world.behave("d", lasts=0.5, code=1)
    daemon_task = daemon("d")
    world.load(cron("a", EVERY_10), daemon_task)
    world.pass_(7)
    before = [
        (s.task, s.since, s.keeper and [(x.failures, x.not_before) for x in s.keeper.slots])
        for s in world.scheduler._states.in_order()
    ]
    rows = len(world.rows())
    world.load(cron("a", EVERY_10), daemon_task, cron("new"))
    after = [
        (s.task, s.since, s.keeper and [(x.failures, x.not_before) for x in s.keeper.slots])
        for s in world.scheduler._states.in_order()
    ]
    assert after[:2] == before
    assert len(world.rows()) == rows
    assert world.alive("a") == 1


def test_a_run_ends_under_the_definition_it_started_with():
    world = running(lasts=20.0, success_codes=frozenset({0}), timeout=15.0)
    world.load(cron("a", EVERY_10, success_codes=frozenset({1}), timeout=500.0))
    world.pass_(30)
    assert world.outcomes("a")[0] == "timed_out"


def test_the_row_of_a_run_names_the_version_it_started_under():
    world = running(lasts=1.0)
    world.load(cron("a", EVERY_10, description="edited"))
    world.pass_(10)
    assert [row.run.version for row in world.rows("a")] == ["v1", "v2"]


def test_a_removed_cron_tasks_run_goes_on_to_its_end():
    world = running(lasts=100.0)
    world.load()
    assert [state.present for state in world.tasks()] == [False]
    world.pass_(100)
    assert world.outcomes("a") == ["succeeded"]
    assert world.signals == []
    assert world.tasks() == []


def test_a_removed_task_fires_no_more():
    world = running(lasts=1.0)
    world.load()
    world.pass_(100)
    assert world.fires("a") == [10]


def test_a_waiting_fire_of_a_removed_task_is_given_up_with_a_row():
    world = running(overlap=Overlap.QUEUE)
    world.pass_(10)
    world.load()
    assert world.outcomes("a") == ["live", "skipped"]
    (told,) = world.told(FireSkipped)
    assert told.reason == "its task left the file"


def test_a_waiting_fire_of_a_disabled_task_is_given_up_with_a_row():
    world = running(overlap=Overlap.QUEUE)
    world.pass_(10)
    world.load(cron("a", EVERY_10, enabled=False))
    assert world.told(FireSkipped)[0].reason == "its task was disabled"


def test_a_waiting_fire_of_a_task_that_becomes_a_daemon_is_given_up_with_a_row():
    world = running(overlap=Overlap.QUEUE)
    world.pass_(10)
    world.load(daemon("a"))
    assert world.told(FireSkipped)[0].reason == "it became a daemon task"


def test_a_task_removed_and_added_again_while_it_runs_holds_its_max():
    world = running()
    world.load()
    world.load(cron("a", EVERY_10))
    world.pass_(20)
    assert len(world.starts) == 1
    assert world.outcomes("a") == ["live", "skipped", "skipped"]


def test_a_lowered_max_starts_nothing_until_enough_have_ended():
    world = running(max=3, lasts=45.0)
    world.pass_(20)
    assert world.alive("a") == 3
    world.load(cron("a", EVERY_10, max=1))
    world.pass_(60)
    # Runs of 10, 20 and 30 end at 55, 65 and 75; the next fire with a free slot is 80.
    assert world.starts_of("a") == [10.0, 20.0, 30.0, 80.0]


def test_a_raised_max_lets_the_waiting_fire_start():
    world = running(overlap=Overlap.QUEUE)
    world.pass_(10)
    assert world.alive("a") == 1
    world.load(cron("a", EVERY_10, overlap=Overlap.QUEUE, max=2))
    assert world.alive("a") == 2


def test_a_fire_at_the_instant_of_a_reload_is_decided_once_by_the_old_definition():
    world = World(cron("a", EVERY_10))
    world.clock.advance(10)
    world.load(cron("a", EVERY_10, command="new"))
    (process,) = world.processes.of("a")
    assert process.task.command == "true"
    world.pass_(0.5)
    assert world.fires("a") == [10]


def test_a_new_schedule_counts_from_the_reload_on():
    world = World(cron("a", "0 * * * *"))
    world.pass_(65)
    world.load(cron("a", "30 * * * * *", catch_up=CatchUp.ALL))
    world.pass_(100)
    assert world.fires("a") == [90, 150]


def test_tasks_that_a_reload_starts_start_in_file_order():
    world = World(daemon("c", enabled=False))
    world.load(daemon("a"), daemon("b"), daemon("c"), daemon("d"))
    assert [name for name, _ in world.starts] == ["a", "b", "c", "d"]
    again = World(daemon("b", enabled=False))
    again.load(daemon("b"), daemon("z"))
    assert [name for name, _ in again.starts] == ["b", "z"]


def test_each_definition_in_force_is_on_record():
    world = World(cron("a"), cron("b"))
    world.pass_(90)
    edited = cron("a", max=2)
    world.load(edited)
    found = world.history.definitions
    assert (found["a"].digest, found["a"].since) == (edited.digest, world.base + 90)
    assert (found["b"].digest, found["b"].since) == ("", world.base + 90)


def test_a_hand_run_of_a_disabled_task_may_still_be_wanted():
    world = World(cron("a", enabled=False))
    world.send(RunAsked(task="a"))
    assert world.alive("a") == 1


def test_while_stopping_a_changed_file_changes_nothing():
    world = running()
    world.stop()
    world.load(cron("b", EVERY_10))
    assert [state.task.name for state in world.tasks()] == ["a"]


# ── no fire is lost or doubled by a reload ────────────────────────────────────────────────

OTHERS = st.lists(
    st.builds(
        cron,
        st.sampled_from("bcd"),
        st.sampled_from(["* * * * * *", "*/7 * * * * *", "0 * * * *"]),
        max=st.integers(1, 2),
        overlap=st.sampled_from(Overlap),
    ),
    max_size=3,
    unique_by=lambda task: task.name,
)


@settings(max_examples=150)
@given(
    text=st.sampled_from(["* * * * * *", "*/7 * * * * *", "@every 3s", "5,6,31 * * * * *"]),
    at=st.integers(0, 1),
    reloads=st.lists(
        st.tuples(st.floats(0, 20) | st.integers(0, 20), OTHERS, st.booleans()), max_size=8
    ),
)
def test_a_reload_at_any_instant_loses_and_doubles_no_fire_of_an_untouched_task(text, at, reloads):
    task = cron("a", text)
    world = World(task)
    world.behave("a", lasts=0.0)
    for wait, others, seen in reloads:
        if seen:
            world.pass_(wait)
        else:
            world.clock.advance(min(wait, 0.9))  # the reload comes before the core was woken
        before, after = others[:at], others[at:]
        world.load(*before, task, *after)
    world.pass_(10)
    (expression,) = task.schedule
    expected, instant = [], world.base
    while (instant := expression.next_epoch(instant) or 0) <= world.clock.wall:
        expected.append(instant - world.base)
    assert world.fires("a") == expected
    assert world.outcomes("a") == ["succeeded"] * len(expected)


def test_a_task_that_waits_for_its_fire_holds_next_to_nothing_beside_its_definition():
    """A service may have ten thousand of them: an empty deque each would be 6 MiB."""
    (state,) = World(cron("a")).scheduler._states.seen().values()
    held = (state, state.waiting, state.delayed, state.instants)
    assert sum(map(sys.getsizeof, held)) < 450
