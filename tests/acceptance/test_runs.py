"""What tasks see of the promises: max, overlap, timeout, stopping, daemons. Judged by what the
tasks themselves write, never by our own records."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from tests.service import alive
from tests.waiting import until

OUTLIVES = "echo + >>DIR/NAME; sleep 1.7; echo - >>DIR/NAME"


def most_at_once(lines: list[str]) -> int:
    """The highest number of runs between + and -, in the order in which they wrote."""
    live = most = 0
    for line in lines:
        live += 1 if line == "+" else -1
        most = max(most, live)
    return most


def test_max_is_never_exceeded_by_tasks_that_outlive_their_period(service):
    tasks = "".join(
        f"""
  - name: t{number}
    schedule: "* * * * * *"
    command: {OUTLIVES.replace("NAME", f"t{number}")}
    max: 2
    overlap: {overlap}
    grace: 1s
"""
        for number, overlap in enumerate(["skip", "queue", "skip", "queue"])
    )
    service.start("tasks:" + tasks)
    for number in range(4):
        assert most_at_once(service.wait_lines(f"t{number}", 10)) == 2
    service.torch("stop")


def test_many_tasks_due_in_one_second_all_start(service):
    tasks = "".join(
        f"""
  - name: t{number}
    schedule: "*/2 * * * * *"
    command: echo $TORCH_FIRE_TIME {number} >>DIR/all
"""
        for number in range(100)
    )
    service.start("tasks:" + tasks)
    lines = service.wait_lines("all", 200)
    first = sorted({line.split()[0] for line in lines})[0]
    later = [line for line in lines if not line.startswith(first)]
    assert len(later) == len(set(later))


def test_replace_stops_the_oldest_run_for_the_newest_fire(service):
    service.start(
        """
tasks:
  - name: t
    schedule: "*/2 * * * * *"
    overlap: replace
    command: echo + >>DIR/t; trap 'echo - >>DIR/t; exit 0' TERM; while :; do sleep 0.02; done
"""
    )
    lines = service.wait_lines("t", 5)
    assert lines[:5] == ["+", "-", "+", "-", "+"]
    assert any(run["reason"].startswith("replaced") for run in service.json("runs")["runs"])


def test_a_timeout_ends_the_whole_tree_even_if_it_ignores_sigterm(service):
    service.start(
        """
tasks:
  - name: t
    schedule: "@every 1h"
    timeout: 500ms
    grace: 500ms
    command: |
      trap '' TERM
      (setsid sh -c 'trap "" TERM; echo $$ >>DIR/pids; while :; do sleep 0.1; done') &
      echo $$ >>DIR/pids
      while :; do sleep 0.1; done
"""
    )
    service.torch("run", "t")
    pids = [int(line) for line in service.wait_lines("pids", 2)]
    until("the run is over", lambda: service.task("t")["running"] == 0)
    assert not any(alive(pid) for pid in pids)
    run = service.json("runs", "t")["runs"][0]
    assert run["outcome"] == "timed_out"
    assert run["exit_code"] == 137


HIDERS = {
    "traps TERM": "trap '' TERM; echo $$ >>DIR/pids; while :; do sleep 0.1; done",
    "setsid": "setsid sh -c 'echo $$ >>DIR/pids; exec sleep 600'; sleep 600",
    "forks twice": "(setsid sh -c 'sh -c \"trap : TERM; echo \\$\\$ >>DIR/pids; "
    "while :; do sleep 0.1; done\" &') ; sleep 600",
    "is stopped": "echo $$ >>DIR/pids; kill -STOP 0; sleep 600",
}


@pytest.mark.parametrize("how", HIDERS)
def test_stop_leaves_nothing_of_a_task_that(service, how):
    command = HIDERS[how].replace("\n", " ")
    service.start(
        f"""
tasks:
  - name: t
    type: daemon
    grace: 500ms
    command: |
      {command}
"""
    )
    service.wait_lines("pids", 1)
    service.torch("stop")
    assert service.processes() == []
    last = service.log().splitlines()[-1]
    assert "event=service_stopped" in last and "could not end" not in last


def test_a_second_sigterm_kills_at_once(service):
    pid = service.start(
        """
