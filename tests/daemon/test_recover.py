"""What a new service finds: each line of the table in ARCHITECTURE.md, with real shims."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.waiting import until
from torch.clock import FireTime, SystemClock
from torch.daemon.recover import Recoverer
from torch.daemon.runfile import look
from torch.daemon.spawn import release, spawn
from torch.history.store import Store
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.messages import Trace
from torch.schedule.record import Definition, Entry, Progress, Record, Step
from torch.task import Task

BOOT = "this-boot"
TASK = Task(name="t", command="echo", timeout=9.0, digest="d1")


class Host:
    """A state directory as a service that was killed leaves it."""

    def __init__(self, folder):
        self.folder = folder
        self.runs = folder / "runs"
        self.runs.mkdir()
        self.store = Store(str(folder / "history.db"), at=1.0)
        self.shims = []
        self.count = 0

    def run(self, **keys):
        self.count += 1
        return Run(
            id=f"r-{self.count}", task="t", trigger=Trigger.SCHEDULE,
            fire_time=FireTime(60 * self.count), **keys,
        )  # fmt: skip

    def intend(self, *, boot=BOOT, **keys):
        """A row, and nothing more."""
        run = self.run()
        entry = Entry(run=run, digest="d1", **keys)
        definition = Definition(name="t", since=FireTime(0), task=TASK)
        self.commit(Record(entries=(entry,), definitions=(definition,)), boot=boot)
        return run

    def commit(self, record, *, boot=BOOT):
        self.store.commit([record], at=5.0, boot_id=boot)

    def begin(self, command, *, boot=BOOT, released=True):
        """A row and a real shim; its pid is given with the run."""
        run = self.intend(boot=boot)
        out = os.open(self.folder / "out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        spawned = spawn(
            run, Task(name="t", command=command), runs_dir=str(self.runs), output_fd=out
        )
        os.close(out)
        self.shims.append(spawned.pid)
        if released:
            assert release(spawned.go)
            until("the shim says that it began", lambda: self.says(run))
        else:
            os.close(spawned.go)
        return run, spawned.pid

    def says(self, run):
        seen = look(self.path(run))
        return seen.shim if seen else None

    def path(self, run):
        return str(self.runs / run.id)

    def reap(self, pid):
        self.shims.remove(pid)
        os.waitpid(pid, 0)

    def find(self, tasks=()):
        recoverer = Recoverer(
            store=self.store, runs_dir=str(self.runs), boot_id=BOOT, clock=SystemClock()
        )
        known = {task.name: task for task in tasks}
        return asyncio.run(recoverer.find(self.store.unfinished(), known))

    def only(self):
        (found,) = self.find()
        return found

    def close(self):
        for pid in self.shims:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.store.close()


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.close()


def test_a_row_without_a_run_file_never_started(host):
    run = host.intend()
    assert (host.only().trace, host.only().run) == (Trace.NEVER_STARTED, run)


def test_an_empty_run_file_that_nobody_holds_never_started_and_makes_room(host):
    run, pid = host.begin("true", released=False)
    host.reap(pid)
    assert look(host.path(run)) is not None
    assert host.only().trace is Trace.NEVER_STARTED
    assert look(host.path(run)) is None


def test_a_shim_that_lives_is_alive_with_its_pid_its_definition_and_its_beginning(host):
    before = SystemClock().now()
    _, pid = host.begin("sleep 600")
    found = host.only()
    assert (found.trace, found.pid, found.task) == (Trace.ALIVE, pid, TASK)
    assert before.mono - 0.1 <= found.started.mono <= SystemClock().now().mono


def test_one_that_ended_while_we_were_away_has_its_code_and_its_time(host):
    run, pid = host.begin("exit 7")
    host.reap(pid)
    os.utime(host.path(run), (100.0, 100.0))
    found = host.only()
    assert (found.trace, found.exit_code, found.at) == (Trace.ENDED, 7, 100.0)


def test_the_code_counts_on_another_boot_too(host):
    _, pid = host.begin("exit 3", boot="another")
    host.reap(pid)
    assert (host.only().trace, host.only().exit_code) == (Trace.ENDED, 3)


def test_a_killed_shim_leaves_its_command_and_then_nothing_is_known(host):
    _, pid = host.begin("sleep 600 & echo $! >&2; wait; true")
    child = int(until("the command says its child", (host.folder / "out").read_text))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    host.shims.remove(pid)
    found = host.only()
    assert (found.trace, found.exit_code, found.pid) == (Trace.LEFT, None, pid)
    os.killpg(os.getpgid(child), signal.SIGKILL)
    until("nothing of it lives", lambda: host.only().trace is Trace.GONE)
    assert host.only().reason == "its shim was killed; how the command ended is not known"


def test_what_ran_when_the_host_went_down_is_unknown(host):
    host.intend(boot="another")
    assert (host.only().trace, host.only().reason) == (
        Trace.GONE,
        "the host restarted while it ran",
    )


def test_what_still_waits_never_started_on_any_boot(host):
    host.intend(boot="another", not_before=77.0)
    assert (host.only().trace, host.only().not_before) == (Trace.NEVER_STARTED, 77.0)


def test_a_run_that_began_and_whose_file_somebody_removed_is_unknown(host):
    run = host.intend()
    host.commit(Record(progress=(Progress(run=run, step=Step.STARTED, at=6.0, pid=4),)))
    assert host.only().trace is Trace.GONE


def test_what_it_was_told_before_the_crash_is_found_again(host):
    run, _ = host.begin("sleep 600")
    fate = Ending(outcome=Outcome.TIMED_OUT, reason="timeout (9 s)")
    host.commit(Record(progress=(Progress(run=run, step=Step.STOPPING, at=6.0, ending=fate),)))
    assert host.only().fate == fate


def test_what_was_told_to_stop_and_is_gone_was_stopped_unless_the_host_restarted(host):
    fate = Ending(outcome=Outcome.KILLED, reason="torch kill")
    for boot in (BOOT, "another"):
        run = host.intend(boot=boot)
        began = Progress(run=run, step=Step.STARTED, at=5.5, pid=4)
        told = Progress(run=run, step=Step.STOPPING, at=6.0, ending=fate)
        host.commit(Record(progress=(began, told)), boot=boot)
    here, another = host.find()
    assert (here.trace, here.fate) == (Trace.GONE, fate)
    assert (another.trace, another.fate) == (Trace.GONE, None)


def test_a_run_that_lives_without_a_row_is_found_by_its_run_file(host):
    run, pid = host.begin("sleep 600")
    host.store.close()
    os.unlink(host.folder / "history.db")
    host.store = Store(str(host.folder / "history.db"), at=2.0)
    (found,) = host.find([TASK])
    assert (found.run.id, found.run.task, found.run.fire_time) == (run.id, "t", run.fire_time)
    assert (found.trace, found.pid, found.task) == (Trace.ALIVE, pid, TASK)


def test_run_files_of_runs_that_are_over_go(host):
    run, pid = host.begin("exit 0")
    host.reap(pid)
    end = Ending(outcome=Outcome.SUCCEEDED, exit_code=0)
    host.commit(Record(progress=(Progress(run=run, step=Step.ENDED, at=6.0, ending=end),)))
    assert host.find() == ()
    assert look(host.path(run)) is None


def test_recovering_twice_finds_the_same(host):
    host.begin("sleep 600")
    host.intend()
    traces = [found.trace for found in host.find()]
    assert traces == [found.trace for found in host.find()] == [Trace.ALIVE, Trace.NEVER_STARTED]


def test_a_pid_that_is_a_strangers_by_now_is_no_run(host):
    run = host.intend()
    with open(host.path(run), "w") as file:
        file.write(f"S {os.getpid()}\n")
    found = host.only()
    assert (found.trace, found.exit_code) == (Trace.GONE, None)
