"""Folders that disappear or stand in the way while a service runs: no run is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.waiting import until

TASKS = """
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: echo printed; echo ran >>DIR/beat
    output: {via: VIA}
"""


@pytest.fixture
def log(service):
    service.more_options = ["--log-dir", str(service.folder / "log")]
    return service.folder / "log"


def count(folder) -> int:
    return sum(path.read_text() == "printed\n" for path in folder.glob("output/beat/*.log"))


def no_second_is_missed(service) -> None:
    rows = [row for row in service.json("runs")["runs"] if row["task"] == "beat"]
    assert {row["outcome"] for row in rows} <= {"succeeded", None}


@pytest.mark.parametrize("via", ["pipe", "file"])
def test_folders_that_are_removed_while_the_service_runs_are_made_again(service, log, via):
    pid = service.start(TASKS.replace("VIA", via))
    for gone in (log / "output" / "beat", log / "output", log):
        until("there is output", lambda: count(log))
        shutil.rmtree(gone, ignore_errors=True)
        until("there is output again", lambda: count(log))
    until("there is a log again", lambda: "run_ended" in service.log())
    assert service.status()["pid"] == pid
    no_second_is_missed(service)


@pytest.mark.parametrize("via", ["pipe", "file"])
@pytest.mark.parametrize("place", ["output", "output/beat"])
def test_what_stands_in_the_place_of_output_stops_no_run_and_is_named(service, log, via, place):
    (log / place).parent.mkdir(parents=True, exist_ok=True)
    pid = service.start(TASKS.replace("VIA", via))
    service.wait_lines("beat", 1)
    shutil.rmtree(log / place, ignore_errors=True)
    until("it can be put there", lambda: _put(log / place))
    ran = len(service.lines("beat"))
    service.wait_lines("beat", ran + 3)
    service.wait_log("Not a directory")
    (log / place).unlink()
    until("there is output again", lambda: count(log))
    assert service.status()["pid"] == pid
    no_second_is_missed(service)


def _put(path) -> bool:
    """A file, where the service expects a folder, which it makes again all the time."""
    try:
        path.touch(exist_ok=False)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
        return False
    return True


@pytest.mark.parametrize("option", [b"--state-dir", b"--run-dir", b"--log-dir", b"-f"])
def test_a_service_does_not_start_in_a_directory_whose_name_is_not_utf8(service, option):
    bad = os.fsencode(service.folder) + b"/\xff\xfe"
    service.write(TASKS.replace("VIA", "pipe"))
    words = service.options("start")
    done = subprocess.run(
        [sys.executable, "-m", "torch", "start", *words, option, bad],
        capture_output=True, text=True, timeout=60, check=False, env=service.environ(),
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert r"\xff\xfe' is not UTF-8" in done.stderr
    assert "rename it, or use another with --state-dir" in done.stderr
    assert not service.pid
    assert not os.path.exists(bad)
