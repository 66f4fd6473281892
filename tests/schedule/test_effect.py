"""What is told of a reload before it is done is what it then does."""

from __future__ import annotations

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.schedule.test_random_walk import BEHAVIOUR, NAMES, TASKS
from torch.event import FireSkipped, RunStopping
from torch.schedule.commands import Tell
from torch.schedule.effect import Becomes
from torch.schedule.messages import Loaded, PauseAsked
from torch.task import Overlap, Restart, Retry
from torch.testing import World, cron, daemon

RESTART = Restart(delay=1.0, max_delay=8.0, healthy_after=10.0)


def told(world: World, *tasks) -> list[tuple[str, str]]:
    """(task, what becomes of it) of each run and waiting fire, then the reload itself."""
    found = world.scheduler.rehearse(tasks)[1]
    return [(effect.task, effect.becomes.value) for effect in found]


def kept(**keys) -> World:
    world = World()
    world.behave("d", lasts=None)
    world.load(daemon("d", restart=RESTART, **keys))
    return world


def test_a_removed_daemon_tasks_runs_are_stopped_and_a_cron_tasks_go_on():
    world = kept(max=2)
    world.behave("c", lasts=None)
    world.load(daemon("d", restart=RESTART, max=2), cron("c", "* * * * * *"))
    world.pass_(1.0)
    assert told(world) == [("d", "stopped"), ("d", "stopped"), ("c", "goes_on")]


def test_a_changed_launch_replaces_each_run_of_a_daemon_task():
    world = kept(max=3)
    world.pass_(1.0)
    assert (
        told(world, daemon("d", restart=RESTART, max=3, command="new")) == [("d", "replaced")] * 3
    )


def test_what_no_process_sees_and_what_is_untouched_is_not_stopped():
    world = kept()
    world.pass_(1.0)
    assert told(world, daemon("d", restart=RESTART, description="new")) == [("d", "goes_on")]
    assert told(world, daemon("d", restart=RESTART)) == []


def test_a_lowered_max_stops_the_newest_and_a_disabled_task_all():
    world = kept(max=3)
    world.pass_(1.0)
    lowered = world.scheduler.rehearse((daemon("d", restart=RESTART, max=1),))[1]
    assert [(e.run, e.becomes.value, e.reason) for e in lowered[1:]] == [
        ("r2", "stopped", "max was lowered to 1"),
        ("r3", "stopped", "max was lowered to 1"),
    ]
    assert told(world, daemon("d", max=3, enabled=False)) == [("d", "stopped")] * 3


def test_a_fire_that_waits_is_given_up_when_its_task_is_disabled_and_waits_on_otherwise():
    world = World()
    world.behave("c", lasts=None)
    world.load(cron("c", "* * * * * *", overlap=Overlap.QUEUE))
    world.pass_(2.0)
    assert told(world, cron("c", overlap=Overlap.QUEUE)) == [("c", "goes_on"), ("c", "waits_on")]
    assert told(world, cron("c", enabled=False)) == [("c", "goes_on"), ("c", "given_up")]
    assert told(world, daemon("c")) == [("c", "goes_on"), ("c", "given_up")]


def test_a_retry_that_waits_is_given_up_when_its_task_leaves():
    world = World()
    world.behave("c", lasts=0.1, code=1)
    world.load(cron("c", "0 * * * *", retry=Retry(attempts=1, delay=50.0)))
    world.pass_(3601.0)
    assert told(world) == [("c", "given_up")]


def test_a_run_that_is_being_stopped_is_said_to_be():
    world = World()
    world.behave("d", lasts=None, term_lasts=None)
    world.load(daemon("d", restart=RESTART))
    world.pass_(1.0)
    world.load(daemon("d", restart=RESTART, command="new"))
    assert told(world) == [("d", "stopping")]


def test_a_run_is_judged_by_the_definition_it_started_with():
    world = kept(max=2)
    world.pass_(1.0)
    edited = daemon("d", restart=RESTART, max=2, command="new")
    world.load(edited)
    world.pass_(1.0)  # one is replaced, and not healthy yet; the other is still the old one
    found = world.scheduler.rehearse((daemon("d", restart=RESTART, max=2),))[1]
    assert [(effect.run, effect.becomes.value) for effect in found] == [
        ("r2", "goes_on"),
        ("r3", "replaced"),
    ]


def test_telling_changes_nothing():
    world = kept(max=2)
    world.pass_(1.0)
    told(world)
    assert world.alive("d") == 2
    assert world.outcomes("d") == ["live", "live"]


@settings(max_examples=300)
@given(
    before=TASKS, after=TASKS, behaviour=st.dictionaries(NAMES, BEHAVIOUR),
    paused=st.one_of(st.none(), NAMES), seconds=st.sampled_from([0.2, 1.3, 7.1, 33.3]),
    between=st.one_of(st.none(), TASKS),
)  # fmt: skip
def test_what_is_told_is_what_a_reload_then_does(
    before, after, behaviour, paused, seconds, between
):
    world = World()
    for name, keys in behaviour.items():
        world.processes.behave(name, keys)
    world.load(*before)
    world.pass_(seconds)
    if paused is not None:
        world.send(PauseAsked(task=paused, until=None))
    if between is not None:  # some runs are older than the definition in force
        world.load(*between)
        world.pass_(0.4)
    said = world.scheduler.rehearse(tuple(after))[1]
    answer = world.send(Loaded(tasks=tuple(after), version="after"))
    facts = [command.event for command in answer if isinstance(command, Tell)]
    stopped = {fact.run.id: fact.reason for fact in facts if isinstance(fact, RunStopping)}
    skipped = {fact.run.id: fact.reason for fact in facts if isinstance(fact, FireSkipped)}
    promised = {e.run: e for e in said}
    for effect in said:
        event(effect.becomes.value)
        match effect.becomes:
            case Becomes.STOPPED:
                assert stopped[effect.run] == effect.reason
            case Becomes.GIVEN_UP:
                assert skipped[effect.run] == effect.reason
            case Becomes.REPLACED:
                assert stopped.get(effect.run, effect.reason) == effect.reason
            case _:
                assert effect.run not in stopped
                assert effect.run not in skipped
    untold = {*stopped, *skipped} - promised.keys()
    assert not untold, "it touched what it did not tell of"
    replaced = [e for e in said if e.becomes is Becomes.REPLACED]
    for task in {e.task for e in replaced}:
        assert sum(e.run in stopped for e in replaced if e.task == task) <= 1
