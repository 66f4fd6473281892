"""torch status: what stands first, what waits, and what is said when no service lives."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from torch.cli import run, show, status
from torch.cli.terminal.columns import width
from torch.client import left
from torch.clock import Now, rfc3339
from torch.settings import resolve

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    for name in ("TORCH_FILE", "TORCH_STATE_DIR", "TORCH_ADDRESS", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("torch.clock.SystemClock.now", lambda _: Now(NOW, 1.0))


@pytest.fixture
def settings(tmp_path):
    return resolve({}, uid=1, state_dir=str(tmp_path))


def task(name: str, state: str = "idle", **keys: object) -> dict[str, Any]:
    return {
        "name": name, "type": "cron", "state": state, "running": 0, "max": 1, "waiting": 0,
        "delayed": 0, "put_off": None, "paused": None, "last": None, "next": None,
        "schedule": ["* * * * *"], "description": "", "owner": "", "labels": {}, "runs": [],
    } | keys  # fmt: skip


def ended(run_id: str = "r1", outcome: str = "failed", code: int | None = 3, reason: str = ""):
    at = rfc3339(NOW - 60)
    return {"run": run_id, "outcome": outcome, "exit_code": code, "reason": reason, "ended_at": at}


def answer(*tasks: dict[str, Any], **keys: object) -> dict[str, Any]:
    version = {"file": "/etc/torch/tasks.yaml", "commit": None, "problem": None}
    return {
        "pid": 7, "since": rfc3339(NOW - 100), "stopping": False, "address": "10.0.0.1",
        "version": version | {"loaded_at": rfc3339(NOW - 100)}, "history": {"failing": None},
        "summary": {"next": {"task": "a", "at": rfc3339(NOW + 60)}}, "tasks": [*tasks],
    } | keys  # fmt: skip


def rows(lines: list[str]) -> list[str]:
    at = next(number for number, line in enumerate(lines) if line.startswith("TASK"))
    return [line.split()[0] for line in lines[at + 1 :]]


def test_what_fails_stands_first_then_what_runs_and_the_files_order_else(settings):
    lines = status.frame(settings, answer(
        task("idle-1"), task("up", "running", running=1), task("bad", "failing", last=ended()),
        task("off", "disabled"), task("loop", "crash-looping", last=ended()), task("idle-2"),
        task("held", "paused"),
    ))  # fmt: skip
    assert rows(lines) == ["bad", "loop", "up", "idle-1", "off", "idle-2", "held"]
    assert "7 tasks: 1 running, 2 failing, 1 paused; next run" in lines[2]


def test_the_json_keeps_the_files_order(settings, monkeypatch, capsys):
    said = answer(task("idle-1"), task("bad", "failing", last=ended()))
    monkeypatch.setattr(status, "ask", lambda *_, **__: said)
    assert run(["status", "--json", "--state-dir", settings.state_dir]) == 0
    assert [t["name"] for t in json.loads(capsys.readouterr().out)["tasks"]] == ["idle-1", "bad"]


def test_a_retry_and_a_restart_that_wait_say_when_they_are_due(settings):
    put_off = {"at": rfc3339(NOW + 20), "for": "retry", "attempt": 2}
    restart = put_off | {"for": "restart"}
    lines = status.frame(settings, answer(
        task("a", "failing", last=ended(), put_off=put_off, next=rfc3339(NOW + 60)),
        task("b", "failing", last=ended(), put_off=put_off, next=rfc3339(NOW + 10)),
        task("c", "crash-looping", last=ended(), put_off=restart, type="daemon"),
        task("d", put_off=put_off | {"for": "jitter"}),
        task("e", "paused", paused={"since": rfc3339(NOW), "until": rfc3339(NOW + 20)}),
    ))  # fmt: skip
    a, b, c, d, e = lines[-5:]
    assert "retry" in a and "retry" not in b
    assert "restart" in c
    assert "jitter" not in d
    assert "resumes" in e


def test_trouble_of_the_service_itself_stands_above_the_tasks(settings):
    since = rfc3339(NOW)
    channel = {"name": "ops", "waiting": 2, "problem": "refused", "failing_since": since}
    said = answer(
        task("a"), history={"failing": {"since": since, "reason": "disk full"}},
        log={"failing": {"since": since, "reason": "No space left on device", "lost": 3}},
        watch={"failing": {"since": since, "reason": "inotify instance limit reached"}},
        alerts={"channels": [channel, {"name": "chat", "problem": None}]},
    )  # fmt: skip
    said["version"]["problem"] = "tasks.yaml:3:1: unknown key"
    lines = status.frame(settings, said)
    at = show.when(since, today=datetime.fromtimestamp(NOW).astimezone())
    assert lines[2:7] == [
        "! the task file on disk is refused: tasks.yaml:3:1: unknown key",
        f"! the history cannot be written since {at}; no run starts: disk full",
        f"! the log cannot be written since {at}; 3 lines lost: No space left on device",
        f"! the task file is not watched since {at}; changes are found late: "
        "inotify instance limit reached",
        f"! channel ops has been failing since {at} (refused); 2 messages pending",
    ]


@pytest.mark.parametrize(
    ("keys", "code"),
    [({}, 0), ({"history": {"failing": {"since": rfc3339(NOW), "reason": "full"}}}, 1)],
)
def test_strict_fails_for_what_is_wrong_with_the_service_too(settings, monkeypatch, keys, code):
    monkeypatch.setattr(status, "ask", lambda *_, **__: answer(task("a"), **keys))
    assert run(["status", "--strict", "--state-dir", settings.state_dir]) == code
    assert run(["status", "--state-dir", settings.state_dir]) == 0


def test_an_answer_of_an_older_service_is_shown_too(settings):
    said = answer(task("a"))
    for key in ("summary", "history"):
        said.pop(key)
    said["tasks"][0].pop("put_off")
    said["tasks"][0].pop("paused")
    assert rows(status.frame(settings, said)) == ["a"]


@pytest.fixture
def terminal(monkeypatch):
    """Makes stdout a terminal of 80 by 24, with colours unless told otherwise."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def become() -> None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    return become


