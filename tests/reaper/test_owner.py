"""Who gives the orders: the newest to say hello; and when a reaper ends."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.reaper.talking import Reaper, gone, let_go, wait_for
from tests.waiting import DEADLINE, until
from torch.reaper.wire import VERSION, pack

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests with sudo")


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def held(reaper: Reaper, run: str, then: str = "exit 0", **keys) -> None:
    """A run that lives until `let_go`."""
    if not (reaper.folder / run).exists():
        os.mkfifo(reaper.folder / run)
    reaper.say(run, f"read line <{reaper.folder}/{run}; {then}", **keys)
    reaper.talk.hear("started", run)


# ── a second one ──────────────────────────────────────────────────────────────────────────


def test_whoever_says_hello_is_told_everything_that_is_known(reaper):
    held(reaper, "r-lives")
    reaper.say("r-ended", "exit 3")
    os.mkfifo(reaper.folder / "late")
    reaper.say("r-open", f"read line <{reaper.folder}/late & exit 4")
    for run in ("r-ended", "r-open"):
        reaper.talk.hear("ended", run)
    reaper.talk.hear("closed", "r-ended")
    reaper.say("r-forgotten", "exit 5")
    reaper.talk.hear("ended", "r-forgotten")
    reaper.talk.hear("closed", "r-forgotten")
    reaper.talk.send(b"forget", b"r-forgotten")
    after = reaper.connect()
    after.hear("settled")
    told = [fact for fact in reaper.talk.facts if fact[0] in (b"started", b"ended", b"closed")]
    assert after.facts[0] == [b"welcome", VERSION, b"%d" % reaper.pid]
    assert after.facts[-1] == [b"settled"]
    assert sorted(after.facts[1:-1]) == sorted(fact for fact in told if fact[1] != b"r-forgotten")
    let_go(reaper.folder / "r-lives")
    assert after.code("r-lives") == 0


def test_the_one_before_is_closed_and_what_it_asks_after_does_not_begin(reaper):
    after = reaper.connect()
    after.hear("settled")
    reaper.talk.hear_close()
    with pytest.raises(OSError):  # whichever way a closed socket says it
        for _ in range(100):
            reaper.say("r-1", "exit 0")
    assert "r-1" not in reaper.journal().runs


def test_what_has_not_begun_is_dropped_with_whoever_asked(reaper):
    mark = reaper.folder / "ran"
    reaper.say("r-later", f"touch {mark}", at=boottime() + 0.5)
    fifo = reaper.directory / "out-1"
    until("it is made ready", lambda: reaper.has_open(fifo))
    after = reaper.connect()
    after.hear("settled")
    assert after.find("started") is None
    until("nobody has it open", lambda: not reaper.has_open(fifo))
    after.send_raw(reaper.order("r-probe", "exit 0", at=boottime() + 0.7).pack())
    after.hear("ended", "r-probe")
    assert not mark.exists() and "r-later" not in reaper.journal().runs


def test_orders_that_a_stopped_reaper_had_not_read_do_not_begin_for_the_next_service(reaper):
    os.kill(reaper.pid, signal.SIGSTOP)
    for number in range(20):
        reaper.say(f"r-{number}", f"echo x >>{reaper.folder}/ran")
    after = reaper.connect()
    os.kill(reaper.pid, signal.SIGCONT)
    after.hear("settled")
    begun = {run for run, said in reaper.journal().runs.items() if said.begun}
    told = {fact[1].decode() for fact in after.facts if fact[0] == b"started"}
    assert begun == told  # read before the hello, or never
    after.send_raw(reaper.order("r-probe", "exit 0").pack())
    after.hear("ended", "r-probe")
    assert {run for run, said in reaper.journal().runs.items() if said.begun} == begun | {"r-probe"}


def test_what_comes_in_one_write_with_the_hello_is_heard(reaper):
    """As a reaper reads it that was stopped meanwhile."""
    held(reaper, "r-1")
    after = reaper.connect(version=None)
    kill = pack(b"signal", b"r-1", b"%d" % signal.SIGTERM)
    after.send_raw(pack(b"hello", VERSION) + kill + reaper.order("r-2", "exit 6").pack())
    assert after.code("r-1") == 128 + signal.SIGTERM
    assert after.code("r-2") == 6


def test_another_version_is_told_so_and_changes_nothing(reaper):
    held(reaper, "r-1")
    other = reaper.connect(version=b"2")
    assert other.hear("failed")[1] == b"this reaper speaks version 1"
    other.hear_close()
    reaper.say("r-2", "exit 2")
    assert reaper.talk.code("r-2") == 2


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", pack(b"start"), b"\0" * 100])
def test_what_is_no_hello_changes_nothing(reaper, said):
    other = reaper.connect(version=None)
    other.send_raw(said)
    other.hear_close()
    reaper.say("r-2", "exit 2")
    assert reaper.talk.code("r-2") == 2


def test_one_that_connects_and_says_nothing_keeps_nobody_waiting(reaper):
    reaper.connect(version=None)
    reaper.say("r-1", "exit 2")
    assert reaper.talk.code("r-1") == 2
    assert reaper.connect().hear("settled")


_ASK = """
import socket, sys
from torch.reaper.wire import pack
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
try:
    sock.sendall(pack(b"hello", b"1"))
    print("heard" if sock.recv(100) else "closed")
