"""A paused task fires nothing until it is resumed, whatever happens to the service meanwhile."""

from __future__ import annotations

import os
import re
import signal
from datetime import datetime

from tests.service import alive
from tests.waiting import until

BEATS = """
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: echo + >>DIR/beat
  - name: witness
    schedule: "* * * * * *"
    command: echo + >>DIR/witness
  - name: long
    schedule: "* * * * * *"
    command: echo + >>DIR/long; sleep 600
  - name: web
    type: daemon
    grace: 2s
    command: echo $$ >>DIR/web; exec sleep 600
"""


def still_quiet(service, name: str = "beat") -> bool:
    """The task did nothing while another of the same schedule fired three times more."""
    before, seen = service.lines(name), len(service.lines("witness"))
    service.wait_lines("witness", seen + 3)
    return bool(service.lines(name) == before)


def test_a_paused_task_fires_nothing_and_all_its_fires_become_one_row(service):
    service.start(BEATS)
    service.wait_lines("beat", 1)
    assert service.torch("pause", "beat") == "beat is paused until you resume it\n"
    assert service.task("beat")["state"] == "paused"
    assert service.task("beat")["next"] is None
    assert still_quiet(service)
    answer = service.json("resume", "beat")
    assert answer["skipped"] >= 3
    assert answer["next"] is not None
    service.wait_lines("beat", len(service.lines("beat")) + 1)
    rows = service.json("runs", "beat", "--limit", "1000")["runs"]
    (row,) = [row for row in rows if row["outcome"] == "skipped"]
    assert row["count"] == answer["skipped"]
    assert row["reason"].startswith("paused from ")


def test_live_runs_of_a_cron_task_go_on_and_those_of_a_daemon_task_are_stopped(service):
    service.start(BEATS)
    service.wait_lines("long", 1)
    (pid,) = service.wait_lines("web", 1)
    assert "still active (1 run); to stop: " in service.torch("pause", "long")
    assert service.task("long")["running"] == 1
    assert "sent SIGTERM to 1 run" in service.torch("pause", "web")
    until("the daemon task has no run", lambda: not alive(int(pid)))
    service.torch("resume", "web")
    service.wait_lines("web", 2)


def test_a_pause_is_kept_over_a_restart_and_a_kill(service):
    service.start(BEATS)
    service.wait_lines("beat", 1)
    service.torch("pause", "beat", "--for", "1h")
    paused = service.task("beat")["paused"]
    service.torch("restart")
    assert service.task("beat")["state"] == "paused"
    pid = service.pid
    os.kill(pid, signal.SIGKILL)
    until("the service is gone", lambda: not alive(pid))
    service.start()
    assert service.task("beat")["paused"]["until"] == paused["until"]
    assert still_quiet(service)
    assert re.search(r"paused .* \d\d:\d\d:\d\d resumes", service.torch("status"))


def test_a_pause_ends_by_itself(service):
    service.start(BEATS)
    service.wait_lines("beat", 1)
    answer = service.json("pause", "beat", "--for", "2s")
    end = datetime.fromisoformat(answer["paused"]["until"])
    begin = datetime.fromisoformat(answer["paused"]["since"])
    assert (end - begin).total_seconds() <= 3
    seen = len(service.lines("beat"))
    service.wait_lines("beat", seen + 2)
    assert service.task("beat")["paused"] is None


def test_what_cannot_be_paused_is_told_with_the_way_out(service):
    assert "not running" in service.error("pause", "beat", code=3)
    service.start(BEATS)
    assert "did you mean 'beat'?" in service.error("pause", "baet", code=64)
    assert "did you mean 'beat'?" in service.error("resume", "baet", code=64)
    assert "'beat' is not paused" in service.error("resume", "beat", code=64)
    assert "not a duration" in service.error("pause", "beat", "--for", "soon", code=64)
    assert "must be at least 1s" in service.error("pause", "beat", "--for", "0", code=64)
    assert service.task("beat")["paused"] is None


def test_status_says_how_a_task_ended_last_also_after_a_restart(service):
    service.start(BEATS)
    service.wait_lines("beat", 2)
    service.torch("pause", "beat")
    last = until("its end is known", lambda: service.task("beat")["last"])
    service.torch("restart")
    after = service.task("beat")["last"]
    assert after["outcome"] == last["outcome"] == "succeeded"
    assert after["ended_at"] >= last["ended_at"]
