"""torch diff in a real git repository says what a real reload then does."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from typing import Any

import pytest

from tests.service import ADDRESS, alive
from tests.waiting import until

HEAD = f"""
groups:
  web: [{ADDRESS}]
  far: [10.99.0.0/24]
defaults: {{env: {{TEST_FOLDER: DIR}}}}
tasks:
"""
SLEEPS = "exec sleep 600"
EVERY = 'schedule: "* * * * * *"'


def task(name: str, keys: str, command: str = SLEEPS) -> str:
    """One task that writes down the pid of each of its runs."""
    return f"  - {{name: {name}, {keys}, command: 'echo $$ >>DIR/{name}; {command}'}}\n"


def daemon(name: str, keys: str = "max: 1", command: str = SLEEPS) -> str:
    healthy = "restart: {delay: 100ms, healthy_after: 300ms}"
    return task(name, f"type: daemon, {healthy}, {keys}", command)


BEFORE = HEAD + "".join(
    [
        daemon("same"),
        daemon("launch", "max: 2"),
        daemon("words"),
        daemon("fewer", "max: 3"),
        daemon("leaves"),
        daemon("rests"),
        daemon("moves", "hosts: [web]"),
        task("long", EVERY),
        task("waits", EVERY + ", overlap: queue"),
        task("gone", EVERY),
    ]
)
AFTER = HEAD + "".join(
    [
        daemon("same"),
        daemon("launch", "max: 2", "exec sleep 599"),
        daemon("words", "description: for people"),
        daemon("fewer", "max: 1"),
        daemon("rests", "enabled: false"),
        daemon("moves", "hosts: [far]"),
        task("long", 'schedule: "0 0 1 1 *"'),
        task("waits", EVERY + ", overlap: queue, enabled: false"),
        task("comes", 'schedule: "0 4 * * *"'),
    ]
)
STAYS = ("same", "words", "long", "waits", "gone")
ENDS = ("leaves", "rests", "moves")


@pytest.fixture
def repository(service):
    """A clone in which the file is edited; the service reads another copy of it."""
    clone = service.folder / "clone"
    clone.mkdir()

    def git(*words: str) -> None:
        as_one = ["-c", "user.name=t", "-c", "user.email=t@example.net"]
        subprocess.run(
            ["git", "-C", str(clone), *as_one, *words],
            check=True, capture_output=True,
        )  # fmt: skip

    (clone / "tasks.yaml").write_text(service.text(BEFORE))
    git("init", "-q")
    git("add", "tasks.yaml")
    git("commit", "-q", "-m", "before")
    return clone


def loaded(service) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in service.log().splitlines()]
    return [event for event in events if event["event"] == "tasks_reloaded"]


def test_diff_says_exactly_what_a_reload_then_does(service, repository):
    service.write(BEFORE)
    service.torch("start", "--log-format", "json")
    for name, count in (("launch", 2), ("fewer", 3), *((n, 1) for n in (*STAYS, *ENDS))):
        service.wait_lines(name, count)
    until("a fire waits", lambda: service.task("waits")["waiting"])
    runs = {run["id"]: run for each in service.status()["tasks"] for run in each["runs"]}

    file = repository / "tasks.yaml"
    file.write_text(service.text(AFTER))
    options = ("-f", str(file), "--address", ADDRESS)
    said = json.loads(service.torch("diff", "--json", *options))
    assert service.torch("diff", "--exit-code", *options, code=1)
    assert len(loaded(service)) == 0, "telling changes nothing"

    service.write(AFTER)
    (event,) = until("it is loaded", lambda: loaded(service))

    for part in (said["here"], said["service"]):
        assert {word: sorted(part[word]) for word in ("added", "removed", "changed")} == {
            "added": ["comes"],
            "removed": ["gone", "leaves", "moves"],
            "changed": ["fewer", "launch", "long", "rests", "waits", "words"],
        }
        for word in ("added", "removed", "changed"):
            assert sorted(part[word]) == sorted(event.get(word, [])), word
        assert part["unchanged"] == event["unchanged"] == 1
    # The file as a whole still has the task that moved to other hosts.
    assert (said["removed"], "moves" in said["changed"]) == (["leaves", "gone"], True)

    becomes = {run["run"]: run["becomes"] for run in said["service"]["runs"]}
    told: dict[str, list[str]] = {name: [] for name in (*STAYS[1:], *ENDS, "launch", "fewer")}
    for run in said["service"]["runs"]:
        told[run["task"]].append(run["becomes"])
    assert {name: sorted(words) for name, words in told.items()} == {
        "words": ["goes_on"], "long": ["goes_on"], "gone": ["goes_on"],
        "waits": ["given_up", "goes_on"],
        "leaves": ["stopped"], "rests": ["stopped"], "moves": ["stopped"],
        "launch": ["replaced", "replaced"],
        "fewer": ["goes_on", "stopped", "stopped"],
    }  # fmt: skip

    for run_id, run in runs.items():
        if becomes.get(run_id, "goes_on") == "goes_on":
            assert alive(run["pid"]), run
        else:
            until(f"{run_id} has ended", partial(ended, run["pid"]))
    service.wait_lines("launch", 4)
    assert [row["outcome"] for row in rows(service, "waits", given_up(becomes))] == ["skipped"]
    for name in STAYS:
        assert len(service.lines(name)) == 1, name

    again = json.loads(service.torch("diff", "--json", *options))
    assert [again["service"][word] for word in ("added", "removed", "changed", "runs")] == [[]] * 4

    file.write_text(service.text(BEFORE.replace("max: 3", "max: 3, cwd: /no/such/folder")))
    refused = service.error("diff", *options, code=65)
    assert "the service here would refuse this file" in refused
    assert "'/no/such/folder' does not exist" in refused
    assert service.status()["version"]["problem"] is None


def ended(pid: int) -> bool:
    return not alive(pid)


def given_up(becomes: dict[str, str]) -> set[str]:
    return {run for run, word in becomes.items() if word == "given_up"}


def rows(service, task: str, ids: set[str]) -> list[dict[str, Any]]:
    found = service.json("runs", task, "--limit", "1000")["runs"]
    return [row for row in found if row["id"] in ids]
