"""Output files: capped while written, cut to the tail, pruned, never in the way."""

from __future__ import annotations

import os

import pytest

from torch.daemon.output import Outputs
from torch.run import Run, Trigger
from torch.task import Output, Task

CAP = 64 * 1024
TASK = Task(name="t", command="true", output=Output(keep=3, max_size=CAP))


def make_run(number: int = 1) -> Run:
    return Run(id=f"r-{number}", task="t", trigger=Trigger.SCHEDULE)


@pytest.fixture
def outputs(tmp_path):
    return Outputs(str(tmp_path / "output"))


def write(outputs: Outputs, run: Run, data: bytes) -> None:
    fd = outputs.open(run)
    with open(fd, "wb", closefd=True) as file:
        file.write(data)


def lines(count: int) -> bytes:
    return b"".join(b"line %07d\n" % number for number in range(count))


def test_the_cap_frees_the_head_on_disk_and_keeps_the_tail(outputs):
    run, data = make_run(), lines(100_000)
    write(outputs, run, data)
    assert outputs.cap(run, CAP) > 0
    path = outputs.path(run)
    assert os.stat(path).st_blocks * 512 <= CAP + 8192
    with open(path, "rb") as file:
        file.seek(-CAP // 2, os.SEEK_END)
        assert data.endswith(file.read())


def test_a_writer_goes_on_undisturbed_when_its_file_is_capped(outputs):
    run = make_run()
    fd = outputs.open(run)
    os.write(fd, lines(20_000))
    outputs.cap(run, CAP)
    os.write(fd, b"after the cap\n")
    os.close(fd)
    outputs.close(run, TASK, live=())
    with open(outputs.path(run), "rb") as file:
        text = file.read()
    assert text.endswith(b"after the cap\n")
    assert b"\0" not in text
    assert len(text) <= CAP


def test_a_file_within_its_cap_is_kept_as_it_is(outputs):
    run = make_run()
    write(outputs, run, b"hello\n")
    assert outputs.cap(run, CAP) == 0
    assert outputs.close(run, TASK, live=()) == 0
    assert outputs.tail(run, 5) == ("hello",)


def test_a_run_that_said_nothing_leaves_no_file(outputs):
    run = make_run()
    write(outputs, run, b"")
    outputs.close(run, TASK, live=())
    assert not os.path.exists(outputs.path(run))


def test_only_the_newest_files_are_kept_and_never_one_in_use_removed(outputs):
    write(outputs, make_run(0), b"still writing\n")
    for number in range(1, 7):
        write(outputs, make_run(number), b"x\n")
        os.utime(outputs.path(make_run(number)), (number, number))
        outputs.close(make_run(number), TASK, live=("r-0",))
    kept = sorted(os.listdir(os.path.dirname(outputs.path(make_run()))))
    assert kept == ["r-0.log", "r-4.log", "r-5.log", "r-6.log"]


def test_the_tail_is_the_last_lines_of_any_bytes(outputs):
    run = make_run()
    write(outputs, run, lines(5_000) + b"\xff\xfe end\n")
    assert outputs.tail(run, 2) == ("line 0004999", "\ufffd\ufffd end")
    assert outputs.tail(make_run(9), 2) == ()


def test_output_files_are_for_the_owner_and_its_group(outputs):
    before = os.umask(0o077)
    try:
        write(outputs, make_run(), b"x\n")
    finally:
        os.umask(before)
    path = outputs.path(make_run())
    assert os.stat(path).st_mode & 0o777 == 0o640
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o750
