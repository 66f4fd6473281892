"""kill -9 of the service in front of a person: what runs goes on, and nothing is forgotten."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys

from tests.service import alive
from tests.waiting import until

TASKS = """
tasks:
  - name: web
    type: daemon
    max: 2
    grace: 2s
    command: echo $$ >>DIR/web; while sleep 0.2; do echo line; done
  - name: report
    schedule: "@yearly"
    command: echo $$ >>DIR/report; until test -e DIR/go; do sleep 0.05; done; exit 7
  - name: slow
    schedule: "@yearly"
    timeout: 2s
    grace: 500ms
    command: echo $$ >>DIR/slow; exec sleep 600
"""


def kill_hard(service) -> None:
    pid = service.pid
    os.kill(pid, signal.SIGKILL)
    until("the service is gone", lambda: not alive(pid))


def pids(service, name: str) -> list[int]:
    return [int(line) for line in service.lines(name)]


def shims(service, name: str) -> list[int]:
    return sorted(run["pid"] for run in service.task(name)["runs"])


def test_after_kill_9_the_same_processes_go_on_under_the_next_service(service):
    service.start(TASKS)
    service.wait_lines("web", 2)
    before = shims(service, "web")
    kill_hard(service)
    assert all(map(alive, pids(service, "web")))
    service.start()
    task = service.task("web")
    assert (task["state"], task["running"]) == ("running", 2)
    assert shims(service, "web") == before
    assert all(run["adopted"] for run in task["runs"])
    assert len(service.lines("web")) == 2
    service.wait_log("web adopted")


def test_the_exit_code_and_the_end_of_a_run_that_ended_meanwhile_are_right(service):
    service.start(TASKS)
    service.torch("run", "report")
    service.wait_lines("report", 1)
    kill_hard(service)
    (service.scratch / "go").touch()
    until("the command has ended", lambda: not alive(pids(service, "report")[0]))
    service.start()
    (row,) = service.json("runs", "report")["runs"]
    assert (row["outcome"], row["exit_code"]) == ("failed", 7)
    assert row["started_at"] < row["ended_at"]


def test_an_adopted_run_is_followed_killed_and_recorded_like_any_other(service):
    service.start(TASKS)
    service.wait_lines("web", 2)
    kill_hard(service)
    service.start()
    run = service.task("web")["runs"][0]
    command = [sys.executable, "-m", "torch", "logs", run["id"], "-f", "-n", "0"]
    with subprocess.Popen(
        [*command, *service.options("logs")], stdout=subprocess.PIPE, text=True,
        env=service.environ(),
    ) as follow:  # fmt: skip
        assert follow.stdout is not None
        assert follow.stdout.readline() == "line\n"
        follow.terminate()
    service.torch("kill", run["id"])
    until("the process is gone", lambda: not alive(run["pid"]))
    ended = next(r for r in service.json("runs", "web")["runs"] if r["id"] == run["id"])
    assert (ended["outcome"], ended["reason"]) == ("killed", "torch kill")
    until("the task is whole again", lambda: service.task("web")["running"] == 2)


def test_a_timeout_goes_on_while_nobody_watches(service):
    service.start(TASKS)
    service.torch("run", "slow")
    service.wait_lines("slow", 1)
    kill_hard(service)
    service.start()
    until("it has timed out", lambda: not service.task("slow")["running"])
    (row,) = service.json("runs", "slow")["runs"]
    assert (row["outcome"], row["reason"]) == ("timed_out", "timeout (2 s)")
    assert not alive(pids(service, "slow")[0])


def test_a_restart_touches_no_run(service):
    first = service.start(TASKS)
    service.torch("run", "report")
    service.wait_lines("web", 2)
    service.wait_lines("report", 1)
    before = shims(service, "web"), shims(service, "report")
    second = int(service.torch("restart").split()[-1])
    assert second != first
    assert (shims(service, "web"), shims(service, "report")) == before
    (service.scratch / "go").touch()
    until("it has ended", lambda: service.task("report")["last"])
    assert service.task("report")["last"]["exit_code"] == 7


def test_a_restart_that_cannot_end_well_leaves_the_service_as_it_is(service):
    pid = service.start(TASKS)
    with contextlib.closing(sqlite3.connect(service.state / "history.db")) as newer:
        (schema,) = newer.execute("PRAGMA user_version").fetchone()
        newer.execute("PRAGMA user_version = 99")
        assert "newer torch (schema 99)" in service.error("restart", code=78)
        newer.execute(f"PRAGMA user_version = {schema}")
    service.write("tasks:\n  - name: web\n    shedule: never\n")
    said = service.error("restart", code=65)
    assert "shedule" in said
    assert service.pid == pid


def test_stop_with_keep_runs_leaves_them_to_the_next_service(service):
    service.start(TASKS)
    service.wait_lines("web", 2)
    before = shims(service, "web")
    assert service.torch("stop", "--keep-runs") == "torch is stopped; 2 active runs kept\n"
    assert all(map(alive, before))
    service.start()
    assert shims(service, "web") == before
    service.torch("stop")
    assert not service.processes()


def test_a_stop_while_the_service_starts_ends_what_the_old_one_left(service):
    service.start(TASKS)
    service.wait_lines("web", 2)
    old = service.pid
    kill_hard(service)
    starter = subprocess.Popen(
        [sys.executable, "-m", "torch", "start", *service.options("start")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=service.environ(),
    )  # fmt: skip
    new = until("a new service has the lock", lambda: service.pid not in (0, old) and service.pid)
    os.kill(new, signal.SIGTERM)
    starter.wait(60)
    until("nothing is left", lambda: not service.pid and not service.processes())


def test_now_and_keep_runs_exclude_each_other(service):
    assert "cannot be combined" in service.error("stop", "--now", "--keep-runs", code=64)