except OSError:
    print("closed")
"""


@AS_ROOT
@pytest.mark.parametrize(("user", "word"), [(None, "heard"), (54321, "heard"), (54322, "closed")])
def test_only_the_same_user_and_root_are_heard(public, make, user, word):
    """Though the permissions of the folder were opened."""
    reaper = make(folder=public, user=54321).ready()
    reaper.directory.chmod(0o777)
    (reaper.directory / "socket").chmod(0o777)
    as_user = [] if user is None else ["setpriv", f"--reuid={user}", "--clear-groups"]
    done = subprocess.run(
        [*as_user, sys.executable, "-c", _ASK, str(reaper.directory / "socket")],
        capture_output=True, text=True, timeout=60, cwd="/",
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == (word, "")


@AS_ROOT
def test_a_reaper_of_root_hears_nobody_else(public, make):
    reaper = make(folder=public).ready()
    reaper.directory.chmod(0o777)
    (reaper.directory / "socket").chmod(0o777)
    done = subprocess.run(
        ["setpriv", "--reuid=54321", "--clear-groups", sys.executable, "-c", _ASK,
         str(reaper.directory / "socket")],
        capture_output=True, text=True, timeout=60, cwd="/",
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("closed", "")


def test_the_folder_and_the_socket_are_private(reaper):
    assert (reaper.directory / "socket").stat().st_mode & 0o777 == 0o700
    assert (reaper.directory / "journal").stat().st_mode & 0o777 == 0o600


def test_a_state_directory_with_a_very_long_path_is_no_hindrance(make, tmp_path):
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    reaper = make(folder=folder).ready()
    assert len(str(reaper.directory / "socket")) > 200
    reaper.say("r-1", "echo hello")
    assert reaper.talk.code("r-1") == 0
    assert reaper.printed("r-1") == "hello\n"
    after = reaper.connect()
    after.hear("ended", "r-1")


def test_a_directory_that_was_taken_away_is_made_again_and_nothing_in_the_journal_is_lost(reaper):
    held(reaper, "r-before", "exit 4")
    shutil.rmtree(reaper.directory)
    reaper.say("r-after", "echo hello; exit 3")
    assert reaper.talk.code("r-after") == 3
    assert reaper.printed("r-after") == "hello\n"
    assert reaper.directory.stat().st_mode & 0o777 == 0o700
    found = reaper.journal()
    assert (found.pid, found.damaged) == (reaper.pid, False)
    assert found.runs["r-before"].pid == reaper.talk.pid("r-before")
    reaper.talk.close()
    until("it can be found again", (reaper.directory / "socket").exists)
    after = reaper.connect()
    after.hear("started", "r-before")
    let_go(reaper.folder / "r-before")
    assert after.code("r-before") == 4


def test_a_journal_that_was_taken_away_is_made_again_before_anything_begins(reaper):
    held(reaper, "r-before", "exit 4")
    (reaper.directory / "journal").unlink()
    reaper.say("r-after", "exit 3", direct=True)
    assert reaper.talk.code("r-after") == 3
    assert sorted(reaper.journal().runs) == ["r-after", "r-before"]


def test_where_the_journal_cannot_be_made_again_nothing_begins(reaper):
    os.rename(reaper.directory, reaper.folder / "aside")
    shutil.rmtree(reaper.folder / "aside")
    reaper.directory.write_text("a file where the folder should be\n")
    reaper.say("r-1", f"touch {reaper.folder}/ran", direct=True)
    assert "was removed" in reaper.talk.refusal("r-1")
    assert not (reaper.folder / "ran").exists()
    reaper.talk.hear("trouble")


# ── the end of a reaper ───────────────────────────────────────────────────────────────────


def test_a_reaper_without_anything_to_do_ends_with_its_service_and_leaves_nothing(reaper):
    reaper.talk.close()
    reaper.wait_end()
    assert not reaper.directory.exists()


def test_what_waits_is_dropped_with_its_service_and_the_reaper_ends(reaper):
    reaper.say("r-1", f"touch {reaper.folder}/ran", at=boottime() + 1.0)
    until("it is made ready", lambda: reaper.has_open(reaper.directory / "out-1"))
    reaper.talk.close()
    reaper.wait_end()
    assert not reaper.directory.exists()
    until("its instant has passed", lambda: boottime() > 0)
    assert not (reaper.folder / "ran").exists()


def test_it_stays_until_its_last_run_has_ended_and_leaves_the_journal_that_says_how(reaper):
    held(reaper, "r-1", "exit 5")
    pid = reaper.talk.pid("r-1")
    reaper.talk.close()
    until("it hears that", lambda: _is_alone(reaper))
    assert reaper.lives and not gone(pid)
    let_go(reaper.folder / "r-1")
    reaper.wait_end()
    assert reaper.journal().runs["r-1"].ended[0] == 5
    assert sorted(path.name for path in reaper.directory.iterdir()) == ["journal"]


def _is_alone(reaper: Reaper) -> bool:
    """Its service's socket is closed: descriptor 3 is gone."""
    return not os.path.exists(f"/proc/{reaper.pid}/fd/3")