tasks:
  - name: t
    type: daemon
    grace: 10m
    command: trap '' TERM; echo $$ >>DIR/pids; while :; do sleep 0.1; done
"""
    )
    service.wait_lines("pids", 1)
    os.kill(pid, signal.SIGTERM)
    service.wait_log("service_stopping")
    os.kill(pid, signal.SIGTERM)
    until("the service is gone", lambda: not alive(pid))
    assert service.processes() == []


def test_a_daemon_killed_again_and_again_comes_back_and_never_twice(service):
    service.start(
        """
tasks:
  - name: d
    type: daemon
    command: echo $$ >>DIR/pids; exec sleep 600
    restart: {delay: 100ms, healthy_after: 100ms}
"""
    )
    for count in range(1, 6):
        pids = [int(line) for line in service.wait_lines("pids", count)]
        until("it lives", partial(alive, pids[-1]))
        assert sum(map(alive, pids)) == 1
        os.kill(pids[-1], signal.SIGKILL)
    service.wait_lines("pids", 6)


def test_a_daemon_that_keeps_dying_is_shown_as_crash_looping_with_its_last_lines(service):
    service.start(
        """
tasks:
  - name: d
    type: daemon
    command: echo cannot open the feed; exit 3
    restart: {delay: 100ms, max_delay: 200ms}
"""
    )
    until("status says so", lambda: service.task("d")["state"] == "crash-looping")
    service.wait_log("crash-looping")
    assert "cannot open the feed" in service.log()
    service.torch("status", "--strict", code=1)


def test_a_daemon_that_is_disabled_by_an_edit_is_stopped(service):
    text = "tasks:\n  - {name: d, type: daemon, command: 'echo $$ >>DIR/pids; exec sleep 600'ON}\n"
    service.start(text.replace("ON", ""))
    pid = int(service.wait_lines("pids", 1)[0])
    service.write(text.replace("ON", ", enabled: false"))
    until("it is stopped", lambda: not alive(pid))
    until("status says so", lambda: service.task("d")["state"] == "disabled")


def test_a_task_inherits_no_descriptor_of_the_service(service):
    service.start(ONE.replace("COMMAND", "ls /proc/self/fd"))
    service.torch("reload")
    assert service.torch("run", "t", "--wait").split() == ["0", "1", "2", "3"]  # 3 is ls's own


ONE = """
tasks:
  - name: t
    schedule: "@yearly"
    command: COMMAND
"""


def test_run_wait_passes_output_and_exit_code_on(service):
    service.start(ONE.replace("COMMAND", "echo hello; exit 7"))
    assert service.torch("run", "t", "--wait", code=7) == "hello\n"
    run = service.json("runs", "t")["runs"][0]
    assert (run["trigger"], run["outcome"], run["exit_code"]) == ("manual", "failed", 7)
    assert run["fire_time"] is None


def test_a_run_by_hand_is_refused_when_max_runs_live(service):
    service.start(ONE.replace("COMMAND", "exec sleep 600"))
    service.torch("run", "t")
    until("it runs", lambda: service.task("t")["runs"][0]["pid"])
    assert "max is 1" in service.error("run", "t", code=75)


def test_an_unknown_task_suggests_the_nearest(service):
    service.start(ONE.replace("name: t", "name: rotate-logs").replace("COMMAND", "exit 0"))
    assert "did you mean 'rotate-logs'?" in service.error("run", "rotate-lgs", code=64)
    assert "did you mean 'rotate-logs'?" in service.error("kill", "rotate-lgs", code=64)


def test_a_task_that_cannot_be_started_delays_no_other_and_no_stop(service):
    bad = service.folder / "bad.env"
    bad.write_bytes(b"A=x\0y\n")
    bad.chmod(0o600)
    service.start(
        f"""
tasks:
  - name: bad
    schedule: "* * * * * *"
    env_file: {bad}
    command: echo never
  - name: good
    schedule: "* * * * * *"
    command: echo beat >>DIR/good
