"""The life of the service as a person at a shell sees it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from itertools import pairwise

import pytest

from tests.service import alive
from tests.waiting import until

HEARTBEAT = """
tasks:
  - name: heartbeat
    schedule: "* * * * * *"
    command: echo "$TORCH_FIRE_TIME" >>DIR/beats
"""
NOTHING = "tasks: []\n"


def test_start_is_ready_when_it_returns_and_stop_leaves_nothing(service):
    pid = service.start(HEARTBEAT)
    assert alive(pid)
    status = service.status()
    assert status["pid"] == pid and status["ready"]
    assert (service.state / "torch.pid").read_text() == f"{pid}\n"
    assert service.torch("stop") == "torch is stopped\n"
    assert not alive(pid)
    assert not (service.state / "torch.pid").exists()
    assert not (service.state / "torch.sock").exists()
    assert "stopped: " in service.log().splitlines()[-1]


def test_a_per_second_task_runs_once_for_every_second(service):
    service.start(HEARTBEAT)
    beats = service.wait_lines("beats", 6)
    seconds = [int(beat[17:19]) for beat in beats]
    assert all((b - a) % 60 == 1 for a, b in pairwise(seconds)), beats
    assert len(set(beats)) == len(beats)


def test_status_has_the_shape_that_scripts_lean_on(service):
    service.start(HEARTBEAT)
    service.wait_lines("beats", 1)
    status = service.status()
    assert status["v"] == 1
    assert status.keys() >= {"v", "pid", "ready", "since", "address", "host", "version", "tasks"}
    assert status["version"].keys() >= {"file", "hash", "commit", "loaded_at", "problem"}
    assert status["tasks"][0].keys() >= {"name", "type", "state", "running", "last", "next"}
    assert status["version"]["file"] == str(service.file)
    assert status["version"]["problem"] is None


def test_a_second_start_says_who_is_there(service):
    pid = service.start(NOTHING)
    assert f"pid {pid}" in service.error("start", code=75)
    assert service.status()["pid"] == pid


def test_a_stale_pid_file_socket_and_lock_never_matter(service):
    pid = service.start(NOTHING)
    os.kill(pid, signal.SIGKILL)
    until("the service is dead", lambda: not alive(pid))
    assert (service.state / "torch.pid").exists()
    assert (service.state / "torch.sock").exists()
    assert "not running" in service.error("status", code=3)
    assert service.start() != pid


def test_a_bad_file_at_start_exits_65_with_every_problem_and_starts_nothing(service):
    service.write("tasks:\n  - name: a\n    comand: x\n    schedule: '61 * * * * *'\n")
    message = service.error("start", code=65)
    assert "tasks.yaml:3:5" in message and "did you mean 'command'?" in message
    assert "tasks.yaml:4:" in message and "^" in message
    assert service.pid == 0
    assert not (service.state / "torch.pid").exists()


def test_a_missing_file_at_start_is_named(service):
    assert str(service.file) in service.error("start", code=65)


def test_without_a_service_each_command_says_so_with_its_exit_code(service):
    for command in (["status"], ["reload"], ["stop"], ["run", "x"], ["kill", "x"], ["runs"]):
        message = service.error(*command, code=3)
        assert str(service.state) in message


def test_a_wrong_word_is_a_usage_error(service):
    service.error("statsu", code=64)
    service.error("status", "--no-such-option", code=64)
    service.error("next", code=64)


def test_a_hopeless_state_directory_is_a_named_error(service):
    service.write(NOTHING)
    service.state.write_text("a file in the way")
    assert str(service.state) in service.error("start", code=78)


@pytest.mark.parametrize("name", ["torch.sock", "torch.pid"])
def test_what_refuses_at_the_start_refuses_before_any_task_starts(service, name):
    (service.state / name).mkdir(parents=True, mode=0o700)
    service.write("tasks: [{name: boot, schedule: '@reboot', command: 'echo up >>DIR/up'}]\n")
    assert name in service.error("start", code=78)
    assert service.json("runs")["runs"] == []
    assert service.lines("up") == []
    (service.state / name).rmdir()
    service.start()
    service.wait_lines("up", 1)


def test_files_are_private(service):
    service.start(HEARTBEAT)
    service.wait_lines("beats", 1)

    def mode(name: str) -> int:
        return stat.S_IMODE((service.state / name).stat().st_mode)

    assert mode("") == 0o700
    assert mode("torch.sock") == mode("history.db") == mode("torch.lock") == 0o600
    assert mode("torch.log") & 0o037 == 0


def test_the_log_is_reopened_when_it_was_moved_away(service):
    service.start(HEARTBEAT)
    service.wait_lines("beats", 1)
    (service.state / "torch.log").rename(service.state / "torch.log.1")
    service.wait_log("heartbeat")


def test_sigusr1_reopens_the_log(service):
    pid = service.start(NOTHING)
    log = service.state / "torch.log"
    log.rename(service.state / "torch.log.1")
    os.kill(pid, signal.SIGUSR1)
    until("the log is there again", log.exists)


def test_sigterm_stops_like_torch_stop(service):
    pid = service.start(HEARTBEAT)
    os.kill(pid, signal.SIGTERM)
    until("the service is gone", lambda: not alive(pid))
    assert "stopped: " in service.log()


def test_restart_keeps_the_file_and_makes_a_new_process(service):
    pid = service.start(HEARTBEAT)
    service.torch("restart")
    assert service.status()["pid"] != pid
    assert service.status()["version"]["file"] == str(service.file)


@pytest.mark.parametrize("text", ["tasks: [{name: a", None])
def test_a_restart_with_another_file_that_is_refused_or_missing_changes_nothing(service, text):
    pid = service.start(HEARTBEAT)
    running, service.file = service.file, service.folder / "other.yaml"
    if text is not None:
        service.write(text)
    assert "other.yaml" in service.error("restart", code=65)
    assert service.status()["pid"] == pid
    assert service.status()["version"]["file"] == str(running)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_shows_what_starts_and_ends_until_a_signal(service, number):
    service.write(HEARTBEAT.replace(">>DIR/beats", "; echo noise"))
    command = ["start", "--foreground"]
    process = subprocess.Popen(
        [sys.executable, "-m", "torch", *command, *service.options(*command)],
        stdout=subprocess.PIPE, text=True, env=service.environ(),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        seen = ""
        while "succeeded" not in seen or "| noise" not in seen:
            seen += process.stdout.readline()
        process.send_signal(number)
        rest = process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()
    assert "heartbeat started, pid" in seen
    assert "stopped: " in rest.splitlines()[-1]
    assert process.returncode == 0
