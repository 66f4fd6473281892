"""Journals that lie, reapers of another version, and what a cleaner takes away: nothing is doubled,
and what nobody can know is unknown, never a guess."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import LONG
from tests.faults.patient import Patient, kill_hard, once
from tests.faults.reapers import wait_own
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import until

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(3)}'
  - name: waits
    schedule: "@yearly"
    max: 1
    command: '{begin_and_end(7, "while [ ! -e DIR/go ]; do sleep 0.05; done")}'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
"""
MOST = {"beat": 1, "waits": 1}

UNKNOWN: dict[str, str] = {
    "as it was": "",
    "half-an-end": "X {run} 0",
    "half-an-end-with-a-time": "X {run} 0  1700000000.0 0.1 ",
    "an-end-without-a-full-stop": "X {run} 0  1700000000.0 0.1 1\n",
    "an-end-without-a-code": "X {run}   1700000000.0 0.1  .\n",
    "a-code-that-is-none": "X {run} abc  1700000000.0 0.1  .\n",
    "an-end-without-a-time": "X {run} 0 .\n",
    "a-letter-of-another-kind": "Y {run} 0  1700000000.0 0.1  .\n",
    "binary": "\0\1\2\3\x7f . \n",
    "nul": "\0" * 100,
    "a-line-of-nobody": " .\n . .\nB .\n",
}
KNOWN = {
    "a-whole-end": ("X {run} 3  1700000000.0 0.1  .\n", 3),
    "a-whole-end-before-it-was-reaped": ("X {run} 3  1700000000.0   .\n", 3),
    "a-whole-end-and-half-another": ("X {run} 5  1700000000.0 0.1  .\nX {run} 1  17", 5),
    "an-end-after-half-a-line": ("X {run} 9\nX {run} 0  1700000000.0 0.1  .\n", 0),
}


def test_of_a_journal_only_whole_lines_count(service):
    """One run after the other is killed together with its reaper while the service is down; then
    the journal is added to."""
    cases = [*UNKNOWN, *KNOWN]
    names = {case: f"t{number}" for number, case in enumerate(cases)}
    service.start("tasks: []\n")
    schedule = once(2.5)
    service.write(
        "tasks:"
        + "".join(
            f"""
  - name: {name}
    schedule: "{schedule}"
    timezone: UTC
    command: '{BEGIN}; exec sleep 100000'"""
            for name in names.values()
        )
        + "\n"
    )
    until("all have begun", lambda: len(service.witness()) == len(names))
    until("all run", lambda: {row["state"] for row in service.rows()} == {"running"})
    begun = {line.task: line.run for line in service.witness()}
    _kill_all(service)
    (journal,) = (service.state / "reapers").glob("*/journal")
    for case, name in names.items():
        text = UNKNOWN[case] if case in UNKNOWN else KNOWN[case][0]
        with journal.open("ab") as file:
            file.write(text.format(run=begun[name]).encode() + b"\n")
    service.start()
    for case, name in names.items():
        row = service.wait_row(begun[name])
        if case in UNKNOWN:
            assert (row["outcome"], row["exit_code"]) == ("unknown", None), case
        else:
            assert row["exit_code"] == KNOWN[case][1], case
    service.torch("run", "t0", code=0)
    service.wait_begun("t0", 2)
    for name in list(names.values())[1:]:
        assert len(service.begun(name)) == 1
    service.torch("stop")


def _kill_all(service: Patient) -> None:
    """The service, its reaper and what tasks have started: nothing is written down."""
    reaper = wait_own(service)
    service.kill()
    kill_hard(reaper)
    service.kill_tasks()


