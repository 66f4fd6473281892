"""What a new service finds: each line of the table in docs/semantics.md, with real reapers, and
with the shims of the version before."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace
from typing import cast

import pytest

from tests.daemon import old_shim
from tests.reaper.talking import Reaper
from tests.waiting import until
from torch.clock import FireTime, SystemClock
from torch.daemon.link import Link
from torch.daemon.lost_reaper import Orphans
from torch.daemon.output import Outputs
from torch.daemon.reapers import Reapers
from torch.daemon.recover import Recoverer
from torch.daemon.runfile import look
from torch.history.store import Store
from torch.reaper.journal import Found as Journal
from torch.reaper.journal import Said
from torch.run import Ending, Outcome, Run, Trigger
from torch.schedule.messages import Trace
from torch.schedule.record import Defined, Entry, Progress, Record, Step
from torch.task import Task

BOOT = "this-boot"
TASK = Task(name="t", command="echo", timeout=9.0, digest="d1")
KILLED = "the process that started it was killed; how it ended is not known"


class Host:
    """A state directory as a service that was killed leaves it."""

    def __init__(self, folder):
        self.folder = folder
        self.runs = folder / "runs"
        self.runs.mkdir()
        self.store = Store(str(folder / "history.db"), at=1.0)
        self.shims = []
        self.reapers = []
        self.count = 0
        self.kept = {}

    def run(self, **keys):
        self.count += 1
        return Run(
            id=f"r{os.getpid()}-{self.count}", task="t", trigger=Trigger.SCHEDULE,
            fire_time=FireTime(60 * self.count), **keys,
        )  # fmt: skip

    def intend(self, *, boot=BOOT, **keys):
        """A row, and nothing more."""
        run = self.run()
        entry = Entry(run=run, digest="d1", **keys)
        definition = Defined(name="t", since=FireTime(0), task=TASK)
        self.commit(Record((entry, definition)), boot=boot)
        return run

    def commit(self, record, *, boot=BOOT):
        self.store.commit([record], at=5.0, boot_id=boot)

    # ── reapers ───────────────────────────────────────────────────────────────────────────

    def reaper(self, name="0-1"):
        made = Reaper(self.folder / "reapers", name=name).ready()
        self.reapers.append(made)
        return made

    def begin(self, command, *, boot=BOOT, reaper=None):
        """A row and a run of a real reaper; its pid is given with it, and the reaper."""
        run = self.intend(boot=boot)
        reaper = reaper or (self.reapers[-1] if self.reapers else self.reaper())
        env = {"TORCH_TASK": "t", "TORCH_FIRE_TIME": "1970-01-01T00:01:00+00:00"}
        env["TORCH_ATTEMPT"] = "1"
        reaper.say(run.id, command, env=env)
        return run, reaper.talk.pid(run.id), reaper

    def journal(self, name, *lines):
        """Of a reaper that is dead."""
        folder = self.folder / "reapers" / name
        folder.mkdir(parents=True)
        (folder / "journal").write_text("".join(f"{line}\n" for line in lines))
        return folder

    # ── the version before ────────────────────────────────────────────────────────────────

    def shim(self, command, *, boot=BOOT, released=True):
        """A row and a real shim; its pid is given with the run."""
        run = self.intend(boot=boot)
        pid, go = old_shim.start(
            run.id, command, runs_dir=str(self.runs), output=str(self.folder / "out")
        )
        self.shims.append(pid)
        if released:
            old_shim.release(go)
            until("the shim says that it began", lambda: self.says(run))
        else:
            os.close(go)
        return run, pid

    def says(self, run):
        seen = look(self.path(run))
        return seen.shim if seen else None

    def path(self, run):
        return str(self.runs / run.id)

    def reap(self, pid):
        self.shims.remove(pid)
        os.waitpid(pid, 0)

    # ── what is found ─────────────────────────────────────────────────────────────────────

    def left(self, tasks=()):
        async def find():
            reapers = Reapers(str(self.folder / "reapers"), name="new", tell=lambda _: None)
            recoverer = Recoverer(
                store=self.store, reapers=reapers, runs_dir=str(self.runs), boot_id=BOOT,
                clock=SystemClock(),
            )  # fmt: skip
            known = {task.name: task for task in tasks}
            try:
                found = await recoverer.find(self.store.unfinished(), known)
                self.kept = {name: {*runs} for name, runs in reapers.remains._needed.items()}
                return found
            finally:
                reapers.close()

        return asyncio.run(find())

    def asked_to_read(self, fifos):
        """Of a dead reaper, by run: those that ours is asked to read."""
        owed = []
        found = Journal()
        for run, fifo in fifos.items():
            found.runs[run] = Said()
            found.runs[run].fifo, found.runs[run].task = str(fifo), "t"

        async def read_on():
            reapers = Reapers(str(self.folder / "reapers"), name="new", tell=lambda _: None)
            orphans = Orphans(
                clock=SystemClock(), children={}, reapers=reapers,
                outputs=Outputs(str(self.folder / "output")), follow=lambda _: None,
                again=lambda _: None, sweep=lambda _: None, begun=lambda *_: None,
            )  # fmt: skip
            try:
                await reapers.find()
                orphans.read_on(found)
                ours = SimpleNamespace(owe=lambda *words: owed.append(words), flush=lambda: None)
                orphans.reaper_began(cast(Link, ours))
            finally:
                reapers.close()

        asyncio.run(read_on())
        return {words[1].decode() for words in owed}

    def find(self, tasks=()):
        return [each.found for each in self.left(tasks)]

    def only(self):
        (found,) = self.find()
        return found

    def close(self):
        for pid in self.shims:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for reaper in self.reapers:
            reaper.close()
        self.store.close()


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.close()


# ── with a reaper ─────────────────────────────────────────────────────────────────────────


def test_a_row_that_no_journal_names_never_started(host):
    run = host.intend()
    assert (host.only().trace, host.only().run) == (Trace.NEVER_STARTED, run)


def test_a_row_that_a_living_reaper_does_not_name_never_started(host):
    host.reaper()
    host.intend()
    assert host.only().trace is Trace.NEVER_STARTED


def test_what_waits_in_a_reaper_for_its_instant_never_started_and_never_will(host):
    run, reaper = host.intend(), host.reaper()
    reaper.say(run.id, f"touch {host.folder}/ran", at=float(1 << 30))
    fifo = reaper.directory / "out-1"
    until("it is made ready", lambda: reaper.has_open(fifo))
    assert host.only().trace is Trace.NEVER_STARTED
    until("nobody has it open", lambda: not reaper.has_open(fifo))


def test_a_run_of_a_living_reaper_is_alive_with_its_pid_its_definition_and_its_beginning(host):
    before = SystemClock().now()
    _, pid, reaper = host.begin("sleep 600")
    (left,) = host.left()
    found = left.found
    assert (found.trace, found.pid, found.task) == (Trace.ALIVE, pid, TASK)
    assert before.mono - 0.1 <= found.started.mono <= SystemClock().now().mono
    assert (left.child.pid, left.child.begun, left.child.adopted) == (pid, True, True)
    assert left.child.link.pid == reaper.pid
    assert left.child.mark == reaper.journal().runs[found.run.id].mark


def test_one_that_ended_while_we_were_away_has_its_code_its_time_and_its_usage(host):
    run, _, reaper = host.begin("exit 7")
    reaper.talk.hear("ended", run.id)
    ended = reaper.journal().runs[run.id].ended
    found = host.only()
    assert (found.trace, found.exit_code, found.signal, found.at) == (
        Trace.ENDED, 7, None, pytest.approx(ended[2]),
    )  # fmt: skip
    assert found.usage.cpu_seconds == pytest.approx(ended[3])


@pytest.mark.parametrize("boot", [BOOT, "another"])
def test_the_code_that_a_dead_reaper_has_written_counts_on_any_boot(host, boot):
    run, _, reaper = host.begin("kill -TERM $$", boot=boot)
    reaper.talk.hear("ended", run.id)
    reaper.kill()
    found = host.only()
    assert (found.trace, found.exit_code, found.signal) == (Trace.ENDED, 143, 15)
    assert host.kept == {str(reaper.directory): {run.id}}


def test_a_killed_reaper_leaves_its_run_and_then_nothing_is_known(host):
    run, pid, reaper = host.begin("sleep 600")
    reaper.kill()
    (left,) = host.left()
    assert (left.found.trace, left.found.exit_code, left.found.pid) == (Trace.ORPHANED, None, pid)
    assert left.child.link is None and left.child.ended_at is not None
    os.killpg(pid, signal.SIGKILL)
    until("nothing of it lives", lambda: host.only().trace is Trace.GONE)
    assert host.only().reason == KILLED
    assert host.kept == {str(reaper.directory): {run.id}}


def test_what_hides_of_a_killed_reapers_run_is_left_too(host):
    file = host.folder / "hidden"
    hide = f"env -i setsid sh -c 'echo $$ >{file}; exec sleep 600' &"
    _, pid, reaper = host.begin(f"{hide} exec sleep 600")
    hidden = int(until("it says its pid", lambda: file.exists() and file.read_text()))
    reaper.kill()
    os.killpg(pid, signal.SIGKILL)
    until("its first process is gone", lambda: not os.path.exists(f"/proc/{pid}/stat"))
    assert host.only().trace is Trace.ORPHANED
    os.kill(hidden, signal.SIGKILL)
    until("nothing of it lives", lambda: host.only().trace is Trace.GONE)


def test_a_run_that_began_and_of_which_nothing_more_is_said_is_unknown(host):
    """Its reaper died between the B line and the S line, and no process carries the mark."""
    run = host.intend()
    host.journal("0-1", "H 1 1 b .", f"B {run.id} 123 out-1 t .")
    found = host.only()
    assert (found.trace, found.reason) == (Trace.GONE, "nothing says how it ended")


def test_one_that_was_not_spawned_after_all_never_started(host):
    run = host.intend()
    host.journal("0-1", "H 1 1 b .", f"B {run.id} 123 out-1 t .", f"N {run.id} .")
    assert host.only().trace is Trace.NEVER_STARTED


def test_half_a_line_says_nothing(host):
    run = host.intend()
    folder = host.journal("0-1", "H 1 1 b .")
    with open(folder / "journal", "a") as file:
        file.write(f"B {run.id} 123 out-1 t .")
    assert host.only().trace is Trace.NEVER_STARTED


def test_a_damaged_journal_proves_nothing_of_anybody(host):
    host.intend()
    host.journal("0-1", "garbage")
    assert host.only().trace is Trace.GONE


def test_one_that_began_under_the_second_reaper_counts_and_not_its_refusal_by_the_first(host):
    run = host.intend()
    host.journal("0-1", "H 1 1 b .", f"B {run.id} 1 out-1 t .", f"S {run.id} 4 9 .",
                 f"X {run.id} 3  9.0 0.0  .")  # fmt: skip
    host.journal("0-2", "H 1 1 b .", f"B {run.id} 2 out-1 t .", f"N {run.id} .")
    assert (host.only().trace, host.only().exit_code) == (Trace.ENDED, 3)


def test_a_reaper_that_does_not_answer_may_have_anything(host, monkeypatch):
    monkeypatch.setattr("torch.daemon.reapers.PATIENCE", 0.1)
    began, pid, reaper = host.begin("sleep 600")
    other = host.intend()
    waits = host.intend(not_before=77.0)
    os.kill(reaper.pid, signal.SIGSTOP)
    found = {each.run.id: each for each in host.find()}
    os.kill(reaper.pid, signal.SIGCONT)
    assert (found[began.id].trace, found[began.id].pid) == (Trace.ALIVE, pid)
    assert (found[other.id].trace, found[other.id].pid) == (Trace.ALIVE, None)
    assert found[waits.id].trace is Trace.NEVER_STARTED


def test_runs_of_several_reapers_are_found_at_once(host):
    first, second = host.reaper("0-1"), host.reaper("0-2")
    one, pid, _ = host.begin("sleep 600", reaper=first)
    two, _, _ = host.begin("exit 4", reaper=second)
    second.talk.hear("ended", two.id)
    second.kill()
    found = {each.run.id: each for each in host.find()}
    assert (found[one.id].trace, found[one.id].pid) == (Trace.ALIVE, pid)
    assert (found[two.id].trace, found[two.id].exit_code) == (Trace.ENDED, 4)


def test_what_ran_when_the_host_went_down_is_unknown(host):
    host.intend(boot="another")
    assert (host.only().trace, host.only().reason) == (
        Trace.GONE,
        "the host restarted while it ran",
    )


def test_what_still_waits_never_started_on_any_boot(host):
    host.intend(boot="another", not_before=77.0)
    assert (host.only().trace, host.only().not_before) == (Trace.NEVER_STARTED, 77.0)


def test_a_run_that_began_and_whose_journal_somebody_removed_is_unknown(host):
    run = host.intend()
    host.commit(Record((Progress(run=run, step=Step.STARTED, at=6.0, pid=4),)))
    assert host.only().trace is Trace.GONE


def test_what_it_was_told_before_the_crash_is_found_again(host):
    run, _, _ = host.begin("sleep 600")
    fate = Ending(outcome=Outcome.TIMED_OUT, reason="timeout (9 s)")
    host.commit(Record((Progress(run=run, step=Step.STOPPING, at=6.0, ending=fate),)))
    assert host.only().fate == fate


def test_what_was_told_to_stop_and_is_gone_was_stopped_unless_the_host_restarted(host):
    fate = Ending(outcome=Outcome.KILLED, reason="torch kill")
    for boot in (BOOT, "another"):
        run = host.intend(boot=boot)
        began = Progress(run=run, step=Step.STARTED, at=5.5, pid=4)
        told = Progress(run=run, step=Step.STOPPING, at=6.0, ending=fate)
        host.commit(Record((began, told)), boot=boot)
    here, another = host.find()
    assert (here.trace, here.fate) == (Trace.GONE, fate)
    assert (another.trace, another.fate) == (Trace.GONE, None)


def lose_history(host):
    host.store.close()
    os.unlink(host.folder / "history.db")
    host.store = Store(str(host.folder / "history.db"), at=2.0)


def test_a_run_that_lives_without_a_row_is_found_by_its_reaper(host):
    run, pid, reaper = host.begin("sleep 600")
    lose_history(host)
    (left,) = host.left([TASK])
    found = left.found
    assert (found.run.id, found.run.task, found.run.fire_time) == (run.id, "t", run.fire_time)
    assert (found.trace, found.pid, found.task) == (Trace.ALIVE, pid, TASK)
    assert left.child.link.pid == reaper.pid


def test_what_ended_without_a_row_is_nobodys(host):
    run, _, reaper = host.begin("exit 0")
    reaper.talk.hear("ended", run.id)
    lose_history(host)
    assert host.find([TASK]) == []


def test_directories_of_dead_reapers_of_which_nothing_is_needed_go(host):
    run, _, reaper = host.begin("exit 0")
    reaper.talk.hear("ended", run.id)
    reaper.talk.hear("closed", run.id)
    end = Ending(outcome=Outcome.SUCCEEDED, exit_code=0)
    host.commit(Record((Progress(run=run, step=Step.ENDED, at=6.0, ending=end),)))
    reaper.kill()
    assert host.find() == []
    assert not reaper.directory.exists()


def test_a_dead_reapers_journal_stays_as_long_as_anybody_may_print_into_a_fifo_of_it(host):
    """Only there is said whose output that is."""
    open_, closed = host.intend(), host.intend()
    lines = [f"B {run.id} 1 out-{number} t ." for number, run in enumerate((open_, closed), 1)]
    lines += [f"X {run.id} 0  9.0 0.0  ." for run in (open_, closed)]
    folder = host.journal("0-1", "H 1 1 b .", *lines, f"C {closed.id} .")
    for number in (1, 2, 3):
        os.mkfifo(folder / f"out-{number}")
    for run in (open_, closed):
        end = Ending(outcome=Outcome.SUCCEEDED, exit_code=0)
        host.commit(Record((Progress(run=run, step=Step.ENDED, at=6.0, ending=end),)))
    assert host.find() == []
    assert sorted(path.name for path in folder.iterdir()) == ["journal", "out-1"]
    (folder / "out-1").unlink()
    assert host.find() == []
    assert not folder.exists()


def test_a_fifo_that_another_reaper_reads_is_not_read_by_two(host):
    """Each of them would have a part of every line."""
    folder = host.folder / "reapers" / "0-1"
    folder.mkdir(parents=True)
    for number in (1, 2):
        os.mkfifo(folder / f"out-{number}")
    writing = os.open(folder / "out-1", os.O_RDWR)
    reaper = host.reaper("0-2")
    output = os.fsencode(reaper.output("a"))
    reaper.talk.send(b"pump", b"a", os.fsencode(folder / "out-1"), output, b"100")
    until("it has it open", lambda: reaper.has_open(folder / "out-1"))
    assert host.asked_to_read({"a": folder / "out-1", "b": folder / "out-2"}) == {"b"}
    os.close(writing)


def test_recovering_twice_finds_the_same(host):
    host.begin("sleep 600")
    host.intend()
    traces = [found.trace for found in host.find()]
    assert traces == [found.trace for found in host.find()] == [Trace.ALIVE, Trace.NEVER_STARTED]


def test_a_pid_that_is_a_strangers_by_now_is_no_run(host):
    run = host.intend()
    host.journal("0-1", "H 1 1 b .", f"B {run.id} 1 out-1 t .", f"S {run.id} {os.getpid()} 5 .")
    found = host.only()
    assert (found.trace, found.exit_code, found.reason) == (Trace.GONE, None, KILLED)


# ── what the version before has left ──────────────────────────────────────────────────────


def test_an_empty_run_file_that_nobody_holds_never_started_and_makes_room(host):
    run, pid = host.shim("true", released=False)
    host.reap(pid)
    assert look(host.path(run)) is not None
    assert host.only().trace is Trace.NEVER_STARTED
    assert look(host.path(run)) is None


def test_a_shim_that_lives_is_alive_with_its_pid_its_definition_and_its_beginning(host):
    before = SystemClock().now()
    run, pid = host.shim("sleep 600")
    (left,) = host.left()
    found = left.found
    assert (found.trace, found.pid, found.task) == (Trace.ALIVE, pid, TASK)
    assert before.mono - 0.1 <= found.started.mono <= SystemClock().now().mono
    assert (left.child.link, left.child.run_file) == (None, host.path(run))


def test_a_shims_run_that_ended_while_we_were_away_has_its_code_and_its_time(host):
    run, pid = host.shim("exit 7")
    host.reap(pid)
    os.utime(host.path(run), (100.0, 100.0))
    found = host.only()
    assert (found.trace, found.exit_code, found.at) == (Trace.ENDED, 7, 100.0)


def test_a_shims_code_counts_on_another_boot_too(host):
    _, pid = host.shim("exit 3", boot="another")
    host.reap(pid)
    assert (host.only().trace, host.only().exit_code) == (Trace.ENDED, 3)


def test_a_killed_shim_leaves_its_command_and_then_nothing_is_known(host):
    _, pid = host.shim("sleep 600 & echo $! >&2; wait; true")
    child = int(until("the command says its child", (host.folder / "out").read_text))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    host.shims.remove(pid)
    found = host.only()
    assert (found.trace, found.exit_code, found.pid) == (Trace.ORPHANED, None, pid)
    os.killpg(os.getpgid(child), signal.SIGKILL)
    until("nothing of it lives", lambda: host.only().trace is Trace.GONE)
    assert host.only().reason == "its shim was killed; how the command ended is not known"


def test_a_shims_run_that_lives_without_a_row_is_found_by_its_run_file(host):
    run, pid = host.shim("sleep 600")
    lose_history(host)
    (found,) = host.find([TASK])
    assert (found.run.id, found.run.task, found.run.fire_time) == (run.id, "t", run.fire_time)
    assert (found.trace, found.pid, found.task) == (Trace.ALIVE, pid, TASK)


def test_run_files_of_runs_that_are_over_go(host):
    run, pid = host.shim("exit 0")
    host.reap(pid)
    end = Ending(outcome=Outcome.SUCCEEDED, exit_code=0)
    host.commit(Record((Progress(run=run, step=Step.ENDED, at=6.0, ending=end),)))
    assert host.find() == []
    assert look(host.path(run)) is None


def test_a_shims_pid_that_is_a_strangers_by_now_is_no_run(host):
    run = host.intend()
    with open(host.path(run), "w") as file:
        file.write(f"S {os.getpid()}\n")
    found = host.only()
    assert (found.trace, found.exit_code) == (Trace.GONE, None)


def test_shims_and_reapers_are_found_together(host):
    one, shim = host.shim("sleep 600")
    two, pid, _ = host.begin("sleep 600")
    found = {each.run.id: each for each in host.find()}
    assert [(found[run.id].trace, found[run.id].pid) for run in (one, two)] == [
        (Trace.ALIVE, shim), (Trace.ALIVE, pid),
    ]  # fmt: skip
