"""Anything in any order: after every step each promise of the core holds.

A world of a few tasks is edited, frozen, stepped, starved of disk, paused, asked for runs, killed
between any two commands and rebooted at random, and its reapers are killed and frozen. The World
itself fails on a start without its row and on a process above `max`; the rest is here. What a run
of fires must come to is judged in tests/simulation.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from torch.event import RunStarted
from torch.run import Outcome, State
from torch.schedule.messages import KillAsked, PauseAsked, ResumeAsked, RunAsked, StopMode
from torch.task import CatchUp, Overlap, Restart, Retry, Task
from torch.testing import Behaviour, Step, World, cron, daemon

NAMES = st.sampled_from("abcd")
CRON = st.builds(
    cron,
    NAMES,
    st.sampled_from(["* * * * * *", "*/7 * * * * *", "@every 20s", "0 * * * * *"]),
    max=st.integers(1, 3),
    overlap=st.sampled_from(Overlap),
    catch_up=st.sampled_from(CatchUp),
    start_within=st.sampled_from([0.0, 5.0, 60.0]),
    timeout=st.sampled_from([None, 3.0]),
    grace=st.sampled_from([0.0, 2.0]),
    enabled=st.sampled_from([True, True, True, False]),
    retry=st.sampled_from([None, None, Retry(attempts=2, delay=2.5), Retry(attempts=1, delay=0)]),
    jitter=st.sampled_from([0.0, 0.0, 3.5]),
)
DAEMON = st.builds(
    daemon,
    NAMES,
    command=st.sampled_from(["one", "two"]),
    max=st.integers(1, 3),
    grace=st.just(2.0),
    restart=st.builds(
        Restart,
        delay=st.just(1.0),
        max_delay=st.just(4.0),
        healthy_after=st.sampled_from([2.0, 5.0]),
    ),
)
TASKS = st.lists(st.one_of(CRON, CRON, DAEMON), max_size=4, unique_by=lambda task: task.name)
BEHAVIOUR = st.builds(
    Behaviour,
    lasts=st.sampled_from([None, 0.0, 0.5, 1.0, 12.0]),
    code=st.sampled_from([0, 1, 137, None]),
    term_lasts=st.sampled_from([None, 0.0, 1.5]),
    reaper_lasts=st.sampled_from([None, None, 0.7]),
    refusal=st.sampled_from(["", "", "", "no such user"]),
)


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.tasks: tuple[Task, ...] = ()
        self.finished: dict[str, Outcome | None] = {}
        self.lead = 0.0
        self.stepped = False

    @initialize(tasks=TASKS, rebooted=st.booleans(), lead=st.sampled_from([0.0, 0.03, 0.7]))
    def begin(self, tasks, rebooted, lead):
        self.tasks = tuple(tasks)
        self.lead = lead
        self.world = World(lead=lead)
        self.world.load(*tasks, rebooted=rebooted)

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 30.0]))
    def time_passes(self, seconds):
        self.world.pass_(seconds)

    @rule(seconds=st.sampled_from([1.0, 40.0, 400.0]))
    def the_host_is_suspended(self, seconds):
        self.world.freeze(seconds)

    @rule(seconds=st.sampled_from([-20_000, -30, -1, 1, 30, 300]))
    def the_clock_is_set(self, seconds):
        self.stepped = True
        self.world.step(seconds)

    @rule(name=NAMES, behaviour=BEHAVIOUR)
    def processes_behave_differently(self, name, behaviour):
        self.world.processes.behave(name, behaviour)

    @rule(tasks=TASKS)
    def the_file_is_another(self, tasks):
        self.tasks = tuple(tasks)
        self.world.load(*tasks)

    @rule(task=st.one_of(CRON, DAEMON))
    def one_task_is_edited(self, task):
        others = tuple(t for t in self.tasks if t.name != task.name)
        self.tasks = (*others, task)
        self.world.load(*self.tasks)

    @rule(name=NAMES)
    def a_run_is_asked_for(self, name):
        self.world.send(RunAsked(task=name))

    @rule(index=st.integers(0, 5), by_force=st.booleans())
    def a_run_is_killed(self, index, by_force):
        alive = [*self.world.processes.alive]
        if alive:
            self.world.send(KillAsked(run_ids=(alive[index % len(alive)],), by_force=by_force))

    @rule(reason=st.sampled_from(["disk full", ""]))
    def the_disk_fills_or_empties(self, reason):
        self.world.history.broken = reason

    @rule(name=NAMES, seconds=st.sampled_from([None, 3.0, 30.0]))
    def a_task_is_paused(self, name, seconds):
        until = None if seconds is None else self.world.clock.wall + seconds
        self.world.send(PauseAsked(task=name, until=until))

    @rule(name=NAMES)
    def a_task_is_resumed(self, name):
        self.world.send(ResumeAsked(task=name))

    @rule(at=st.sampled_from([None, *Step]), old=st.booleans())
    def a_reaper_is_killed(self, at, old):
        if old:
            self.world.kill_old_reapers()
        else:
            self.world.kill_reaper(at)

    @rule()
    def the_reaper_is_frozen(self):
        self.world.freeze_reaper()

    @rule()
    def reapers_go_on(self):
        self.world.thaw_reapers()

    @rule()
    def the_service_stops_and_another_begins(self):
        world = self.world
        world.thaw_reapers()
        world.history.broken = ""
        world.stop()
        world.pass_(10)
        assert world.left
        assert not world.processes.alive
        assert all(r.state is State.FINISHED or r.not_before for r in world.rows())
        world.recover(*self.tasks)

    @rule(
        mode=st.sampled_from(["now", "kept", "after 1", "after 3", "reboot", "both"]),
        away=st.sampled_from([0.0, 1.0, 70.0]),
        tasks=st.one_of(st.none(), st.none(), TASKS),
        again=st.integers(0, 3),
    )
    def the_service_dies_and_another_recovers(self, mode, away, tasks, again):
        world = self.world
        if mode == "kept":
            world.stop(mode=StopMode.KEEP)
        elif mode == "reboot":
            world.reboot()
        elif mode == "both":
            world.crash(both=True)
        elif mode != "now":
            world.crash_after(int(mode[-1]))
            world.pass_(1.0)
        world.crash()
        world.pass_(away)
        world.history.broken = ""
        self.tasks = self.tasks if tasks is None else tuple(tasks)
        for commands in range(again):
            world.recover(*self.tasks, dies_after=commands)
        world.recover(*self.tasks)

    # ── what must hold ────────────────────────────────────────────────────────────────────

    @invariant()
    def each_fire_has_exactly_one_disposition(self):
        identities = Counter(
            (row.run.task, row.run.fire_time, row.run.attempt)
            for row in self.world.rows()
            if row.run.fire_time
        )
        assert not [identity for identity, count in identities.items() if count > 1]

    @invariant()
    def what_lives_is_what_holds_a_slot(self):
        processes = self.world.processes
        live = {run.run.id for run in self.world.live()}
        known = {*processes.alive, *processes.orders}
        # What has ended and is not heard of yet, or may have begun, has its slot all the same.
        silent = any(reaper.silent for reaper in processes.reapers)
        assert known <= live if silent else known == live

    @invariant()
    def nothing_begins_before_its_fire_time(self):
        for event in self.world.told(RunStarted):
            assert event.lateness is None or event.lateness > -0.001 or self.stepped

    @invariant()
    def a_finished_row_never_moves_again(self):
        for run_id, row in self.world.history.rows.items():
            if run_id in self.finished:
                assert row.outcome is self.finished[run_id]
            elif row.state is State.FINISHED:
                self.finished[run_id] = row.outcome

    @invariant()
    def no_run_has_two_processes(self):
        starts = Counter(run.id for run in self.world.seen.begun)
        assert max(starts.values(), default=1) == 1

    @invariant()
    def a_row_that_is_not_finished_is_alive_or_waits_or_is_owed(self):
        world = self.world
        if world.history.broken or world.service.owed:
            return
        held = {run.run.id for run in world.live()}
        for state in world.tasks():
            held |= {run.id for run in (*state.waiting, *(each.run for each in state.put_off))}
        assert {row.run.id for row in world.rows() if row.state is not State.FINISHED} == held

    @invariant()
    def daemon_tasks_are_kept_and_waiting_fires_want_a_slot_that_is_taken(self):
        tasks = self.world.tasks()
        for state in tasks:
            if state.waiting:
                assert len(state.runs) >= state.task.max
        wanted = [(task.name, task.digest) for task in self.tasks]
        assert [(s.task.name, s.task.digest) for s in tasks if s.present] == wanted

    @invariant()
    def a_task_that_fires_has_its_next_fire_ahead(self):
        world = self.world
        paused = {state.task.name for state in world.tasks() if state.paused}
        for task in self.tasks:
            at = next(view.next for view in world.tasks() if view.task.name == task.name)
            if task.schedule and task.enabled and task.name not in paused:
                assert at is not None
                assert at > world.clock.wall or at <= world.clock.wall < at + 1
            else:
                assert at is None


AnyOrder.TestCase.settings = settings(max_examples=200, stateful_step_count=40, derandomize=True)
test_every_promise_holds_whatever_happens_in_whatever_order = AnyOrder.TestCase
