"""From an order to a process, with a real reaper: what begins, what is refused, what is dropped."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reaper.talking import gone, let_go, wait_for
from tests.waiting import until
from torch.reaper import marks, processes
from torch.reaper.wire import VERSION, pack

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests with sudo")


BIRTH_LATE = 20
"""Clock ticks from the reading of the clock to the fork, on a host that is busy."""


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# ── what begins ───────────────────────────────────────────────────────────────────────────


def test_a_start_is_told_with_its_pid_its_mark_and_when_it_began(reaper):
    before = boottime(), time.time()
    reaper.say("r-1", "read line < fifo; exit 0", cwd=str(_fifo(reaper)))
    _, _, pid, birth, mark, wall, mono = reaper.talk.hear("started", "r-1")
    seen = processes.stat(int(pid))
    assert seen is not None
    assert processes.is_same(seen, int(birth)) and seen.started - int(birth) <= BIRTH_LATE
    assert (seen.session, seen.group, seen.parent) == (int(pid), int(pid), reaper.pid)
    assert marks.of(int(pid)) == int(mark) != 0
    assert before[0] <= float(mono) <= boottime()
    assert before[1] <= float(wall) <= time.time()


def _fifo(reaper):
    os.mkfifo(reaper.folder / "fifo")
    return reaper.folder


def test_begun_is_in_the_journal_before_it_is_told_and_so_is_its_end(reaper):
    reaper.say("r-1", "exit 7")
    pid = reaper.talk.pid("r-1")
    said = reaper.journal().runs["r-1"]
    assert (said.begun, said.pid) == (True, pid)
    assert reaper.talk.code("r-1") == 7
    ended = reaper.journal().runs["r-1"].ended
    assert ended is not None and ended[:2] == (7, None)


def test_every_run_has_a_mark_of_its_own(reaper):
    for number in range(5):
        reaper.say(f"r-{number}", "exit 0")
    found = {reaper.talk.hear("started", f"r-{number}")[4] for number in range(5)}
    assert len(found) == 5


def test_runs_begin_in_the_order_in_which_they_were_asked_for(reaper):
    names = [f"r-{number}" for number in range(30)]
    frames = b"".join(reaper.order(name, "exit 0").pack() for name in names)
    reaper.talk.send_raw(frames)
    for name in names:
        reaper.talk.hear("started", name)
    assert [fact[1].decode() for fact in reaper.talk.facts if fact[0] == b"started"] == names


def test_an_order_that_comes_twice_begins_once(reaper):
    frame = reaper.order("r-1", f"echo once >>{reaper.folder}/count; sleep 600").pack()
    reaper.talk.send_raw(frame + frame)
    reaper.say("r-2", "exit 0")
    reaper.talk.hear("ended", "r-2")
    reaper.talk.hear("started", "r-1")
    assert wait_for(reaper.folder / "count") == "once\n"
    assert len([fact for fact in reaper.talk.facts if fact[:2] == [b"started", b"r-1"]]) == 1


# ── its instant ───────────────────────────────────────────────────────────────────────────


def test_none_begins_before_its_instant_and_each_soon_after(reaper):
    first = boottime() + 0.3
    for number, later in enumerate((0.05, 0.0, 0.1, 0.0)):
        reaper.say(f"r-{number}", "exit 0", at=first + later)
    for number, later in enumerate((0.05, 0.0, 0.1, 0.0)):
        began = float(reaper.talk.hear("started", f"r-{number}")[6])
        assert first + later <= began < first + later + 5


def test_what_waits_has_its_fifo_and_no_line_in_the_journal(reaper):
    reaper.say("r-1", "exit 0", at=boottime() + 600)
    fifo = reaper.directory / "out-1"
    until("it is made ready", lambda: reaper.has_open(fifo))
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert "r-1" not in reaper.journal().runs


def test_runs_one_after_the_other_print_into_the_same_fifo_and_each_has_its_own_words(reaper):
    """And so does what begins after a refusal, whose FIFO somebody had open a moment ago."""
    for number in range(20):
        reaper.say(f"r-x{number}", ["/no/such/program"])
        reaper.talk.refusal(f"r-x{number}")
        reaper.say(f"r-{number}", f"echo words {number}")
        reaper.talk.hear("closed", f"r-{number}")
        assert reaper.printed(f"r-{number}") == f"words {number}\n"
        assert not reaper.output(f"r-x{number}").exists()
    assert len(reaper.fifos()) <= 3


@pytest.mark.parametrize("whole", [True, False])
def test_what_waits_begins_though_its_fifo_is_taken_away(reaper, whole):
    reaper.say("r-1", "echo hello; exit 3", at=boottime() + 0.5)
    fifo = reaper.directory / "out-1"
    until("it is made ready", lambda: reaper.has_open(fifo))
    if whole:
        shutil.rmtree(reaper.directory)
    else:
        fifo.unlink()
    assert reaper.talk.code("r-1") == 3
    assert reaper.printed("r-1") == "hello\n"
    assert reaper.journal().runs["r-1"].ended is not None
    reaper.talk.send(b"forget", b"r-1")
    reaper.talk.close()
    reaper.wait_end()


@pytest.mark.parametrize("direct", [True, False])
def test_a_reaper_ends_whatever_it_had_dropped_or_refused(reaper, direct):
    reaper.say("r-1", "exit 0", at=boottime() + 600, direct=direct)
    reaper.talk.send(b"cancel", b"r-1")
    reaper.say("r-2", ["/no/such/program"], direct=direct)
    front = ["/usr/bin/nice", "-n", "1", "/no/such/program"]
    reaper.say("r-3", front, fronts=[0], direct=direct)
    reaper.say("r-4", "exit 0", direct=direct, cwd="/no/such/folder")
    for number in range(1, 5):
        reaper.talk.refusal(f"r-{number}")
        reaper.talk.send(b"forget", b"r-%d" % number)
    reaper.say("r-5", "exit 0", at=boottime() + 600, direct=direct)
    reaper.talk.close()
    reaper.wait_end()
    assert not reaper.directory.exists()


def test_an_instant_that_has_passed_is_now(reaper):
    reaper.say("r-1", "exit 4", at=1.0)
    assert reaper.talk.code("r-1") == 4


@pytest.mark.parametrize("at", [0.0, 600.0])
def test_what_is_cancelled_before_it_began_never_does(reaper, at):
    """With no instant, in one write: the order waits behind nothing but its cancellation."""
    order = reaper.order("r-1", f"touch {reaper.folder}/ran", at=at and boottime() + at)
    reaper.talk.send_raw(order.pack() + pack(b"cancel", b"r-1"))
    assert reaper.talk.refusal("r-1") == "stopped before it started"
    assert "r-1" not in reaper.journal().runs
    reaper.say("r-2", "exit 0")
    reaper.talk.hear("ended", "r-2")
    assert not (reaper.folder / "ran").exists()
    until("nobody has a FIFO open", lambda: _is_quiet(reaper))


def test_a_cancel_of_what_runs_or_is_unknown_changes_nothing(reaper):
    reaper.say("r-1", "read line <fifo; exit 3", cwd=str(_fifo(reaper)))
    reaper.talk.pid("r-1")
    reaper.talk.send(b"cancel", b"r-1")
    reaper.talk.send(b"cancel", b"r-9")
    let_go(reaper.folder / "fifo")
    assert reaper.talk.code("r-1") == 3
    assert reaper.talk.find("refused") is None


# ── what is refused ───────────────────────────────────────────────────────────────────────


def _is_quiet(reaper) -> bool:
    return not any(reaper.has_open(fifo) for fifo in reaper.fifos())


def _script(folder, mode):
    path = folder / "script"
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(mode)
    return str(path)


REFUSALS: dict[str, tuple[Callable[[Path], dict[str, object]], str]] = {
    "a missing program": (lambda f: {"command": ["/no/such/program"]}, "was not found"),
    "a file that is no program": (
        lambda f: {"command": [_script(f, 0o644)]}, "Permission denied",
    ),
    "a directory": (lambda f: {"command": ["/usr"]}, "Permission denied"),
    "a missing folder": (
        lambda f: {"cwd": "/no/such/folder"},
        "its directory /no/such/folder cannot be entered: No such file or directory",
    ),
    "a folder that is a file": (
        lambda f: {"cwd": _script(f, 0o755)}, "cannot be entered: Not a directory",
    ),
    "a NUL in an argument": (
        lambda f: {"command": ["/bin/echo", "a\0b"]}, "cannot be given",
    ),
    "a NUL in the environment": (lambda f: {"env": {"A": "a\0b"}}, "cannot be given"),
    "an argument too long": (
        lambda f: {"command": ["/bin/echo", "x" * (200 << 10)]}, "Argument list too long",
    ),
    "an argument list too long": (
        lambda f: {"command": ["/bin/echo", *["x" * 100_000] * 40]}, "Argument list too long",
    ),
    "an environment too long": (
        lambda f: {"env": {"A": "x" * (200 << 10)}}, "Argument list too long",
    ),
    "more open files than the host allows": (
        lambda f: {"soft_files": 1 << 40}, "cannot be given|could not be started",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_begin_is_refused_with_its_reason_and_never_an_exit_code(reaper, what):
    make_keys, words = REFUSALS[what]
    keys: dict[str, object] = {"command": "exit 0", **make_keys(reaper.folder)}
    reaper.say("r-1", **keys)
    reason = reaper.talk.refusal("r-1")
    assert any(word in reason for word in words.split("|")), reason
    reaper.say("r-2", "pwd; ulimit -n; exit 5")  # the next one is untouched by it
    assert reaper.talk.code("r-2") == 5
    assert reaper.printed("r-2") == "/\n1024\n"
    assert reaper.talk.find("started", "r-1") is None and reaper.talk.find("ended", "r-1") is None
    said = reaper.journal().runs["r-1"]
    assert (said.begun, said.ended) == (False, None)
    assert not reaper.output("r-1").exists()
    until("nobody has a FIFO open", lambda: _is_quiet(reaper))


def test_what_was_refused_leaves_no_descriptor(reaper):
    reaper.say("r-0", "exit 0")
    reaper.talk.hear("closed", "r-0")
    before = _settled(reaper)
    for number in range(20):
        reaper.say(f"r-a{number}", ["/no/such/program"])
        reaper.say(f"r-b{number}", "exit 0", cwd="/no/such/folder")
        reaper.say(f"r-c{number}", ["/no/such/program"], direct=True)
        reaper.say(f"r-d{number}", "exit 0", at=boottime() + 600)
        reaper.talk.send(b"cancel", b"r-d%d" % number)
        reaper.talk.hear("refused", f"r-d{number}")
    until("nothing more is open than before", lambda: _descriptors(reaper) == before)


def test_a_fifo_that_cannot_be_opened_leaves_no_descriptor_and_its_fifo_is_used_again(reaper):
    reaper.say("r-0", "exit 0")
    reaper.talk.hear("closed", "r-0")
    before = _settled(reaper)
    _fill(reaper, before[0])
    for number in range(1, 10):
        reaper.say(f"r-{number}", "exit 0")
        assert "Too many open files" in reaper.talk.refusal(f"r-{number}")
    _free(reaper)
    until("nothing more is open than before", lambda: _descriptors(reaper) == before)
    made = len(reaper.fifos())
    assert made <= 10
    reaper.say("r-a", "exit 6")
    assert reaper.talk.code("r-a") == 6
    assert len(reaper.fifos()) == made


def _descriptors(reaper) -> list[list[str]]:
    """Of each of its threads."""
    tasks = sorted(os.listdir(f"/proc/{reaper.pid}/task"), key=int)
    return [sorted(os.listdir(f"/proc/{reaper.pid}/task/{task}/fd")) for task in tasks]


def _settled(reaper) -> list[list[str]]:
    """Once what was opened for the run before is closed."""
    until("nobody has a FIFO open", lambda: _is_quiet(reaper))
    return _descriptors(reaper)


def _fill(reaper, open_now: list[str]) -> None:
    """Room for one descriptor more: the FIFO can be opened once, and not as 1 and 2."""
    free = next(n for n in range(1000) if str(n) not in open_now)
    _, hard = resource.prlimit(reaper.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(reaper.pid, resource.RLIMIT_NOFILE, (free + 1, hard))


def _free(reaper) -> None:
    _, hard = resource.prlimit(reaper.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(reaper.pid, resource.RLIMIT_NOFILE, (hard, hard))


def test_a_task_has_the_limit_of_its_order_though_the_reaper_began_with_a_lower_one(make):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    reaper = make(front=["/usr/bin/prlimit", "--nofile=256:"]).ready()
    reaper.say("r-1", "ulimit -S -n", soft_files=before[1])
    reaper.talk.hear("ended", "r-1")
    assert reaper.printed("r-1") == f"{before[1]}\n"


@AS_ROOT
def test_a_reaper_that_may_have_no_more_processes_refuses_until_it_may(public, make):
    """As a user that has its number of processes: the kernel counts none of root's."""
    reaper = make(folder=public, user=54321).ready()
    _let_have(reaper, 54321, processes=1)
    reaper.say("r-1", "exit 0")
    assert "Resource temporarily unavailable" in reaper.talk.refusal("r-1")
    assert reaper.talk.find("ended", "r-1") is None
    _let_have(reaper, 54321, processes=1000)
    reaper.say("r-2", "exit 3")
    assert reaper.talk.code("r-2") == 3


