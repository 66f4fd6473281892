"""The measurements measure what they say: every process of ours, the same tasks for both sides."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from bench import bare, processes
from bench.peers.peer import _theirs
from bench.sides import Ours, Task, _ours
from bench.table import Figure, as_markdown, middle
from torch.taskfile.parse import parse

ROOT = Path(__file__).parents[1]
TASKS = [
    Task(name="listed", schedule="*/2 * * * * *", command=("/bin/date", "+%s.%N"), keep=9),
    Task(name="text", schedule="30 4 1 1 *", command='echo "a: b" >> /tmp/x'),
]


@pytest.fixture
def child():
    """A process of this one that waits, with a word in its command line."""
    found = []

    def start(word):
        argv = [sys.executable, "-c", "input()", word]
        found.append(subprocess.Popen(argv, stdin=subprocess.PIPE))
        return found[-1].pid

    yield start
    for each in found:
        each.communicate(b"\n", timeout=60)


def test_the_reaper_is_found_by_its_command_line_and_counted_with_the_service(child):
    other, reaper = child("sleep"), child("torch.reaper")
    assert {other, reaper} <= set(processes.descendants(os.getpid()))
    assert processes.reapers(os.getpid()) == [reaper]
    with Ours() as side:
        side.pid = os.getpid()
        assert side.pids() == [os.getpid(), reaper]
        assert side.memory() > processes.resident(os.getpid()) / 1024
        side.pid = 0


def test_without_a_reaper_the_service_is_all_there_is():
    with Ours() as side:
        side.pid = os.getpid()
        assert side.pids() == [os.getpid()]
        side.pid = 0


def test_the_processor_time_of_children_counts_once_they_have_been_waited_for():
    before = processes.processor(os.getpid())
    bare.spawn_all("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done", 1)
    assert processes.processor(os.getpid()) > before


def test_a_bare_loop_sees_each_of_its_commands_once():
    begin = time.time()
    late = bare.burst(20)
    assert len(late) == 20
    assert 0 < min(late) <= max(late) <= (time.time() - begin) * 1000


def test_both_sides_get_the_same_tasks():
    ours = "tasks:\n" + "".join(map(_ours, TASKS))
    theirs = yaml.safe_load("jobs:\n" + "".join(map(_theirs, TASKS)))["jobs"]
    parse(ours.encode(), file="tasks.yaml", host_zone="UTC")
    for mine, its in zip(yaml.safe_load(ours)["tasks"], theirs, strict=True):
        assert (its["name"], its["command"]) == (mine["name"], mine["command"])
    assert [its["schedule"] for its in theirs] == ["*/2 * * * * * *", "30 4 1 1 *"]


def test_the_measurements_start_commands_without_the_means_of_the_service():
    for path in (ROOT / "bench").rglob("*.py"):
        assert "torch.daemon.spawn" not in path.read_text(encoding="utf-8"), path


def test_a_table_for_a_page_keeps_its_columns_when_a_cell_has_a_bar():
    figure = Figure(what="a | b", ours="1 ms", goal="≤ 2 ms", reached=True)
    assert as_markdown([figure], ("what", "ours", "limit", "goal", "")) == (
        "| what | ours | limit | goal |  |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| a \\| b | 1 ms | - | ≤ 2 ms | reached |"
    )


def test_a_median_is_shown_with_its_spread():
    assert middle([3.0, 1.0, 2.0], "ms", 1) == "2.0 ms (1.0–3.0, n=3)"