"""
    )
    service.wait_lines("good", 4)
    assert "NUL" in service.json("runs", "bad")["runs"][0]["reason"]
    service.torch("stop")


def test_a_run_waits_until_its_env_file_is_saved(service):
    path = service.scratch / "secrets.env"
    path.touch(0o600)
    with open(path, "w") as file:
        file.write("TOKEN=ha")
        file.flush()
        service.start(
            f"tasks:\n  - {{name: d, type: daemon, env_file: {path},"
            " command: 'echo $TOKEN >>DIR/token; exec sleep 600'}\n"
        )
        until("it has looked", lambda: service.json("runs", "d")["runs"])
        assert service.lines("token") == []
        file.write("lf\n")
    assert service.wait_lines("token", 1) == ["half"]
    service.torch("stop")


def test_a_daemon_task_is_not_run_by_hand(service):
    service.start("tasks:\n  - {name: d, type: daemon, command: exec sleep 600}\n")
    assert "cannot be run manually" in service.error("run", "d", code=64)


def test_runs_of_a_task_that_never_was_suggest_the_nearest(service):
    service.start(ONE.replace("name: t", "name: rotate-logs").replace("COMMAND", "exit 0"))
    assert "did you mean 'rotate-logs'?" in service.error("runs", "rotate-lgs", code=64)
    assert service.torch("runs", "rotate-logs") == ""


def test_next_and_plan_read_the_file_of_the_running_service(service):
    service.start(ONE.replace("COMMAND", "exit 0"))
    assert "@yearly" in service.torch("next", "t", "--state-dir", str(service.state))
    assert "@yearly" in service.torch("plan", "--host", "10.1.1.1")


def test_a_table_on_a_narrow_terminal_cuts_no_name(service):
    service.start(ONE.replace("name: t", f"name: {'long-name-' * 6}").replace("COMMAND", "exit 0"))
    command = f"{sys.executable} -m torch status --state-dir {service.state}"
    shown = subprocess.run(
        ["script", "-qec", f"stty cols 80; {command}", "/dev/null"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env=service.environ(),
    ).stdout  # fmt: skip
    assert "long-name-" * 6 in shown


def test_kill_ends_a_run_and_its_outcome_says_so(service):
    service.start(ONE.replace("COMMAND", "exec sleep 600"))
    run_id = service.torch("run", "t").strip()
    until("it runs", lambda: service.task("t")["runs"][0]["pid"])
    assert run_id in service.torch("kill", run_id)
    until("it is over", lambda: service.task("t")["running"] == 0)
    run = service.json("runs", "t")["runs"][0]
    assert (run["outcome"], run["reason"], run["signal"]) == ("killed", "torch kill", 15)


def test_a_missing_interpreter_is_a_run_that_did_not_start_with_its_reason(service):
    service.start(ONE.replace("COMMAND", "[/no/such/interpreter, x]"))
    service.torch("run", "t", "--wait", code=1)
    service.wait_log("t did not start: its command /no/such/interpreter was not found")


def test_a_folder_that_vanished_is_a_run_that_did_not_start(service):
    folder = service.folder / "gone"
    folder.mkdir()
    service.start(ONE.replace("COMMAND", f"'true'\n    cwd: {folder}"))
    folder.rmdir()
    service.torch("run", "t", "--wait", code=1)
    assert str(folder) in service.json("runs", "t")["runs"][0]["reason"]


def test_logs_show_the_output_of_a_task_and_of_a_run(service):
    service.start(ONE.replace("COMMAND", "echo one; echo two >&2"))
    run_id = service.torch("run", "t").strip()
    until("it is over", lambda: service.json("runs")["runs"][0]["state"] == "finished")
    assert service.torch("logs", "t") == "one\ntwo\n"
    assert service.torch("logs", run_id) == "one\ntwo\n"
    assert service.torch("logs", "t", "-n", "1") == "two\n"
    assert service.torch("logs", "t", "--grep", "on") == "one\n"
    assert "service_ready" in service.torch("logs")
    assert "neither" in service.error("logs", "../etc", code=64)


def test_a_gigantic_output_is_capped_to_its_tail_and_changes_no_verdict(service):
    text = ONE.replace("COMMAND", "seq 1 3000000") + "    output: {max_size: 64KiB}\n"
    service.start(text)
    last = service.torch("run", "t", "--wait").splitlines()[-1]
    assert last == "3000000"
    (output,) = (service.state / "output" / "t").iterdir()
    assert output.stat().st_size <= 64 * 1024
    assert service.json("runs", "t")["runs"][0]["outcome"] == "succeeded"