def _let_have(reaper, user: int, *, processes: int) -> None:
    """As that user: root of a container may not change the limits of others."""
    change = ["prlimit", "--pid", str(reaper.pid), f"--nproc={processes}:"]
    subprocess.run(
        ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *change], check=True
    )


# ── a program in front of the command ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrapper", "front"),
    [("nice", ["/usr/bin/nice", "-n", "1"]), ("setpriv", ["/usr/bin/setpriv", "--no-new-privs"])],
)
def test_a_wrapper_that_cannot_start_its_command_is_a_refusal(reaper, wrapper, front):
    reaper.say("r-1", [*front, "/no/such/program"], fronts=[0])
    assert reaper.talk.refusal("r-1").startswith(f"{wrapper} could not start its command")
    assert reaper.talk.find("ended", "r-1") is None
    assert not reaper.journal().runs["r-1"].begun
    assert wait_for(reaper.output("r-1"), "/no/such/program")


@pytest.mark.parametrize("code", [1, 125, 126, 127])
def test_a_command_behind_a_wrapper_may_end_with_any_code(reaper, code):
    front = ["/usr/bin/nice", "-n", "1", "/bin/sh", "-c", f"exit {code}"]
    reaper.say("r-1", front, fronts=[0])
    assert reaper.talk.code("r-1") == code


