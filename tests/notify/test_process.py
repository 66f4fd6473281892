"""The sending process itself: its secrets, its end, and what it makes of nonsense."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.notify.making import channel, message, send
from tests.receivers import Answer
from tests.waiting import until
from torch.notify import wire
from torch.notify.wire import Result

SECRET = "S3CR3T-TOKEN"


def started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        wire.argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
    )


def ask(order: bytes) -> tuple[int, bytes, bytes]:
    with started() as process:
        out, err = process.communicate(order, timeout=60)
        return process.returncode, out, err


def test_the_secret_of_a_channel_is_in_no_argument_and_no_environment(http):
    http.answer(Answer(hang=True))
    with started() as process:
        assert process.stdin is not None and process.stdout is not None
        order = wire.order(channel("webhook", f"{http.url}/{SECRET}"), message(), 30)
        process.stdin.write(order)
        process.stdin.close()
        until("the request came", lambda: http.requests)
        for name in ("cmdline", "environ", "comm"):
            assert SECRET.encode() not in Path(f"/proc/{process.pid}/{name}").read_bytes()
        process.terminate()
        said = process.stdout.read()
        assert SECRET.encode() not in said
        assert process.wait(30) == 75
        assert process.stderr is not None and process.stderr.read() == b""


@pytest.mark.parametrize(
    ("way", "status"),
    [("webhook", 301), ("webhook", 404), ("webhook", 500), ("apprise", 301), ("apprise", 500)],
)
def test_the_secret_of_a_channel_is_in_nothing_it_says(http, way, status):
    text = f"{SECRET} http://x.example/{SECRET}".encode()
    http.answer(Answer(status=status, body=text, headers={"Location": f"/{SECRET}"}))
    scheme = "json" if way == "apprise" else "http"
    url = f"{scheme}://{SECRET}:{SECRET}x@127.0.0.1:{http.port}/{SECRET}/a?token={SECRET}"
    code, out, err = ask(wire.order(channel(way, url), message()))
    assert code in (69, 75) and SECRET.encode() not in out and err == b""
    assert len(http.requests) == 1


@pytest.mark.parametrize(
    "order",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[" * 100_000,
        b'{"channel": {"name": "a", "way": "webhook", "target": "http://S3CR3T-TOKEN@x"}}',
        b" " * (wire.ORDER_LIMIT + 1),
    ],
    ids=["nothing", "no text", "empty", "deep", "half", "too long"],
)
def test_an_order_that_is_none_ends_with_65_and_one_line(order):
    code, out, err = ask(order)
    assert code == 65 and err == b"" and SECRET.encode() not in out
    assert out.count(b"\n") == 1
    result = wire.understand(out, code)
    assert not result.ok and result.permanent and result.detail.startswith("no order: ")


@pytest.mark.parametrize(
    "change",
    [{"labels": 7}, {"lines": 7}, {"title": None}, {"at": "x"}, {"at": 1e300}, {"body": [1]}],
    ids=repr,
)
@pytest.mark.parametrize("way", ["webhook", "exec"])
def test_a_message_of_the_wrong_types_is_never_a_traceback(http, way, change):
    target = {"webhook": http.url, "exec": "true"}[way]
    document = json.loads(wire.order(channel(way, target), message()))
    document["message"] |= change
    code, out, err = ask(json.dumps(document).encode())
    assert code in (0, 65, 75) and out.count(b"\n") == 1 and err == b""
    assert wire.understand(out, code).detail.isprintable()


def test_a_channel_with_no_target_is_never_a_traceback():
    for way in ("webhook", "exec", "apprise"):
        result = send(way, "")
        assert not result.ok and result.detail and "inside torch" not in result.detail


def test_the_process_dies_with_the_one_that_started_it(http):
    http.answer(Answer(hang=True))
    order = wire.order(channel("webhook", http.url), message(), 600)
    script = (
        "import subprocess, sys\n"
        "from torch.notify import wire\n"
        "p = subprocess.Popen(wire.argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "p.stdin.write(sys.stdin.buffer.read()); p.stdin.close()\n"
        "print(p.pid, flush=True); p.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdin.write(order)
        parent.stdin.close()
        sender = psutil.Process(int(parent.stdout.readline()))
        until("the request came", lambda: http.requests)
        parent.kill()
    until("the sender is gone", lambda: not sender.is_running() or sender.status() == "zombie")


def test_a_process_that_is_stuck_is_ended_by_the_kernel(http):
    """Its own threads stopped: only the kernel's alarm is left."""
    http.answer(Answer(hang=True))
    stuck = (
        "import sys, signal\n"
        "import torch.notify.guard as guard\n"
        "guard.Guard._expire = lambda self: None\n"
        "import http.client as c; plain = c.HTTPConnection.__init__\n"
        "c.HTTPConnection.__init__ = lambda self, h, p, **k: plain(self, h, p)\n"
        "guard.MARGIN = 0.3\n"
        "from torch.notify.__main__ import main\n"
        "main()\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", stuck],
        input=wire.order(channel("webhook", http.url), message(), 0.3),
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert process.returncode == -signal.SIGALRM
    result = wire.understand(process.stdout, process.returncode)
    assert not result.ok and not result.permanent


def test_what_goes_wrong_inside_is_one_line_and_nothing_on_standard_error():
    script = (
        "import os, sys\n"
        "import torch.notify.__main__ as sender\n"
        "def fit(message):\n"
        "    os.write(2, b'S3CR3T-TOKEN'); print('S3CR3T-TOKEN', file=sys.stderr, flush=True)\n"
        "    raise RuntimeError('S3CR3T-TOKEN')\n"
        "sender.fit = fit\n"
        "sender.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=wire.order(channel("exec", "true"), message()),
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (75, b"")
    result = wire.understand(done.stdout, done.returncode)
    assert result == Result(ok=False, detail="sending failed inside torch: RuntimeError")


def test_only_apprise_costs_what_apprise_costs(http):
    script = (
        "import sys, io, os\n"
        "import torch.notify.guard as guard\n"
        "guard.os._exit = lambda code: (print(*sorted(sys.modules), file=real), real.flush(),\n"
        "    guard.os.kill(guard.os.getpid(), 9))\n"
        "real = open(os.dup(1), 'w')\n"
        "from torch.notify.__main__ import main\n"
        "main()\n"
    )
    for way, target in (("webhook", http.url), ("exec", "true")):
        done = subprocess.run(
            [sys.executable, "-c", script], input=wire.order(channel(way, target), message()),
            stdout=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
        said, modules = done.stdout.decode().split("\n", 1)
        assert json.loads(said)["ok"] is True
        loaded = set(modules.split())
        assert "torch.notify.guard" in loaded
        assert not loaded & {"apprise", "requests", "yaml", "click", "psutil", "asyncio", "sqlite3"}


def test_a_result_is_said_even_when_nobody_can_be_reached_any_more():
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(wire.argv(), stdin=subprocess.PIPE, stdout=writing) as process:
        os.close(writing)
        process.communicate(wire.order(channel("exec", "true"), message()), timeout=60)
        assert process.returncode == 0


def test_a_sender_that_cannot_be_started_is_worth_another_try(monkeypatch):
    monkeypatch.setattr(wire, "argv", lambda: ["/nowhere/python"])
    monkeypatch.setattr("torch.notify.deliver.argv", lambda: ["/nowhere/python"])
    expected = "the sending process could not be started: No such file or directory"
    assert send("exec", "true") == Result(ok=False, detail=expected)