def say(folder: str, name: str, text: bytes) -> None:
    Path(f"{folder}/output/{name}").mkdir(parents=True)
    Path(f"{folder}/output/{name}/r1.log").write_bytes(text)


def test_on_a_terminal_a_failing_task_shows_how_it_ended_and_its_last_lines(settings, terminal):
    terminal()
    say(settings.state_dir, "bad", b"first\n" * 9999 + b"opening\n\x1b[31mrefused\n\n")
    lines = status.frame(settings, answer(task("bad", "failing", last=ended())))
    assert lines[-3:] == ["  exit code 3", "  | opening", "  | \\x1b[31mrefused"]


def test_at_80_columns_no_line_is_wider_and_names_stay_whole(settings, terminal, monkeypatch):
    terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    names = ["n" * 64, "备" * 3, "short"]
    tasks = [
        task(name, "crash-looping", last=ended(reason="r" * 200), next=rfc3339(NOW + 10**6),
             schedule=["0 0 1,15 * *", "30 12 * * mon-fri"])
        for name in names
    ]  # fmt: skip
    lines = status.frame(settings, answer(*tasks))
    assert max(map(width, lines[2:])) <= 80
    assert all(any(name in line for line in lines) for name in names)
    assert "\x1b" not in "".join(lines)


def test_of_a_table_that_scrolls_away_the_failing_tasks_are_named_again(
    settings, terminal, monkeypatch, capsys
):
    terminal()
    said = answer(task("bad", "failing", last=ended()), *(task(f"t{n}") for n in range(50)))
    monkeypatch.setattr(status, "ask", lambda *_, **__: said)
    run(["status", "--state-dir", settings.state_dir])
    assert "1 failing: bad" in capsys.readouterr().out.splitlines()[-1]


