"""Looking for the processes of a run while they come and go."""

from __future__ import annotations

import pytest

from torch.reaper import processes
from torch.reaper.processes import Stat, Tie


def process(parent: int, *, session: int = 1, started: int = 100, state: str = "S") -> Stat:
    fields = [state, str(parent), "1", str(session), *["0"] * 15, str(started)]
    return Stat("sleep", fields)


@pytest.fixture
def host(monkeypatch):
    """Lists of pids, one a look, and what each pid is when it is read (None: gone)."""
    lists: list[list[int]] = []
    seen: dict[int, Stat | None] = {}
    marked: dict[int, int] = {}
    monkeypatch.setattr(
        "torch.reaper.processes.os.listdir",
        lambda _: map(str, lists.pop(0) if len(lists) > 1 else lists[0]),
    )
    monkeypatch.setattr(processes, "stat", seen.get)
    monkeypatch.setattr("torch.reaper.marks.of", lambda pid: marked.get(pid, 0))
    return lists, seen, marked


def test_one_that_forked_and_ended_meanwhile_does_not_hide_its_child(host):
    lists, seen, marked = host
    lists += [[1, 50], [1, 51], [1, 51]]  # 50 is gone when it is read
    seen |= {1: process(0), 50: None, 51: process(1)}
    marked[51] = 7
    (found,) = processes.find({"r": Tie(0, mark=7)})["r"]
    assert found.pid == 51


def test_a_look_on_a_host_that_forks_all_the_time_ends(host):
    lists, seen, _ = host
    lists += [[*range(1, 10 + number)] for number in range(1_000)]
    seen |= {pid: process(0) for pid in range(1, 1_100)}
    assert processes.find({"r": Tie(0, mark=7)}) == {"r": []}
    assert len(lists) > 900


def test_what_an_earlier_look_found_is_found_again_without_any_tie(host):
    lists, seen, _ = host
    lists += [[1, 50, 51]]
    seen |= {1: process(0), 50: process(1), 51: process(50)}
    found = processes.find({"r": Tie(0, mark=7, seen={50: 100})})["r"]
    assert [each.pid for each in found] == [50, 51]  # and its child


def test_a_pid_that_is_anothers_by_now_is_not(host):
    lists, seen, _ = host
    lists += [[1, 50]]
    seen |= {1: process(0), 50: process(1, started=101)}
    assert processes.find({"r": Tie(0, mark=7, seen={50: 100})})["r"] == []
