"""What runs that ended have left behind: who is named, and as whose."""

from __future__ import annotations

import os

import pytest

from torch.daemon import left_behind
from torch.daemon.left_behind import Known, Left, Leftovers, look
from torch.reaper.processes import Stat
from torch.run import Run, Trigger

REAPER = 10


def process(parent: int, name: str = "sleep", state: str = "S") -> Stat:
    return Stat(name, [state, str(parent), "0", "0", *["0"] * 16])


@pytest.fixture
def host(monkeypatch):
    """pid -> what /proc says beyond its table: (mark, environment)."""
    said: dict[int, tuple[int, dict[str, str]]] = {}
    monkeypatch.setattr("torch.reaper.marks.of", lambda pid: said.get(pid, (0, {}))[0])
    monkeypatch.setattr("torch.reaper.processes.environment", lambda pid: said.get(pid, (0, {}))[1])
    monkeypatch.setattr(left_behind, "is_torch", lambda pid: pid == 99)
    return said


def known(**more: object) -> Known:
    base: dict[str, object] = {
        "parents": (1, REAPER), "first": frozenset({20}), "live": frozenset({"live"}), "marked": {},
    }  # fmt: skip
    return Known(**(base | more))  # type: ignore[arg-type]


def test_what_has_a_mark_is_of_the_run_that_had_it(host):
    host[30] = (7, {})
    seen = {REAPER: process(1), 30: process(REAPER)}
    assert look(known(marked={7: ("r1", "web")}), seen) == [
        Left(run="r1", task="web", pid=30, name="sleep")
    ]


def test_its_environment_tells_where_its_mark_does_not_and_its_parent_where_neither_does(host):
    host[30] = (0, {"TORCH_RUN_ID": "r1", "TORCH_TASK": "web"})
    seen = {30: process(REAPER), 31: process(30, "child")}
    assert [(left.run, left.pid) for left in look(known(), seen)] == [("r1", 30), ("r1", 31)]


def test_what_nothing_tells_is_of_an_unknown_run(host):
    assert look(known(), {30: process(REAPER)}) == [Left(run=None, task=None, pid=30, name="sleep")]


def test_what_live_runs_have_is_not_named(host):
    host[30] = (7, {})
    seen = {20: process(REAPER), 21: process(20), 30: process(REAPER)}
    assert look(known(marked={7: ("live", "web")}), seen) == []


def test_our_own_programs_reapers_zombies_and_strangers_are_not_named(host):
    seen = {
        REAPER: process(1), 99: process(1), 40: process(REAPER, state="Z"), 50: process(2),
    }  # fmt: skip
    assert look(known(), seen) == []


def test_the_marks_of_the_newest_runs_are_remembered():
    found = Leftovers({}, parents=lambda: (os.getpid(),))
    for number in range(1, left_behind.MOST_MARKS + 2):
        found.remember(Run(id=f"r{number}", task="t", trigger=Trigger.MANUAL), number)
    assert len(found._ended) == left_behind.MOST_MARKS
    assert 1 not in found._ended
