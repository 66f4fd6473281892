"""The child that reads the task file misbehaves: what is in force stays, and why is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import struct
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from torch.daemon import reader
from torch.daemon.load import Loader
from torch.daemon.process import Form
from torch.event import ReloadRefused
from torch.testing.clock import FakeClock

SAYS = "import sys, signal\nsys.stdout.buffer.write({data!r}); sys.stdout.flush()\n"
WAITS = "signal.pause()\n"
RUBBISH = b"\x80\x05this is no pickle."
WHOLE = pickle.dumps(("no reading",))


def framed(body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I", len(body) if length is None else length) + body


def answer_to_a_reload(folder, monkeypatch, program):
    """What `torch reload` hears when the reader is this program, and what the log is told."""
    file = folder / "reader.py"
    file.write_text(program)
    form = Form(argv=(sys.executable, "-I", str(file)), errors=True)
    monkeypatch.setattr(reader, "READER", form)
    told: list[object] = []

    async def go():
        settings: Any = SimpleNamespace(task_file=str(folder / "tasks.yaml"), address="")
        loop: Any = None
        systemd: Any = SimpleNamespace(reloading=contextlib.nullcontext)
        loader = Loader(settings, loop=loop, clock=FakeClock(), tell=told.append, systemd=systemd)
        fds = set(os.listdir("/proc/self/fd"))
        answer = await loader.reload()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        assert set(os.listdir("/proc/self/fd")) <= fds
        return answer

    return asyncio.run(go()), told


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys\nsys.exit('no module named yaml')\n", "no module named yaml"),
        (SAYS.format(data=framed(RUBBISH)) + WAITS, "not valid"),
        (SAYS.format(data=framed(WHOLE)) + WAITS, "not valid"),
        (SAYS.format(data=framed(b"", 2**32 - 1)) + WAITS, "not valid"),
        (SAYS.format(data=framed(WHOLE)[:-3]), "incomplete"),
        (SAYS.format(data=b"\0\0"), "incomplete"),
    ],
    ids=["fails", "rubbish", "another thing", "endless", "half a frame", "half a length"],
)
def test_a_reader_that_makes_no_sense_refuses_the_file_and_the_reload_ends(
    tmp_path, monkeypatch, program, why
):
    answer, told = answer_to_a_reload(tmp_path, monkeypatch, program)
    assert not answer["accepted"]
    message = answer["problems"][0]["message"]
    assert message.startswith("the reader failed: ")
    assert why in message
    assert [type(event) for event in told] == [ReloadRefused]


def test_a_reader_that_hangs_or_is_stopped_is_ended_when_its_time_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "SHORTEST", 0.5)
    program = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n"
    answer, _ = answer_to_a_reload(tmp_path, monkeypatch, program)
    assert "took longer than" in answer["problems"][0]["message"]


def test_a_reader_that_fills_its_standard_error_is_heard_all_the_same(tmp_path, monkeypatch):
    program = "import sys\nsys.stderr.write('warning\\n' * 200_000)\nsys.exit('the reason')\n"
    answer, _ = answer_to_a_reload(tmp_path, monkeypatch, program)
    assert answer["problems"][0]["message"] == "the reader failed: the reason"


def test_a_ctrl_c_of_the_terminal_does_not_reach_the_reader(tmp_path, monkeypatch):
    program = "import os, sys\nsys.exit(f'{os.getsid(0) == os.getpid()}')\n"
    answer, _ = answer_to_a_reload(tmp_path, monkeypatch, program)
    assert answer["problems"][0]["message"] == "the reader failed: True"


def test_a_zone_file_that_became_a_fifo_is_named_at_once_and_no_reader_is_started(
    tmp_path, monkeypatch
):
    fifo = tmp_path / "zone"
    os.mkfifo(fifo)
    monkeypatch.setenv("TZ", f":{fifo}")
    answer, _ = answer_to_a_reload(tmp_path, monkeypatch, WAITS)
    (problem,) = answer["problems"]
    assert f"TZ is ':{fifo}', which is a FIFO, not a time zone file" in problem["message"]
