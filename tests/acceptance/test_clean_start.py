"""A service begins clean, whatever it was started from: signals, marks, descriptors, folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import dirty
from tests.service import Service, alive
from tests.waiting import until

BEATS = """
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: echo beat >>DIR/beats; exit 3
    success_codes: [3]
  - name: stubborn
    type: daemon
    grace: 10m
    command: trap '' TERM; echo $$ >>DIR/stubborn; while :; do sleep 0.05; done
"""
NOTHING = "tasks: []\n"


class Started(Service):
    """With the foreground process, where it was begun so."""

    foreground: subprocess.Popen[bytes] | None = None


def begin(service: Started, way: str) -> int:
    """A service from the dirtiest parent, in one of the ways there are; its pid."""
    service.write(BEATS)
    if way == "restart":
        service.start()
        service.wait_lines("beats", 1)
    if way == "foreground":
        service.foreground = dirty.begin(service, "start", "--foreground", "--log-file")
        service.wait_log("ready")
    else:
        dirty.torch(service, way)
    return service.pid


@pytest.fixture
def service(tmp_path):
    tmp_path.chmod(0o755)
    made = Started(tmp_path)
    yield made
    made.cleanup()
    if made.foreground is not None:
        made.foreground.kill()
        made.foreground.wait()


WAYS = pytest.mark.parametrize("way", ["start", "restart", "foreground"])


@WAYS
def test_a_service_begins_clean_whatever_it_was_started_from(service, way):
    pid = begin(service, way)
    status = dirty.status_of(pid)
    assert dirty.signals_in(status["SigIgn"]) <= {"SIGPIPE", "SIGXFSZ"}, "Python's own"
    # For the instant in which it starts a process, Python holds all back.
    until("nothing is held back", lambda: not dirty.signals_in(dirty.status_of(pid)["SigBlk"]))
    assert status["Umask"] == "0077"
    assert dirty.soft_limit(pid, "Max realtime timeout") == ("unlimited", "unlimited")
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"TORCH_" not in environ
    descriptors = dirty.opened(pid)
    assert all(descriptors[fd] == "/dev/null" for fd in (0, 1, 2)), descriptors
    if way != "foreground":
        assert dirty.STRAY not in descriptors


@WAYS
def test_a_service_from_a_dirty_parent_hears_how_its_runs_end(service, way):
    begin(service, way)
    service.wait_lines("beats", 2)
    service.wait_lines("stubborn", 1)
    until("runs ended well", lambda: [
        run for run in service.json("runs", "beat")["runs"] if run["outcome"] == "succeeded"
    ])  # fmt: skip


@WAYS
def test_a_service_from_a_dirty_parent_can_be_stopped_from_one(service, way):
    pid = begin(service, way)
    service.wait_lines("stubborn", 1)
    dirty.torch(service, "reload")
    dirty.torch(service, "stop", "--now")
    if service.foreground is not None:
        service.foreground.wait(30)
    assert not alive(pid)
    assert service.processes() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_foreground_of_a_dirty_parent_still_hears_signals(service, number):
    service.write(NOTHING)
    service.foreground = dirty.begin(service, "start", "--foreground", closed=False)
    until("it is ready", lambda: "ready" in (service.folder / "said").read_text())
    service.foreground.send_signal(number)
    assert service.foreground.wait(30) == 0


def test_a_task_of_a_service_from_a_dirty_parent_inherits_none_of_it(service):
    service.write(
        "tasks: [{name: look, schedule: '@yearly', command: 'grep -E"
        ' "^Sig|^Umask" /proc/self/status >DIR/status.new; ls /proc/self/fd >DIR/fds;'
        " env >DIR/env; mv DIR/status.new DIR/status'}]\n"
    )
    dirty.torch(service, "start")
    service.torch("run", "look", "--wait")
    text = (service.scratch / "status").read_text()
    fields = dict(line.split(":\t") for line in text.splitlines())
    assert dirty.signals_in(fields["SigIgn"]) == set(), text
    assert dirty.signals_in(fields["SigBlk"]) == set(), text
    assert str(dirty.STRAY) not in (service.scratch / "fds").read_text().split()
    assert "outer" not in (service.scratch / "env").read_text()


# ── from inside a task ────────────────────────────────────────────────────────────────────


def inside(service: Service, command: str) -> str:
    """A cron task that says `torch COMMAND` once, and keeps what it said."""
    words = f"torch {command} {' '.join(service.options(*command.split()))}"
    return (
        "tasks:\n  - {name: inner, schedule: '@yearly', grace: 500ms, "
        f"command: '{words} >DIR/said 2>&1; echo $? >>DIR/code'}}\n"
    )


@pytest.fixture
def on_path() -> str:
    """Tasks find `torch` where this test's own Python is."""
    return f"PATH={os.path.dirname(sys.executable)}:$PATH"