def _removed(path: Path) -> None:
    path.unlink()


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def _cut(path: Path) -> None:
    """In the middle of its last line."""
    os.truncate(path, path.stat().st_size - 7)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _symlink(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _without_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


DAMAGE: dict[str, Callable[[Path], None]] = {
    each.__name__.strip("_"): each
    for each in (_removed, _emptied, _garbage, _cut, _directory, _symlink, _fifo, _without_folder)
}


@pytest.mark.parametrize("tasks", ["live on", "are dead"])
@pytest.mark.parametrize("damage", DAMAGE if LONG else ["garbage", "cut"])
def test_a_damaged_journal_of_a_dead_reaper_doubles_nothing(service, damage, tasks):
    """A run keeps its slot while it lives; what is dead and may have begun is unknown."""
    service.start(TASKS)
    run = service.torch("run", "waits").strip()
    (waits,), (keeper,) = service.wait_begun("waits", 1), service.wait_begun("keeper", 1)
    service.wait_running("waits")
    service.wait_running("keeper")
    reaper = wait_own(service)
    service.kill()
    kill_hard(reaper)
    if tasks == "are dead":
        service.kill_tasks()
    (journal,) = (service.state / "reapers").glob("*/journal")
    before = Path("/etc/passwd").read_bytes()
    DAMAGE[damage](journal)
    service.start()
    unknown = [run]
    if tasks == "live on":
        assert "max is 1" in service.error("run", "waits", code=75)
        assert alive(waits.pid) and alive(keeper.pid)
        assert len(service.begun("keeper")) == 1
        (service.scratch / "go").touch()
    else:
        unknown.append(keeper.run)
    service.wait_row(run)
    (service.scratch / "go").touch()
    service.torch("run", "waits", "--wait", code=7)
    service.wait_more("beat")
    service.torch("stop")
    unknown += [row["id"] for row in service.rows("beat") if row["outcome"] == "unknown"][:1]
    if damage == "directory":  # nobody makes one there by chance, and we remove none
        shutil.rmtree(journal.parent)
    service.judge(most=MOST, every_second=["beat"], unknown=unknown)
    assert Path("/etc/passwd").read_bytes() == before


def _no_socket(directory: Path) -> None:
    (directory / "socket").unlink()


def _no_journal(directory: Path) -> None:
    (directory / "journal").unlink()


def _no_directory(directory: Path) -> None:
    shutil.rmtree(directory)


TAKEN = {"socket": _no_socket, "journal": _no_journal, "directory": _no_directory}


@pytest.mark.parametrize("what", TAKEN)
def test_what_a_cleaner_takes_from_a_living_reaper_doubles_nothing(service, what):
    """A reaper that is left alone makes its socket again. Where the next service cannot read what
    it says, its runs keep their slots, and with the journal there, their ends are known."""
    service.start(TASKS)
    run = service.torch("run", "waits").strip()
    service.wait_begun("waits", 1)
    service.wait_running("waits")
    (keeper,) = service.wait_begun("keeper", 1)
    service.wait_running("keeper")
    (directory,) = (service.state / "reapers").iterdir()
    TAKEN[what](directory)
    service.kill()
    service.start()
    assert "max is 1" in service.error("run", "waits", code=75)
    assert alive(keeper.pid) and len(service.begun("keeper")) == 1
    (service.scratch / "go").touch()
    row = service.wait_row(run)
    if what != "directory":
        assert row["exit_code"] == 7
    if what == "socket":
        assert "communication with it is not possible" not in service.log()
    service.torch("run", "waits", "--wait", code=7)
    service.wait_more("beat")
    service.torch("stop")
    unknown = [row["id"] for row in service.rows() if row["outcome"] == "unknown"]
    assert set(unknown) <= {run}
    service.start()  # it takes away what that reaper has left
    service.torch("stop")
    service.judge(most=MOST, unknown=unknown)


def test_a_folder_of_reapers_that_others_may_write_to_is_refused_with_a_reason(service):
    service.start(TASKS)
    service.wait_begun("keeper", 1)
    service.kill()
    (service.state / "reapers").chmod(0o777)
    assert "other users can write to" in service.error("start", code=78)
    (service.state / "reapers").chmod(0o700)
    service.start()
    service.wait_more("beat")
    service.torch("stop")
    assert len(service.begun("keeper")) == 1
    service.judge(most=MOST, every_second=["beat"])


FAKE = """
import fcntl, os, socket, sys
directory, how = sys.argv[1:]
journal = os.open(f"{directory}/journal", os.O_RDWR)
fcntl.flock(journal, fcntl.LOCK_EX)
listening = socket.socket(socket.AF_UNIX)
os.chdir(directory)
listening.bind("socket")
listening.listen()
print("listens", flush=True)
kept = []
while True:
    connection = listening.accept()[0]
    if how == "refuses":
        reason = b"this reaper speaks version 0"
        fields = [b"failed", reason]
        body = b"".join(len(each).to_bytes(4, "big") + each for each in fields)
        connection.sendall(len(body).to_bytes(4, "big") + body)
        connection.close()
    elif how == "babbles":
        connection.sendall(b"\\xff" * 100)
        kept.append(connection)
    else:
        kept.append(connection)
"""


@pytest.mark.parametrize("how", ["refuses", "babbles", "says nothing"])
def test_a_reaper_of_another_version_keeps_the_slots_of_its_runs(service, how):
    """A stand-in takes the place of the reaper of an earlier service, whose runs live on."""
    service.start(TASKS)
    run = service.torch("run", "waits").strip()
    (waits,) = service.wait_begun("waits", 1)
    service.wait_running("waits")
    (keeper,) = service.wait_begun("keeper", 1)
    service.wait_running("keeper")
    reaper = wait_own(service)
    (directory,) = (service.state / "reapers").iterdir()
    service.kill()
    kill_hard(reaper)
    (directory / "socket").unlink()
    fake = subprocess.Popen(
        [sys.executable, "-c", FAKE, str(directory), how], stdout=subprocess.PIPE, text=True
    )
    try:
        assert fake.stdout is not None and fake.stdout.readline() == "listens\n"
        service.start()
        said = {"refuses": "speaks version 0", "babbles": "communication with it is not possible",
                "says nothing": "does not answer"}  # fmt: skip
        assert said[how] in service.log() and directory.name in service.log()
        assert "max is 1" in service.error("run", "waits", code=75)
        assert alive(waits.pid) and alive(keeper.pid)
        assert len(service.begun("keeper")) == 1
        with (directory / "journal").open("a") as journal:  # what it would write
            journal.write(f"X {run} 7  1700000000.0 0.1  .\n")
        (service.scratch / "go").touch()
        if how == "says nothing":
            until("the run is over", lambda: not alive(waits.pid))
            kill_hard(fake.pid)
        assert service.wait_row(run)["exit_code"] == 7
        service.torch("run", "waits", "--wait", code=7)
        service.wait_more("beat")
        service.torch("stop")
        assert not alive(keeper.pid)
    finally:
        fake.kill()
        fake.communicate()
    service.start()  # it takes away what the stand-in has left
    service.torch("stop")
    unknown = [row["id"] for row in service.rows("beat") if row["outcome"] == "unknown"]
    assert len(unknown) <= 1
    service.judge(most=MOST, unknown=unknown)


def test_a_stranger_who_connects_does_not_take_the_runs_away(service):
    """It says nothing of our language; the service goes on giving orders."""
    service.start(TASKS)
    service.wait_more("beat")
    (directory,) = (service.state / "reapers").iterdir()
    stranger = socket.socket(socket.AF_UNIX)
    folder = os.open(directory, os.O_RDONLY)
    try:
        stranger.connect(f"/proc/self/fd/{folder}/socket")
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        service.wait_more("beat", more=2)
    finally:
        stranger.close()
        os.close(folder)
    service.torch("stop")
    service.judge(most=MOST, every_second=["beat"])