def test_it_stays_until_its_last_output_is_closed(reaper):
    os.mkfifo(reaper.folder / "late")
    reaper.say("r-1", f"(read line <{reaper.folder}/late; echo late words) & exit 0")
    reaper.talk.hear("ended", "r-1")
    assert reaper.talk.find("closed", "r-1") is None
    reaper.talk.send(b"forget", b"r-1")
    reaper.talk.close()
    until("it hears that", lambda: _is_alone(reaper))
    assert reaper.lives
    let_go(reaper.folder / "late")
    reaper.wait_end()
    assert reaper.printed("r-1") == "late words\n"
    assert not reaper.directory.exists()


def test_output_of_a_dead_reaper_that_is_asked_for_twice_is_read_once(reaper):
    """By the journal of the one that had begun the run, and by that of one that read it on."""
    fifo, path = reaper.folder / "earlier", reaper.output("r-0")
    os.mkfifo(fifo)
    writing = os.open(fifo, os.O_RDWR)
    for _ in range(2):
        reaper.talk.send(b"pump", b"r-0", bytes(fifo), bytes(path), b"1000")
    os.write(writing, b"late words\n")
    wait_for(path, "late words\n")
    os.close(writing)
    reaper.talk.hear("closed", "r-0")
    reaper.say("r-1", "exit 3")
    assert reaper.talk.code("r-1") == 3
    assert [fact[1] for fact in reaper.talk.facts if fact[0] == b"closed"].count(b"r-0") == 1


def test_it_leaves_no_directory_when_all_that_ran_is_forgotten(reaper):
    for number in range(20):
        reaper.say(f"r-{number}", "echo x")
    for number in range(20):
        reaper.talk.hear("ended", f"r-{number}")
        reaper.talk.send(b"forget", b"r-%d" % number)
    reaper.talk.socket.shutdown(socket.SHUT_WR)
    reaper.wait_end()
    assert not reaper.directory.exists()


@pytest.mark.parametrize("keys", [{}, {"direct": True}])
def test_what_was_refused_keeps_no_reaper(reaper, keys):
    """Its output may have been closed by itself before that was known, or never."""
    for number in range(20):
        reaper.say(f"r-{number}", ["/no/such/program"], **keys)
    for number in range(20):
        reaper.talk.refusal(f"r-{number}")
        reaper.talk.send(b"forget", b"r-%d" % number)
    reaper.say("r-last", "exit 3", **keys)
    assert reaper.talk.code("r-last") == 3
    reaper.talk.close()
    reaper.wait_end()


def test_what_was_refused_keeps_no_directory_once_it_is_forgotten(reaper):
    reaper.say("r-1", ["/no/such/program"])
    reaper.talk.refusal("r-1")
    reaper.talk.send(b"forget", b"r-1")
    reaper.talk.close()
    reaper.wait_end()
    assert not reaper.directory.exists()


