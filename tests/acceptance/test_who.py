"""Which host this is, and which file counts: the running service says it, unless it is named."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.service import ADDRESS

FLEET = f"""
groups: {{far: [10.99.0.1, 10.99.0.2]}}
tasks:
  - {{name: mine, schedule: "0 3 * * *", hosts: [{ADDRESS}], command: "true"}}
  - {{name: theirs, schedule: "0 4 * * *", hosts: [far], command: "true"}}
"""
SAY = "'theirs' belongs to other hosts: far (10.99.0.1, 10.99.0.2)"


@pytest.fixture
def plain(service):
    """A service that was started with -f and --address, and commands without them."""
    service.start(FLEET)
    service.options = lambda *_: ["--state-dir", str(service.state)]
    return service


def test_plan_tasks_next_and_explain_answer_for_the_host_of_the_service(plain):
    assert plain.json("plan")["host"] == ADDRESS
    assert [task["name"] for task in plain.json("plan")["tasks"]] == ["mine"]
    assert [task["name"] for task in plain.json("tasks")["tasks"]] == ["mine"]
    assert plain.json("next", "mine")["times"]
    assert plain.json("explain", "mine")["kind"] == "to_come"
    told = plain.torch("explain", "theirs")
    assert "places it elsewhere" in told and ADDRESS in told
    assert plain.torch("check").endswith("tasks.yaml: ok, 2 tasks\n")


def test_diff_compares_the_tasks_of_the_service_s_host(plain):
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(plain.folder), *who, *words], check=True)
    plain.write(FLEET.replace("0 3", "5 3").replace("0 4", "5 4"))
    found = plain.json("diff")
    assert found["changed"] == ["mine", "theirs"]
    assert found["here"]["changed"] == ["mine"]


def test_what_is_named_wins_over_the_service(plain):
    other = plain.folder / "other.yaml"
    other.write_text("tasks: [{name: other, schedule: '@daily', command: 'true'}]\n")
    assert [t["name"] for t in plain.json("plan", "-f", str(other))["tasks"]] == ["other"]
    assert [t["name"] for t in plain.json("plan", "--address", "10.99.0.1")["tasks"]] == ["theirs"]
    environ = plain.environ()
    plain.environ = lambda: environ | {"TORCH_ADDRESS": "10.99.0.1"}
    assert [t["name"] for t in plain.json("plan")["tasks"]] == ["theirs"]


@pytest.mark.parametrize(
    "command", [["tasks", "--address", "10.9.9.9"], ["explain", "mine", "--address", "10.9.9.9"]]
)
def test_an_address_that_is_not_used_is_said(plain, command):
    assert f"uses {ADDRESS}" in plain.finished(*command).stderr


# ── a task of other hosts ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "command", [["run"], ["run", "--wait"], ["kill"], ["pause"], ["resume"], ["logs"], ["runs"],
                ["tasks"], ["notify", "history"]],
)  # fmt: skip
def test_a_task_of_other_hosts_is_said_to_belong_to_them(plain, command):
    error = plain.error(*command, "theirs", code=64)
    assert SAY in error and f"this host is {ADDRESS}" in error
    assert "did you mean" not in error


def test_the_next_times_of_a_task_of_other_hosts_come_with_a_note(plain):
    done = plain.finished("next", "theirs")
    assert done.returncode == 0 and done.stdout
    assert SAY in done.stderr


@pytest.mark.parametrize("command", [["run"], ["kill"], ["pause"], ["logs"], ["runs"], ["tasks"]])
def test_a_name_of_no_task_at_all_is_compared_with_those_there_are(plain, command):
    error = plain.error(*command, "mien", code=64)
    assert "did you mean 'mine'?" in error
    assert str(plain.state) in error


def test_without_a_service_a_task_of_other_hosts_is_found_in_the_file_that_is_named(service):
    service.start(FLEET)
    service.torch("stop")
    for command in ("logs", "runs"):
        done = subprocess.run(
            [sys.executable, "-m", "torch", command, "theirs", "--state-dir", str(service.state)],
            capture_output=True, text=True, check=False,
            env=service.environ() | {"TORCH_FILE": str(service.file), "TORCH_ADDRESS": ADDRESS},
        )  # fmt: skip
        assert done.returncode == 64 and SAY in done.stderr


# ── nothing runs ──────────────────────────────────────────────────────────────────────────


def test_a_kill_where_nothing_runs_is_done_already(plain):
    done = plain.finished("kill", "mine")
    assert done.returncode == 0
    assert done.stderr == "no active runs of mine\n" and done.stdout == ""
    assert json.loads(plain.torch("kill", "mine", "--json")) == {"v": 1, "runs": []}


def test_a_kill_of_a_run_that_has_ended_is_done_already(plain):
    run = plain.json("run", "mine", "--wait")["run"]
    done = plain.finished("kill", run)
    assert done.returncode == 0
    assert f"{run} has ended: succeeded" in done.stderr
    assert json.loads(plain.torch("kill", run, "--json")) == {"v": 1, "runs": []}
