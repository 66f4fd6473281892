"""Seeing the host: what a real service tells the commands that only look. The tests of this file
share one service; the last one kills it."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
import termios
from typing import Any

import pytest

from tests.service import Service, alive
from tests.waiting import until

TASKS = """
tasks:
  - name: later
    schedule: "30 3 1 1 *"
    command: "true"
    timezone: Europe/Berlin
  - name: once
    schedule: "* * * * * *"
    command: sleep 1000
  - name: loop
    type: daemon
    command: echo cannot open DIR/feed; exit 3
    restart: {delay: 100ms, max_delay: 5m}
  - name: busy
    type: daemon
    command: (while :; do :; done) & sleep 1000
    labels: {tier: front}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewing")
    folder.chmod(0o755)
    made = Service(folder)
    made.start(TASKS)
    until("loop keeps dying", lambda: made.task("loop")["state"] == "crash-looping")
    until("once runs", lambda: made.task("once")["running"])
    yield made
    made.cleanup()


def test_status_tells_what_fails_first_and_of_all_tasks_in_a_line(service):
    status = service.status()
    assert [task["name"] for task in status["tasks"]] == ["later", "once", "loop", "busy"]
    assert status["tasks"][3]["labels"] == {"tier": "front"}
    assert status["summary"]["tasks"] == 4
    assert status["summary"]["next"]["task"] == "once"
    assert status["history"] == {"failing": None}
    assert status["lateness"]["starts"] == 1  # `once` started, and takes no second slot
    assert 0 <= status["lateness"]["median_ms"] <= status["lateness"]["max_ms"]
    lines = service.torch("status").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("TASK"))
    assert [line.split()[0] for line in lines[at + 1 :]] == ["loop", "once", "busy", "later"]


def test_the_service_answers_for_the_fire_times_of_a_task_without_its_file(service):
    moved = service.folder / "moved.yaml"
    service.file.rename(moved)
    try:
        said = service.finished("next", "later", "-n", "2", "--state-dir", str(service.state))
    finally:
        moved.rename(service.file)
    head, *times = said.stdout.splitlines()
    assert head.endswith("Europe/Berlin)")
    assert [time[4:] for time in times] == ["-01-01T03:30:00+01:00"] * 2


def test_top_shows_what_the_process_tree_of_a_run_uses(service):
    def seen() -> dict[str, Any] | None:
        told = service.json("top")
        assert told["load"]["total"] > told["load"]["used"] > 0
        found = {task["name"]: task for task in told["tasks"]}
        assert "later" in found  # it is due first of those that only wait
        (run,) = found["busy"]["runs"]
        return run if run["processes"] >= 3 and run["cpu_seconds"] > 0.2 else None

    assert until("the processes of busy are seen", seen)["memory"] > 100_000
    text = service.torch("top")
    assert text.index("TROUBLE") < text.index("RUNNING") < text.index("NEXT")


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_top_is_drawn_until_a_key_and_leaves_the_terminal_as_it_was(service, key):
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests may ignore it
        os.environ.update(service.environ(), COLUMNS="80", LINES="24", TERM="xterm")
        arguments = ["top", "-d", "60", *service.options("top")]
        os.execv(sys.executable, [sys.executable, "-m", "torch", *arguments])
    try:
        before = termios.tcgetattr(terminal)
        assert b"\x1b[?1049h" in read(terminal, b"OF USUAL")
        assert termios.tcgetattr(terminal) != before
        os.write(terminal, key)
        assert b"\x1b[?25h" in read(terminal, b"\x1b[?1049l")
        assert os.waitpid(pid, 0)[1] == 0
        assert termios.tcgetattr(terminal) == before
    finally:
        os.close(terminal)


def read(terminal: int, wanted: bytes) -> bytes:
    """What is drawn until the wanted text is there."""
    shown = b""

    def there() -> bool:
        nonlocal shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
        return wanted in shown

    until(f"the terminal shows {wanted!r}", there)
    return shown


def test_an_unknown_run_suggests_the_nearest(service):
    run_id = service.task("busy")["runs"][0]["id"]
    assert f"did you mean '{run_id}'?" in service.error("kill", f"{run_id}x", code=64)
    assert f"did you mean '{run_id}'?" in service.error("logs", f"{run_id}x", code=64)


def test_explain_says_that_a_file_is_not_used_while_the_service_answers(service):
    other = service.folder / "other.yaml"
    other.write_text(service.text(TASKS))
    mine, service.file = service.file, other
    try:
        assert "-f is ignored" in service.finished("explain", "later").stderr
    finally:
        service.file = mine
    assert service.finished("explain", "later").stderr == ""


def test_watching_as_json_gives_an_object_a_line(service):
    command = [sys.executable, "-m", "torch", "status", "--watch", "--json"]
    reading, writing = os.pipe()
    pid = os.posix_spawn(
        command[0], [*command, *service.options("status")], service.environ(),
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
    )  # fmt: skip
    os.close(writing)
    try:
        with os.fdopen(reading) as lines:
            assert [json.loads(lines.readline())["pid"] for _ in range(2)] == [service.pid] * 2
    finally:
        os.kill(pid, signal.SIGINT)
        os.waitpid(pid, 0)


def test_after_a_kill_9_status_and_stop_say_what_lives_on(service):
    pid = service.pid
    os.kill(pid, signal.SIGKILL)
    until("the service is gone", lambda: not alive(pid))

    def told() -> bool:
        done = service.finished("status", "--json")
        assert done.returncode == 3
        return {"busy", "once"} <= {run["task"] for run in json.loads(done.stdout)["left"]}

    until("what lives on is told", told)
    message = service.error("stop", code=3)
    assert "the next service adopts them:" in message and "busy" in message
    assert f"torch start --state-dir {service.state}" in message
