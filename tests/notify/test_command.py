"""Commands as channels, by the real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import psutil
import pytest

from tests.notify.making import channel, message, send
from tests.waiting import until
from torch.notify import command, wire
from torch.notify.wire import Result

DELIVERED = Result(ok=True, detail="exit code 0")


def live(mark: str) -> list[psutil.Process]:
    """The processes that have `mark` in their arguments."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if mark in (process.info["cmdline"] or ()):
            found.append(process)
    return found


def test_a_command_reads_the_event_on_its_standard_input(tmp_path):
    assert send("exec", f"cat >{tmp_path}/event") == DELIVERED
    event = json.loads((tmp_path / "event").read_text())
    assert event["type"] == "dev.torchcron.task.failing"
    assert event["data"] == json.loads(json.dumps(message().as_json()))


def test_a_command_has_the_facts_in_its_environment_and_nothing_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "x")
    assert send("exec", ("sh", "-c", f"env -0 >{tmp_path}/env; pwd >{tmp_path}/cwd")) == DELIVERED
    pairs = (tmp_path / "env").read_text().rstrip("\0").split("\0")
    found = dict(pair.split("=", 1) for pair in pairs)
    assert {name for name in found if not name.startswith("TORCH_")} <= {
        "PATH", "HOME", "LANG", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "_",
    }  # fmt: skip
    assert found["PATH"] == command.PATH
    assert (tmp_path / "cwd").read_text() == "/\n"
    told = {name: text for name, text in found.items() if name.startswith("TORCH_")}
    at = told.pop("TORCH_MESSAGE_AT")
    assert at.startswith("2026-11-2")
    assert told == {
        "TORCH_TASK": "backup",
        "TORCH_MESSAGE_ID": "m-1",
        "TORCH_MESSAGE_KIND": "failing",
        "TORCH_MESSAGE_HOST": "10.0.0.1",
        "TORCH_MESSAGE_TITLE": "backup is failing on 10.0.0.1",
        "TORCH_MESSAGE_BODY": "Run 7-12 ended with exit code 3.",
        "TORCH_MESSAGE_RUN": "7-12",
        "TORCH_MESSAGE_OUTCOME": "failed",
        "TORCH_MESSAGE_EXIT_CODE": "3",
        "TORCH_MESSAGE_REASON": "exit code 3",
        "TORCH_MESSAGE_OWNER": "ops@example.net",
    }


def test_a_command_is_never_taken_for_a_part_of_a_run():
    assert "TORCH_RUN_ID" not in command.environment(message())


def test_a_list_is_run_as_it_is(tmp_path):
    path = tmp_path / "a b;c"
    assert send("exec", ("touch", str(path))) == DELIVERED
    assert path.exists()


def test_a_command_that_does_not_read_the_event_is_not_held_up():
    assert send("exec", "exec <&-; true", body="x" * 2**20) == DELIVERED


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("echo first; echo no route >&2; exit 3", "exit code 3: no route"),
        ("exit 1", "exit code 1"),
        ("kill -9 $$", "signal 9"),
        ("printf '\\033[31mred\\r\\n'; exit 1", "exit code 1: \\x1b[31mred"),
        ("printf '\\377\\n'; exit 1", "exit code 1: \ufffd"),
        ("no-such-program", "exit code 127: /bin/sh: 1: no-such-program: not found"),
    ],
)
def test_a_command_that_fails_is_worth_another_try_and_its_last_line_is_told(script, detail):
    assert send("exec", script) == Result(ok=False, detail=detail)


def test_a_program_that_is_not_there_is_said():
    result = send("exec", ("/nowhere/at-all", "x"))
    assert result == Result(
        ok=False, detail="/nowhere/at-all could not be started: No such file or directory"
    )


def test_a_command_that_writes_without_end_is_read_and_its_last_line_is_cut():
    result = send("exec", "head -c 30000000 /dev/zero | tr '\\0' x; exit 1", timeout=20)
    assert result.detail.startswith("exit code 1: xxx") and len(result.detail) <= 300


def test_a_command_is_killed_at_the_timeout_with_everything_it_started(tmp_path):
    mark = f"{os.getpid()}.25"  # seconds that no other sleep here has
    script = f"setsid sleep 77{mark} & (sleep 77{mark} &) ; trap '' TERM; sleep 77{mark}"
    result = send("exec", script, timeout=0.7)
    assert result.detail == "the command ran longer than 0.7 s and was killed"
    assert not result.permanent
    assert live(f"77{mark}") == []


def test_what_a_command_leaves_behind_is_ended_with_it():
    mark = f"78{os.getpid()}.25"
    assert send("exec", f"setsid sleep {mark} & exit 0") == DELIVERED
    assert live(mark) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGKILL, -9)])
def test_a_command_ends_when_the_one_who_sends_is_ended(number, code):
    mark = f"79{os.getpid()}.{code % 100}"
    order = wire.order(channel("exec", ("sleep", mark)), message())
    with subprocess.Popen(wire.argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sender:
        assert sender.stdin is not None and sender.stdout is not None
        sender.stdin.write(order)
        sender.stdin.close()
        (sleeping,) = until("the command runs", lambda: live(mark))
        assert sleeping.ppid() == sender.pid
        sender.send_signal(number)
        assert sender.wait(30) == code
        said = wire.understand(sender.stdout.read(), code).detail
        assert "broken off" in said or "ended with -9" in said
    until("the command is gone", lambda: not live(mark))
