"""The log on a disk that is full or fails: whole lines or none, counted, and said."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from torch.clock import rfc3339
from torch.daemon.logfile import LogFile
from torch.event import ServiceStopping, TaskPaused
from torch.testing import FakeClock

EVENT = TaskPaused(task="backup", until=None)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "torch.log"


@pytest.fixture
def sink(path: Path) -> LogFile:
    return LogFile(str(path), form="logfmt", clock=FakeClock())


class Disk:
    """Takes so many bytes more, in pieces, and then none."""

    def __init__(self, monkeypatch, *, room: int, piece: int = 10_000) -> None:
        self.room = room
        self.piece = piece
        self._write: Callable[[int, bytes], int] = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        part = data[: min(self.room, self.piece)]
        if not part:
            raise FULL
        self.room -= len(part)
        return self._write(fd, part)


def events(path: Path) -> list[str]:
    lines = path.read_text().split("\n")
    assert lines.pop() == ""
    assert all(line.startswith("time=") and line.endswith('"') for line in lines)
    return [line.split()[2].removeprefix("event=") for line in lines]


def test_a_line_that_is_taken_in_pieces_is_written_whole(path, sink, monkeypatch):
    Disk(monkeypatch, room=100_000, piece=7)
    sink.tell(EVENT)
    sink.tell(EVENT)
    assert events(path) == ["task_paused", "task_paused"]
    assert sink.failing() is None


def test_a_line_that_is_taken_in_part_is_taken_back_and_counted(path, sink, monkeypatch):
    sink.tell(EVENT)
    disk = Disk(monkeypatch, room=40)
    sink.tell(EVENT)
    sink.tell(EVENT)
    assert events(path) == ["task_paused"]
    assert sink.failing() == {
        "since": rfc3339(1_800_000_000.0), "reason": "No space left on device", "lost": 2,
    }  # fmt: skip
    disk.room = 100_000
    sink.tell(ServiceStopping(reason="SIGTERM", live=0))
    assert events(path) == ["task_paused", "part_recovered", "service_stopping"]
    assert "2 lines could not be written" in path.read_text()
    assert sink.failing() is None


def test_that_lines_were_lost_is_said_though_nothing_happens(path, sink, monkeypatch):
    disk = Disk(monkeypatch, room=0)
    sink.retry()
    assert sink.failing() is None
    sink.tell(EVENT)
    sink.retry()
    assert sink.failing() is not None
    disk.room = 100_000
    sink.retry()
    assert sink.failing() is None
    assert events(path) == ["part_recovered"]


def test_half_a_line_that_cannot_be_taken_back_is_ended_before_the_next(path, sink, monkeypatch):
    sink.tell(EVENT)
    disk = Disk(monkeypatch, room=40)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", refuse)
        sink.tell(EVENT)
    disk.room = 100_000
    sink.tell(EVENT)
    whole, torn, said, last, rest = path.read_text().split("\n")
    assert whole.endswith('"') and said.endswith('"') and last.endswith('"') and rest == ""
    assert len(torn) == 40
    assert "event=part_recovered" in said and "event=task_paused" in last


def test_after_its_end_nothing_is_written_though_the_descriptor_is_another_files(path, sink):
    sink.close()
    other = os.open(path.parent / "other", os.O_WRONLY | os.O_CREAT)
    sink.tell(EVENT)
    sink.retry()
    sink.reopen()
    os.close(other)
    assert (path.parent / "other").read_text() == path.read_text() == ""


def test_a_folder_that_is_removed_comes_back_with_the_next_line(tmp_path):
    path = tmp_path / "log" / "torch.log"
    path.parent.mkdir()
    sink = LogFile(str(path), form="logfmt", clock=FakeClock())
    shutil.rmtree(path.parent)
    sink.tell(EVENT)
    assert events(path) == ["task_paused"]
    assert sink.failing() is None
    assert path.parent.stat().st_mode & 0o777 == 0o750


def test_what_stands_in_the_place_of_the_log_is_named_until_it_is_gone(path, sink):
    path.unlink()
    path.mkdir()
    sink.reopen()  # as after a rotation: it raises nothing
    sink.tell(EVENT)
    failing = sink.failing()
    assert failing is not None and failing["reason"] == os.strerror(errno.EISDIR)
    path.rmdir()
    sink.tell(EVENT)
    assert events(path) == ["part_recovered", "task_paused"]