def write_inside(service: Service, command: str, on_path: str) -> None:
    service.write(inside(service, command).replace("command: 'torch", f"command: '{on_path} torch"))


def test_a_restart_inside_a_task_leaves_a_service_that_outlives_the_task(service, on_path):
    write_inside(service, "restart", on_path)
    old = service.start()
    service.torch("run", "inner")
    assert service.wait_lines("code", 1) == ["0"], (service.scratch / "said").read_text()
    new = service.pid
    assert new not in (0, old) and alive(new)
    until("its run has ended well", lambda: [
        run for run in service.json("runs", "inner")["runs"] if run["outcome"] == "succeeded"
    ])  # fmt: skip
    assert b"TORCH_RUN_ID" not in Path(f"/proc/{new}/environ").read_bytes()


def test_killing_a_run_that_restarts_leaves_the_new_service_alone(service, on_path):
    """Its command goes on after the restart, so all of the run is there to be ended."""
    write_inside(service, "restart", on_path)
    service.write(service.file.read_text().replace("code'", "code; sleep 600'"))
    old = service.start()
    service.torch("run", "inner")
    assert service.wait_lines("code", 1) == ["0"], (service.scratch / "said").read_text()
    new = service.pid
    assert new not in (0, old)
    service.torch("kill", "inner")
    until("the run has ended", lambda: [
        run for run in service.json("runs", "inner")["runs"] if run["outcome"] == "killed"
    ])  # fmt: skip
    assert service.pid == new and alive(new)


def test_a_reload_inside_a_task_reloads(service, on_path):
    write_inside(service, "reload", on_path)
    service.start()
    service.torch("run", "inner")
    assert service.wait_lines("code", 1) == ["0"], (service.scratch / "said").read_text()


def test_a_stop_inside_a_task_stops_the_service_and_all_of_it(service, on_path):
    write_inside(service, "stop", on_path)
    pid = service.start()
    service.torch("run", "inner")
    until("the service is gone", lambda: not alive(pid))
    assert service.processes() == []


def test_a_second_service_started_inside_a_task_outlives_it(service, on_path, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    second = Service(other)
    second.write(NOTHING)
    words = " ".join([f"{on_path} torch start", *second.options("start")])
    service.write(
        f"tasks: [{{name: inner, schedule: '@yearly', command: '{words} && sleep 600'}}]\n"
    )
    try:
        service.start()
        service.torch("run", "inner")
        pid = until("it is up", lambda: second.pid)
        second.wait_log("ready")
        service.torch("kill", "inner")
        service.torch("stop", "--now")
        assert second.pid == pid and alive(pid)
    finally:
        second.cleanup()


# ── as process 1 ──────────────────────────────────────────────────────────────────────────


def test_process_1_that_began_with_sigchld_ignored_sees_the_end_of_its_service(service):
    """In a pid namespace of its own, as in a container. From outside it is shown, and waited for,
    by the pid that it has here, whatever it calls itself."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a pid namespace may not be made here")
    service.write(BEATS)
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
        " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    words = ["-m", "torch", "start", "--foreground", *service.options("start")]
    with open(service.folder / "said", "wb") as said:
        service.foreground = subprocess.Popen(
            [*unshare, sys.executable, "-c", ignoring, *words],
            stdout=said, stderr=said, env=service.environ(),
        )  # fmt: skip
    until("it is ready", lambda: "ready" in (service.folder / "said").read_text())
    service.wait_lines("beats", 2)
    pid = service.status()["pid"]
    assert Path(f"/proc/{pid}/cmdline").read_bytes().find(b"torch.daemon") > 0
    assert service.torch("stop", "--now") == "torch is stopped\n"
    assert not alive(pid)
    assert service.foreground.wait(30) == 0