@pytest.mark.parametrize("number", ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT", "PIPE", "ALRM"])
def test_the_signals_that_end_a_service_do_not_end_its_reaper(reaper, number):
    """Ctrl-\\ and an alarm are no wish of anybody's either."""
    held(reaper, "r-1", "exit 5")
    os.kill(reaper.pid, getattr(signal, f"SIG{number}"))
    let_go(reaper.folder / "r-1")
    assert reaper.talk.code("r-1") == 5


def test_one_that_cannot_begin_says_why_and_ends(make, tmp_path):
    (tmp_path / "reaper").mkdir(mode=0o700)
    (tmp_path / "reaper" / "journal").write_text("of another\n")
    reaper = make(made=True)
    reason = reaper.talk.hear("failed")[1].decode()
    assert "File exists" in reason
    reaper.wait_end()
    assert (tmp_path / "reaper" / "journal").read_text() == "of another\n"


def test_it_keeps_nothing_open_that_its_starter_left_open(make, tmp_path):
    reading, writing = os.pipe()
    os.dup2(writing, 90, inheritable=True)
    os.close(writing)
    try:
        make().ready()
    finally:
        os.close(90)
    assert select.select([reading], [], [], DEADLINE)[0], "somebody holds the writing end"
    assert os.read(reading, 1) == b""
    os.close(reading)


# ── deadlines ─────────────────────────────────────────────────────────────────────────────


def deadline(reaper: Reaper, run: str, seconds: float, grace: float) -> None:
    reaper.talk.send(b"deadline", run.encode(), b"%g" % seconds, b"%g" % grace)


def test_a_deadline_that_nobody_renews_ends_the_run_by_sigterm(reaper):
    reaper.say("r-1", "trap 'exit 9' TERM; while :; do sleep 0.05; done")
    reaper.talk.hear("started", "r-1")
    deadline(reaper, "r-1", 0.2, 60)
    assert reaper.talk.code("r-1") == 9


def test_after_the_grace_everything_of_it_is_killed_wherever_it_hides(reaper):
    folder = reaper.folder
    reaper.say(
        "r-1",
        f"env -i /usr/bin/setsid sh -c 'trap \"\" TERM; echo $$ >{folder}/hidden; sleep 600' &"
        " trap '' TERM; sleep 600 & wait; sleep 600",
    )
    reaper.talk.hear("started", "r-1")
    hidden = int(wait_for(folder / "hidden", "\n"))
    deadline(reaper, "r-1", 0.1, 0.2)
    assert reaper.talk.code("r-1") == 137
    until("what hid is gone too", lambda: gone(hidden))


def test_what_outlives_its_first_process_at_a_deadline_is_killed_after_the_grace(reaper):
    folder = reaper.folder
    reaper.say(
        "r-1",
        f"env -i /usr/bin/setsid sh -c 'echo $$ >{folder}/hidden; exec sleep 600' & exec sleep 600",
    )
    reaper.talk.hear("started", "r-1")
    hidden = int(wait_for(folder / "hidden", "\n"))
    deadline(reaper, "r-1", 0.1, 0.3)
    assert reaper.talk.code("r-1") == 143
    until("what hid is gone too", lambda: gone(hidden))


def test_a_deadline_holds_when_its_service_is_gone(reaper):
    reaper.say("r-1", "sleep 600")
    pid = reaper.talk.pid("r-1")
    deadline(reaper, "r-1", 0.3, 1)
    reaper.talk.close()
    reaper.wait_end()
    assert gone(pid)
    assert reaper.journal().runs["r-1"].ended[:2] == (143, 15)


def test_a_deadline_that_is_renewed_or_taken_back_ends_nothing(reaper):
    held(reaper, "r-1", "exit 4")
    held(reaper, "r-2", "exit 5")
    deadline(reaper, "r-1", 0.3, 0.1)
    deadline(reaper, "r-2", 0.3, 0.1)
    deadline(reaper, "r-1", 0, 0)
    deadline(reaper, "r-2", 600, 0)
    reaper.say("r-probe", "exit 0", at=boottime() + 0.6)
    reaper.talk.hear("ended", "r-probe")
    let_go(reaper.folder / "r-1")
    let_go(reaper.folder / "r-2")
    assert (reaper.talk.code("r-1"), reaper.talk.code("r-2")) == (4, 5)


def test_one_that_is_renewed_in_its_grace_is_not_killed(reaper):
    reaper.say("r-1", f"trap 'echo told >{reaper.folder}/told' TERM; echo up >{reaper.folder}/up;"
               " while [ ! -e "f"{reaper.folder}/go ]; do sleep 0.05; done; exit 3")  # fmt: skip
    wait_for(reaper.folder / "up")
    deadline(reaper, "r-1", 0.1, 0.7)
    wait_for(reaper.folder / "told")
    deadline(reaper, "r-1", 600, 0)
    reaper.say("r-probe", "exit 0", at=boottime() + 1.0)
    reaper.talk.hear("ended", "r-probe")
    (reaper.folder / "go").touch()
    assert reaper.talk.code("r-1") == 3
