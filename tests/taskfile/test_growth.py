"""A file twice as long costs twice as much, whatever it is long of.

What is counted is not time but every call that Python code makes, so a loop that runs over
something for each of something else shows, on any machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from torch.taskfile import placement
from torch.taskfile.judging import judge
from torch.taskfile.parse import examine
from torch.taskfile.placement import host_addresses

FEW = 60
HERE = host_addresses("10.255.0.1")


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def listed(entries) -> str:
    return "[" + ", ".join(f'"{entry}"' for entry in entries) + "]"


def tasks(count: int, keys: Callable[[int], str] = lambda _: "") -> str:
    return "tasks:\n" + "".join(
        f'  - {{name: t{n}, schedule: "0 3 * * *", command: [x], timezone: UTC{keys(n)}}}\n'
        for n in range(count)
    )


def groups(count: int, members: int = 1) -> str:
    return "groups:\n" + "".join(
        f"  g{n}: {listed(address(n * members + m + 1) for m in range(members))}\n"
        for n in range(count)
    )


def channels(count: int) -> str:
    return "notify:\n" + "".join(
        f"  c{n}: {{webhook: 'https://e.org/{n}'}}\n" for n in range(count)
    )


SHAPES: dict[str, Callable[[int], str]] = {
    "tasks": tasks,
    "tasks of one group that grows": lambda n: groups(1, n) + tasks(n, lambda _: ", hosts: [g0]"),
    "tasks that exclude a group that grows": lambda n: (
        groups(1, n) + tasks(n, lambda _: ', hosts: ["!g0"]')
    ),
    "a group for each task": lambda n: groups(n, 3) + tasks(n, lambda t: f", hosts: [g{t}]"),
    "hosts of one task": lambda n: tasks(
        1, lambda _: f", hosts: {listed(map(address, range(1, 9 * n)))}"
    ),
    "excluded addresses of one task": lambda n: tasks(
        1, lambda _: f", hosts: {listed('!' + address(m) for m in range(1, 9 * n))}"
    ),
    "hosts in defaults": lambda n: (
        f"defaults: {{hosts: {listed(map(address, range(1, 40)))}}}\n" + tasks(n)
    ),
    "env in defaults": lambda n: (
        "defaults: {env: {" + ", ".join(f"V{m}: x" for m in range(40)) + "}}\n" + tasks(n)
    ),
    "variables of one task": lambda n: tasks(
        1, lambda _: ", env: {" + ", ".join(f"V{m}: x" for m in range(9 * n)) + "}"
    ),
    "anchors": lambda n: tasks(n, lambda t: f", env: &e{t} {{A: b}}"),
    "aliases": lambda n: tasks(n, lambda t: f", env: {'*e' if t else '&e {A: b}'}"),
    "channels that every task tells": lambda n: (
        channels(n) + tasks(n, lambda t: f", on_failure: [c{t}]")
    ),
    "schedules": lambda n: tasks(n, lambda t: f", jitter: {t}s, retry: {{attempts: 9}}"),
}


def calls(text: str) -> int:
    """How often a Python function was called, or a generator went on, to judge the file."""
    counted = 0

    def count(_frame, event, _arg) -> None:
        nonlocal counted
        counted += event == "call"

    placement.read_range.cache_clear()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        file = examine(text.encode(), file="tasks.yaml", host_zone="UTC")
        problems = judge(file, HERE)
    finally:
        sys.setprofile(before)
    assert not file.refused, [problem.message for problem in problems][:3]
    return counted


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_twice_as_long_costs_at_most_twice_as_much(shape):
    write = SHAPES[shape]
    calls(write(FEW))  # what is asked for the first time, such as a module, does not count
    few, many = calls(write(FEW)), calls(write(2 * FEW))
    assert many <= 2.2 * few


def test_an_entry_is_matched_with_the_host_once_however_many_tasks_and_groups_name_it(monkeypatch):
    owner = placement.Owner({"web": ("10.0.0.1", "10.0.0.2"), "all": ("10.0.0.0/8",)}, HERE)
    read = []
    ask = placement.read_range

    def reading(text: str) -> placement.Range:
        read.append(text)
        return ask(text)

    monkeypatch.setattr(placement, "read_range", reading)
    for _ in range(1000):
        assert owner.owns(("all", "!web"))
        assert not owner.owns(("web", "10.0.0.9"))
    assert sorted(read) == ["10.0.0.0/8", "10.0.0.1", "10.0.0.2", "10.0.0.9"]