def test_many_behind_wrappers_that_end_at_once_are_not_taken_for_each_other(reaper):
    """Half never begin, half end with 127 of their own."""
    good = ["/usr/bin/nice", "-n", "1", "/bin/sh", "-c", "exit 127"]
    bad = ["/usr/bin/nice", "-n", "1", "/no/such/program"]
    for number in range(100):
        reaper.say(f"r-{number}", bad if number % 2 else good, fronts=[0])
    for number in range(100):
        if number % 2:
            reaper.talk.refusal(f"r-{number}")
        else:
            assert reaper.talk.code(f"r-{number}") == 127


def test_a_wrapper_that_is_killed_was_killed(reaper):
    reaper.say("r-1", ["/usr/bin/nice", "-n", "1", "/bin/sleep", "600"], fronts=[0])
    os.kill(reaper.talk.pid("r-1"), 9)
    assert reaper.talk.code("r-1") == 137


# ── what is asked and cannot be understood ────────────────────────────────────────────────


@pytest.mark.parametrize(
    "frames",
    [
        b"\xff\xff\xff\xff",
        pack(b"start"),
        pack(b"start", b"r-1", b"soon", *[b""] * 9),
        pack(b"start", b"r-1", b"0", b"/x/t/r.log", b"1", b"", b"1", b"1", b"/", b"", b"0"),
        pack(b"start", b"r-1", b"0", b"/x/t/r.log", b"1", b"", b"1", b"1", b"/", b"", b"3", b"a"),
        pack(b"start", b"r-1", b"0", b"/x/t/r.log", b"1", b"", b"1", b"1", b"/", b"", b"-1", b"a"),
        pack(b"start", b"r-1", b"nan", b"/x/t/r.log", b"1", b"", b"1", b"1", b"/", b"", b"1", b"a"),
        pack(b"start", b"r-1", b"0", b"nowhere", b"1", b"", b"1", b"1", b"/", b"", b"1", b"a"),
        pack(b"cancel"),
        pack(b"pump", b"r-1", b"x"),
        pack(b"\xff", b"\xff"),
        pack(b"deadline", b"r-0", b"soon", b"1"),
        pack(b"signal", b"r-0", b"KILL"),
    ],
)
def test_rubbish_ends_the_connection_and_not_the_reaper(reaper, frames):
    reaper.say("r-0", "read line <fifo; exit 9", cwd=str(_fifo(reaper)))
    reaper.talk.hear("started", "r-0")
    reaper.talk.send_raw(frames)
    reaper.talk.hear_close()
    after = reaper.connect()
    assert after.hear("welcome")[1] == VERSION
    after.hear("started", "r-0")
    let_go(reaper.folder / "fifo")
    assert after.code("r-0") == 9


