"""Nothing of a run that is stopped hides: each way to hide against each way to end a run.

Judged by /proc and by what the tasks themselves write, never by our own records.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.hiders import AS_ROOT, HIDERS, command, hidden, living
from tests.acceptance.test_output import reaper
from tests.service import Service, alive
from tests.waiting import until

NAMES = [name for name in HIDERS if os.geteuid() == 0 or name not in AS_ROOT]

TASK = """
  - name: NAME
    TRIGGER
    grace: 700ms
    command: |
COMMAND"""


def tasks(trigger: str) -> str:
    made = ""
    for name in NAMES:
        lines = "".join(f"      {line}\n" for line in command(name).splitlines())
        made += TASK.replace("TRIGGER", trigger).replace("NAME", name).replace("COMMAND", lines)
    return "tasks:" + made


def all_hide(service: Service, times: int = 1) -> None:
    for name in NAMES:
        service.wait_lines(name, times)


def nothing_is_left(service: Service) -> None:
    assert living(service, NAMES) == []
    assert [_what(pid) for pid in service.processes()] == []
    assert service.lines("beside") == []  # no run began beside what was left of another
    assert "processes_survived" not in service.log()


def all_ended(service: Service) -> bool:
    return not any(task["running"] for task in service.status()["tasks"])


@pytest.mark.parametrize("how", ["stop", "stop --now"])
def test_nothing_of_any_run_is_left_after(service, how):
    service.start(tasks("type: daemon"))
    all_hide(service)
    service.torch(*how.split())
    nothing_is_left(service)


def test_nothing_of_a_run_is_left_after_its_timeout(service):
    service.start(tasks('schedule: "@yearly"\n    timeout: 1500ms'))
    for name in NAMES:
        service.torch("run", name)
    all_hide(service)
    until("all have timed out", lambda: all_ended(service))
    nothing_is_left(service)
    assert {run["outcome"] for run in service.json("runs")["runs"]} == {"timed_out"}


def test_nothing_of_a_run_is_left_after_kill_and_the_next_one_is_alone(service):
    service.start(tasks('schedule: "@yearly"'))
    for name in NAMES:
        service.torch("run", name)
    all_hide(service)
    for name in NAMES:
        service.torch("kill", name)
    until("all are killed", lambda: all_ended(service))
    nothing_is_left(service)
    assert {run["outcome"] for run in service.json("runs")["runs"]} == {"killed"}


def test_nothing_of_a_run_is_left_when_a_newer_one_replaces_it(service):
    service.start(tasks('schedule: "*/3 * * * * *"\n    overlap: replace'))
    for name in NAMES:
        until(f"{name} was replaced", partial(_replaced, service, name))
    service.torch("stop", "--now")
    nothing_is_left(service)


def _replaced(service: Service, name: str) -> bool:
    return any(run["reason"].startswith("replaced") for run in service.json("runs", name)["runs"])


def test_nothing_of_a_daemon_is_left_when_an_edit_restarts_it(service):
    text = tasks("type: daemon\n    env: {ONE: '1'}")
    service.start(text)
    all_hide(service)
    first = {name: hidden(service, name)[0] for name in NAMES}
    service.write(text.replace("'1'", "'2'"))
    until("all are restarted", lambda: not any(alive(pid) for pid in first.values()))
    until("no run of the first edit lives", lambda: all(_runs(service, n) == 2 for n in NAMES))
    service.torch("stop")
    nothing_is_left(service)


def _runs(service: Service, name: str) -> int:
    return len(service.json("runs", name)["runs"])


@pytest.mark.parametrize("change", ["restart", "service killed", "service and reaper killed"])
def test_a_stop_that_one_service_began_is_carried_on_by_the_next(service, change):
    """Its first process is ended by SIGTERM at once, what it started ignores that."""
    pid_of_service = service.start(
        """
tasks:
  - name: t
    schedule: "@yearly"
    grace: 3s
    command: |
      while read pid; do
        grep -qs '^State:.[RSDTt]' /proc/$pid/status && echo $pid >>DIR/beside
      done <DIR/t
      python3 -c '
      import os, signal, time
      signal.signal(15, signal.SIG_IGN)
      print(os.getpid(), flush=True)
      time.sleep(600)' >>DIR/t
      true
"""
    )
    (service.scratch / "t").touch()
    service.torch("run", "t")
    (pid,) = service.wait_lines("t", 1)
    service.torch("kill", "t")
    first = service.json("runs", "t")["runs"][0]
    until("its first process has ended", lambda: not alive(first["pid"]))
    if change == "restart":
        service.torch("restart")
    else:
        reapers = [reaper(service)] if "reaper" in change else []
        for each in (pid_of_service, *reapers):
            os.kill(each, signal.SIGKILL)
        service.start()
    refused = service.finished("run", "t")  # its slot is taken until nothing of it is left
    assert refused.returncode == 75 or not alive(int(pid))
    until("the run is over", lambda: _ended(service, first["id"]))
    assert not alive(int(pid))
    run = _ended(service, first["id"]) or {}
    assert (run["outcome"], run["signal"]) == ("killed", 15)
    if refused.returncode:  # else the restart took longer than the grace
        service.torch("run", "t")
    service.wait_lines("t", 2)
    service.torch("stop", "--now")
    assert service.lines("beside") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_left_all_its_ties_behind_inside_of_su_is_named(service):
    """PAM sets the mark back, and nothing else ties it to its run; it is not signalled."""
    inner = '(setsid sh -c "echo \\$\\$; exec sleep 600" &)'
    service.start(
        f"""
tasks:
  - name: t
    schedule: "@yearly"
    command: su - nobody -s /bin/sh -c '{inner}' >>DIR/t 2>/dev/null; exec sleep 600
"""
    )
    service.torch("run", "t")
    pid = int(service.wait_lines("t", 1)[0])
    service.torch("kill", "t")
    until("the run is over", lambda: all_ended(service))
    assert alive(pid)
    try:
        assert service.status()["left_behind"] == [
            {"run": None, "task": None, "pid": pid, "name": "sleep"}
        ]
        assert f"sleep (pid {pid}) of an unknown run" in service.torch("status")
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_service_that_a_task_starts_is_not_ended_with_that_task(service, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir(mode=0o755)
    other = Service(folder)
    other.write("tasks:\n  - {name: d, type: daemon, command: 'echo $$ >>DIR/d; exec sleep 600'}\n")
    start = [sys.executable, "-m", "torch", "start", *other.options("start")]
    command = f"trap '' TERM; {' '.join(start)}; touch DIR/started; sleep 600"
    service.start(
        f"tasks:\n  - {{name: t, schedule: '@yearly', grace: 300ms, command: \"{command}\"}}\n"
    )
    try:
        service.torch("run", "t")
        until("the other one is ready", (service.scratch / "started").exists)
        (pid,) = other.wait_lines("d", 1)
        was = other.pid
        service.torch("kill", "t")
        until("the run is over", lambda: all_ended(service))
        assert (other.pid, alive(was), alive(int(pid))) == (was, True, True)
        assert service.status()["left_behind"] == []
        service.torch("stop", "--now")
        assert other.status()["ready"] and alive(int(pid))
    finally:
        other.cleanup()


def _ended(service: Service, run_id: str) -> dict[str, Any] | None:
    runs = service.json("runs", "t")["runs"]
    return next((run for run in runs if run["id"] == run_id and run["ended_at"]), None)


def _what(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[-200:]
    except OSError:
        return "gone"
