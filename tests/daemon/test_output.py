"""Output files: where they are, how many stay, and their last lines. What is in one is
tests/reaper/test_output.py's."""

from __future__ import annotations

import os

import pytest

from torch.daemon.output import Outputs
from torch.run import Run, Trigger
from torch.task import Output, Task

TASK = Task(name="t", command="true", output=Output(keep=3))


def make_run(number: int = 1) -> Run:
    return Run(id=f"r-{number}", task="t", trigger=Trigger.SCHEDULE)


@pytest.fixture
def outputs(tmp_path):
    return Outputs(str(tmp_path / "output"))


def write(outputs: Outputs, run: Run, data: bytes, *, at: int | None = None) -> None:
    """As a reaper does."""
    path = outputs.path(run)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    if at is not None:
        os.utime(path, (at, at))


def kept(outputs: Outputs) -> list[str]:
    return sorted(os.listdir(os.path.dirname(outputs.path(make_run()))))


def test_each_run_has_a_file_of_its_own_named_by_task_and_run(outputs):
    assert outputs.path(make_run(7)).endswith("/output/t/r-7.log")
    assert outputs.path_of("t", "r-7") == outputs.path(make_run(7))


def test_only_the_newest_files_are_kept_and_never_one_in_use_removed(outputs):
    write(outputs, make_run(0), b"still writing\n", at=1)
    for number in range(1, 7):
        write(outputs, make_run(number), b"x\n", at=number)
        outputs.prune(make_run(number), TASK, live=lambda: ("r-0",))
    assert kept(outputs) == ["r-0.log", "r-4.log", "r-5.log", "r-6.log"]


def test_a_folder_among_output_files_is_neither_counted_nor_in_the_way(outputs):
    folder = os.path.dirname(outputs.path(make_run()))
    os.makedirs(f"{folder}/mine")
    os.utime(f"{folder}/mine", (0, 0))
    os.symlink("nowhere", f"{folder}/r-0.log")
    for number in range(1, 7):
        write(outputs, make_run(number), b"x\n", at=number)
        outputs.prune(make_run(number), TASK, live=tuple)
    assert len(kept(outputs)) == 4 and "mine" in kept(outputs)
    assert "r-6.log" in kept(outputs) and "r-1.log" not in kept(outputs)


def test_a_folder_in_place_of_an_output_file_has_no_last_lines(outputs):
    os.makedirs(outputs.path(make_run()))
    assert outputs.tail(make_run(), 5) == ()


def test_runs_that_print_nothing_remove_no_file_of_another(outputs):
    for number in range(3):
        write(outputs, make_run(number), b"x\n", at=number + 1)
        outputs.prune(make_run(number), TASK, live=tuple)
    for number in range(3, 20):
        outputs.prune(make_run(number), TASK, live=tuple)
    assert kept(outputs) == ["r-0.log", "r-1.log", "r-2.log"]


def test_files_of_an_earlier_service_are_counted_too(outputs):
    for number in range(10):
        write(outputs, make_run(number), b"x\n", at=number + 1)
    outputs.prune(make_run(9), TASK, live=tuple)
    assert kept(outputs) == ["r-7.log", "r-8.log", "r-9.log"]


def test_a_folder_that_somebody_removed_is_no_hindrance(outputs):
    outputs.prune(make_run(), TASK, live=tuple)
    write(outputs, make_run(), b"x\n")
    outputs.prune(make_run(), TASK, live=tuple)
    assert kept(outputs) == ["r-1.log"]


def test_the_tail_is_the_last_lines_of_any_bytes(outputs):
    lines = b"".join(b"line %07d\n" % number for number in range(5_000))
    write(outputs, make_run(), lines + b"\xff\xfe end\n")
    assert outputs.tail(make_run(), 2) == ("line 0004999", "\ufffd\ufffd end")
    assert outputs.tail_of("t", "r-1", 1) == ("\ufffd\ufffd end",)
    assert outputs.tail(make_run(), 0) == ()
    assert outputs.tail(make_run(9), 2) == ()


def test_the_tail_of_a_progress_bar_is_what_it_said_last(outputs):
    bar = b"".join(b"%d%%\r" % number for number in range(5_000))
    write(outputs, make_run(), b"begin\n" + bar + b"failed: x")
    assert outputs.tail(make_run(), 5) == ("failed: x",)
    write(outputs, make_run(), b"begin\n10%\r20%\rfailed: x\r\n")
    assert outputs.tail(make_run(), 5) == ("begin", "failed: x")
