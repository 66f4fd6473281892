"""The rounds over all files: how often a find is said, and what is said at the end."""

from __future__ import annotations

import json

import pytest

from torch.matching.__main__ import Rounds


@pytest.fixture
def rounds(tmp_path):
    made = Rounds()
    follow(made, tmp_path, "r-1")
    return made


def follow(rounds: Rounds, folder, run: str) -> None:
    path = str(folder / run)
    order = {"run": run, "task": "talk", "path": path, "patterns": [["ERROR", 0]]}
    rounds.order(json.dumps(order).encode())


def add(folder, data: bytes, run: str = "r-1") -> None:
    with (folder / run).open("ab") as file:
        file.write(data)


def complete(rounds: Rounds, run: str, cut: int = 0) -> None:
    rounds.order(json.dumps({"run": run, "complete": True, "cut": cut}).encode())


def said(capsys) -> list[tuple[str, object]]:
    """(run, lines that it tells of) and (run, 'over')."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(one["run"], "over" if one.get("over") else one["count"]) for one in found]


def test_what_matches_within_a_second_is_said_once_with_its_count(rounds, tmp_path, capsys):
    add(tmp_path, b"ERROR 1\n")
    rounds.go(100.0)
    for each in range(5):
        add(tmp_path, b"ERROR\n")
        rounds.go(100.1 + each / 10)
    assert said(capsys) == [("r-1", 1)]
    rounds.go(101.0)
    assert said(capsys) == [("r-1", 5)]


def test_what_has_ended_is_said_at_once_and_then_that_it_is_over(rounds, tmp_path, capsys):
    add(tmp_path, b"ERROR 1\n")
    rounds.go(100.0)
    add(tmp_path, b"ERROR 2\nERROR 3")
    complete(rounds, "r-1")
    rounds.go(100.1)
    assert said(capsys) == [("r-1", 1), ("r-1", 2), ("r-1", "over")]
    assert rounds.idle


def test_a_run_that_is_not_followed_is_over(rounds, capsys):
    complete(rounds, "r-7")
    assert said(capsys) == [("r-7", "over")]


def test_a_head_that_was_cut_off_is_heard_of(rounds, tmp_path, capsys):
    add(tmp_path, b"." * 99 + b"\nERROR 1\n")
    rounds.go(100.0)
    (tmp_path / "r-1").write_bytes(b"ERROR 1\nERROR 2\n")
    complete(rounds, "r-1", cut=100)
    rounds.go(102.0)
    assert said(capsys) == [("r-1", 1), ("r-1", 1), ("r-1", "over")]


def test_at_the_end_only_what_is_complete_is_looked_at(rounds, tmp_path, capsys):
    follow(rounds, tmp_path, "r-2")
    add(tmp_path, b"ERROR\n", "r-1")
    add(tmp_path, b"ERROR\n", "r-2")
    complete(rounds, "r-2")
    while rounds.go(100.0, last=True):
        pass
    assert said(capsys) == [("r-2", 1), ("r-2", "over")]