# ── no service ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def held(settings, tmp_path):
    """The run files of two runs: one whose shim lives, and one whose shim is gone."""
    Path(settings.runs).mkdir()
    fds = []
    for name in ("tou-1", "tou-2"):
        path = f"{settings.runs}/{name}"
        Path(path).write_text("S 4711\n")
        os.utime(path, (NOW - 3600, NOW - 3600))
        fds.append(os.open(path, os.O_RDWR))
    fcntl.flock(fds[0], fcntl.LOCK_EX)
    yield settings
    for fd in fds:
        os.close(fd)


def test_without_a_service_status_and_stop_say_which_runs_live_on(held, capsys):
    place = f"--state-dir {held.state_dir}"
    for command, hint in (
        ("status", f"start it: torch start {place}"),
        ("stop", f"to end the active runs: torch start {place} && torch stop {place}"),
    ):
        assert run([command, "--state-dir", held.state_dir]) == 3
        said = capsys.readouterr().err
        assert "1 run is still active; the next service adopts it:" in said
        assert "tou-1, pid 4711" in said and "tou-2" not in said
        assert said.splitlines()[-1].strip() == hint


def test_without_a_service_the_json_has_what_lives_on(held, capsys):
    assert run(["status", "--json", "--state-dir", held.state_dir]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["pid"] is None and not told["ready"]
    assert [each["id"] for each in told["left"]] == ["tou-1"]


def test_a_run_file_that_was_just_made_is_left_alone(held):
    """A service that is starting may be about to lock it."""
    os.utime(f"{held.runs}/tou-1", (NOW - 1, NOW - 1))
    assert left.alive(held, NOW) == []


def left_behind(count: int) -> list[dict[str, Any]]:
    return [{"run": "r1", "task": "web", "pid": 100 + n, "name": "sleep"} for n in range(count)]


def test_what_runs_that_ended_left_behind_is_named(settings):
    lines = status.frame(settings, answer(task("web"), left_behind=left_behind(1)))
    assert lines[2] == ("1 process left behind by ended runs: sleep (pid 100) of web, run r1")


def test_of_many_processes_left_behind_the_first_are_named(settings):
    (line,) = status._left_behind(answer(left_behind=left_behind(7)))
    assert line.startswith("7 processes left behind by ended runs: sleep (pid 100) of web")
    assert line.endswith("; sleep (pid 104) of web, run r1; and 2 more")


def test_a_process_of_an_unknown_run_is_named_and_cannot_write_to_the_terminal(settings):
    left = {"run": None, "task": None, "pid": 5, "name": "a\x1b[2J"}
    (line,) = status._left_behind(answer(left_behind=[left]))
    assert line.endswith("(pid 5) of an unknown run")
    assert "\x1b" not in line


def test_nothing_is_said_where_nothing_was_left_behind_or_an_older_service_does_not_say(settings):
    assert status._left_behind(answer(left_behind=[])) == status._left_behind(answer()) == []


def test_times_are_shown_in_the_services_zone_and_a_schedule_of_another_names_its_own(settings):
    at = datetime.fromtimestamp(NOW + 60, ZoneInfo("Asia/Tokyo"))
    since = at.isoformat()
    tasks = [
        task("a", next=at.isoformat(), schedule=["30 3 * * *"]),
        task("b", next=at.isoformat(), schedule=["30 3 * * *"], timezone="Europe/Berlin"),
        task("c", next=at.isoformat(), schedule=["@every 5m"], timezone="Europe/Berlin"),
    ]
    lines = status.frame(settings, answer(*tasks, since=since, timezone="Asia/Tokyo"))
    a, b, c = (line.rstrip() for line in lines[-3:])
    assert f"{at:%H:%M:%S}" in a and a.endswith("30 3 * * *")
    assert b.endswith("30 3 * * * (Europe/Berlin)")
    assert c.endswith("@every 5m")


def test_the_last_line_of_a_progress_bar_is_what_it_said_last(settings, terminal):
    terminal()
    say(settings.state_dir, "bad", b"begin\n10%\r20%\rfailed: x")
    lines = status.frame(settings, answer(task("bad", "failing", last=ended())))
    assert lines[-2:] == ["  | begin", "  | failed: x"]
