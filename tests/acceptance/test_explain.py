"""torch explain of a real service: what lives, what died, and what was not there to decide."""

from __future__ import annotations

import os
import signal
from typing import Any

from tests.service import alive
from tests.waiting import until

TASKS = """
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: echo + >>DIR/beat
  - name: long
    schedule: "* * * * * *"
    command: echo $$ >>DIR/long; while [ ! -e DIR/end ]; do sleep 0.05; done; exit 7
  - name: flaky
    schedule: "*/2 * * * * *"
    command: echo + >>DIR/flaky; exit 4
    retry: {attempts: 1, delay: 0s}
  - name: web
    type: daemon
    command: echo $$ >>DIR/web; exec sleep 600
  - name: elsewhere
    schedule: "@daily"
    command: echo never
    hosts: [10.99.0.1]
"""


def explained(service, *args: str) -> Any:
    return service.json("explain", *args)


def test_a_fire_that_ran_is_told_with_its_run(service):
    service.start(TASKS)
    service.wait_lines("beat", 3)
    found = until(
        "an end is on record",
        lambda: next((e for e in [explained(service, "beat")] if e["kind"] == "ran"), None),
    )
    assert found["verdict"].endswith("ran and succeeded")
    (run,) = found["runs"]
    assert run["fire_time"] == found["fire_time"]
    assert f"run {run['id']}: started" in found["details"][0]


def test_attempts_are_told_with_their_exit_code_and_output(service):
    service.start(TASKS.replace("echo + >>DIR/flaky", "echo + >>DIR/flaky; echo no"))
    service.wait_lines("flaky", 2)
    rows = until(
        "both attempts are on record",
        lambda: [r for r in service.json("runs", "flaky")["runs"] if r["attempt"] == 2
                 and r["outcome"]],
    )  # fmt: skip
    found = explained(service, "flaky", rows[-1]["fire_time"])
    assert found["verdict"].endswith("ran and failed at attempt 2")
    assert [run["exit_code"] for run in found["runs"]] == [4, 4]
    assert sum(line.startswith("output: ") for line in found["details"]) == 2
    assert "a higher 'retry.attempts' than 1 allows more retries" in found["changes"]


def test_a_skipped_fire_names_the_live_run(service):
    service.start(TASKS)
    service.wait_lines("long", 1)
    until(
        "a fire was skipped",
        lambda: "skipped" in [r["outcome"] for r in service.json("runs", "long")["runs"]],
    )
    (run,) = service.task("long")["runs"]
    found = until(
        "the newest fire is decided",
        lambda: next((e for e in [explained(service, "long")] if e["kind"] == "skipped"), None),
    )
    assert any(line.startswith(f"run {run['id']} has had a slot") for line in found["details"])
    assert f"'torch kill {run['id']}' ends the run that has the slot now" in found["changes"]


def test_a_run_that_outlived_its_service_is_told_as_adopted_with_its_true_exit_code(service):
    service.start(TASKS)
    service.wait_lines("long", 1)
    (run,) = service.task("long")["runs"]
    pid = service.pid
    os.kill(pid, signal.SIGKILL)
    until("the service is gone", lambda: not alive(pid))
    down = explained(service, "long", run["fire_time"])
    assert "no service is running to record it" in down["verdict"]
    service.start()
    assert "1/1, 1 adopted" in service.torch("status")
    found = explained(service, "long", run["fire_time"])
    assert found["kind"] == "running"
    assert any(line.startswith("adopted by the service") for line in found["details"])
    (service.scratch / "end").touch()
    ended = until(
        "its end is on record",
        lambda: next(
            (e for e in [explained(service, "long", run["fire_time"])] if e["kind"] == "ran"), None
        ),
    )
    assert ended["runs"][0]["exit_code"] == 7
    assert any(line.startswith("adopted by the service") for line in ended["details"])


def test_fires_of_a_time_without_a_service_say_from_when_to_when(service):
    service.start(TASKS)
    service.wait_lines("beat", 1)
    service.torch("stop")
    found = until(
        "a fire fell into the gap",
        lambda: next((e for e in [explained(service, "beat")] if e["kind"] == "down"), None),
    )
    assert "no service was running from" in found["verdict"]
    assert "the previous service was stopped" in found["verdict"]
    assert "'torch start'" in found["changes"]
    service.start()
    until(
        "the gap is on record",
        lambda: explained(service, "beat", found["fire_time"])["kind"] != "down",
    )


def test_pause_placement_and_daemon_tasks_are_told(service):
    service.start(TASKS)
    service.wait_lines("web", 1)
    seen = len(service.wait_lines("beat", 1))
    service.torch("pause", "beat")
    paused = until(
        "a fire fell into the pause",
        lambda: next((e for e in [explained(service, "beat")] if e["kind"] == "paused"), None),
    )
    assert paused["changes"][0] == "'torch resume beat'"
    service.torch("resume", "beat")
    service.wait_lines("beat", seen + 1)
    after = explained(service, "beat", paused["fire_time"])
    assert after["kind"] == "skipped"
    assert explained(service, "elsewhere")["kind"] == "elsewhere"
    assert "1 of 1 run active" in explained(service, "web")["verdict"]


def test_what_nobody_knows_is_refused_with_the_nearest_name(service):
    service.start(TASKS)
    assert "did you mean 'beat'?" in service.error("explain", "beet", code=64)
    assert "is not a time" in service.error("explain", "beat", "soonish", code=64)
    service.torch("stop")
    assert "did you mean 'beat'?" in service.error("explain", "beet", code=64)


def test_the_text_ends_in_the_zone_and_what_would_change_it(service):
    service.start(TASKS)
    service.wait_lines("long", 1)
    text = service.torch("explain", "beat", "tomorrow", "03:04:05")
    assert "is in the future, in" in text.splitlines()[0]
    assert "\n  times are in " in text
    assert "\nwhat would change it:\n  'torch pause beat'" in text