@pytest.mark.parametrize(
    "fields",
    [
        (b"signal", b"r-0", b"9999"),
        (b"signal", b"r-0", b"99999999999999999999"),
        (b"signal", b"r-9", b"15"),
        (b"a-word-of-later", b"r-0"),
        (b"deadline", b"r-9", b"1", b"1"),
        (b"forget", b"r-9"),
        (b"forget", b"r-0"),
        (b"pump", b"r-8", b"/no/such/fifo", b"/no/such/file", b"100"),
    ],
)
def test_what_means_nothing_changes_nothing(reaper, fields):
    reaper.say("r-0", "read line <fifo; exit 9", cwd=str(_fifo(reaper)))
    pid = reaper.talk.pid("r-0")
    reaper.talk.send(*fields)
    reaper.say("r-1", "exit 2")
    assert reaper.talk.code("r-1") == 2
    assert not gone(pid)
    let_go(reaper.folder / "fifo")
    assert reaper.talk.code("r-0") == 9


def test_a_run_whose_own_output_file_cannot_be_made_runs_all_the_same(reaper):
    reaper.output("r-1").mkdir(parents=True)
    reaper.say("r-1", "echo x; echo ran > ran", cwd=str(reaper.folder), direct=True)
    assert reaper.talk.code("r-1") == 0
    assert (reaper.folder / "ran").read_text() == "ran\n"
    assert b"Is a directory" in b" ".join(map(_bytes, reaper.talk.hear("lost", "r-1")))


def _bytes(word) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()
