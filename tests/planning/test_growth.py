"""A plan and a diff of a file twice as long cost twice as much. Calls are counted, not time."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.taskfile.test_growth import address, groups, listed, tasks
from torch.planning.change import Version, compare
from torch.planning.places import chosen, fleet
from torch.taskfile import placement
from torch.taskfile.parse import TaskFile, parse

FEW = 60

SHAPES: dict[str, Callable[[int], str]] = {
    "tasks": tasks,
    "a group for each task": lambda n: groups(n, 3) + tasks(n, lambda t: f", hosts: [g{t}]"),
    "tasks of one group that grows": lambda n: groups(1, n) + tasks(n, lambda _: ", hosts: [g0]"),
    "an address of one group for each task": lambda n: (
        groups(1, n) + tasks(n, lambda t: f', hosts: ["{address(t + 1)}"]')
    ),
    "a network for each task": lambda n: tasks(n, lambda t: f', hosts: ["10.{t}.0.0/16"]'),
    "an interface's address for each task": lambda n: tasks(
        n, lambda t: f', hosts: ["fe80::{t + 1:x}%eth0"]'
    ),
    "a group of networks for each task": lambda n: (
        "groups:\n" + "".join(f'  g{t}: ["10.{t}.0.0/16"]\n' for t in range(n))
        + tasks(n, lambda t: f", hosts: [g{t}]")
    ),
    "networks in one that is around all of them": lambda n: (
        f'groups: {{all: ["10.0.0.0/8"], each: {listed(f"10.{t}.0.0/16" for t in range(n))}}}\n'
        + tasks(n, lambda _: ", hosts: [all]")
    ),
    "groups that no task names": lambda n: groups(n, 3) + tasks(3),
}  # fmt: skip


def version(file: TaskFile) -> Version:
    return Version(tasks=file.tasks, groups=file.groups, channels=file.channels)


ASKED: dict[str, Callable[[TaskFile], object]] = {
    "plan --all": lambda file: fleet(file.tasks, file.groups),
    "plan --host": lambda file: chosen(file.tasks, file.groups, ["10.0.0.1", "10.9.9.9"]),
    "diff": lambda file: compare(version(file), version(file)),
}


def calls(ask: Callable[[TaskFile], object], file: TaskFile) -> int:
    """How often something was called, by Python code or in C."""
    counted = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    placement.read_range.cache_clear()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        ask(file)
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_twice_as_long_costs_at_most_twice_as_much(shape, asked):
    few, many = (
        calls(ASKED[asked], parse(SHAPES[shape](n).encode(), file="tasks.yaml"))
        for n in (FEW, 2 * FEW)
    )
    assert many <= 2.2 * few
