"""The judge is judged: each way in which a promise can be broken is found, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.witness import Line, broken

FIRE = "2026-11-21T04:18:1{}+00:00"


def begin(second: int, run: str = "", task: str = "t") -> Line:
    return Line("B", task, run or f"r{second}", FIRE.format(second), 1, 100 + second)


def end(second: int, code: int = 0) -> Line:
    return Line("E", "t", f"r{second}", FIRE.format(second), 1, 100 + second, code)


def row(second: int, **changed: Any) -> dict[str, Any]:
    made = {
        "id": f"r{second}", "task": "t", "fire_time": FIRE.format(second), "last_fire_time": None,
        "attempt": 1, "state": "finished", "outcome": "succeeded", "exit_code": 0, "signal": None,
        "count": 1,
    }  # fmt: skip
    return made | changed


GOOD_LINES = [begin(0), end(0), begin(1), end(1)]
GOOD_ROWS = [row(0), row(1)]


def found(lines=GOOD_LINES, rows=GOOD_ROWS, **about: Any) -> list[str]:
    return broken(lines, rows, **{"most": {"t": 1}, "every_second": ["t"]} | about)


def test_what_is_whole_breaks_nothing():
    assert found() == []


MISSED = row(2, outcome="missed", exit_code=None, last_fire_time=FIRE.format(4), count=3)


def test_a_collapsed_row_stands_for_its_fires():
    assert found(rows=[*GOOD_ROWS, MISSED, row(5, outcome="skipped", exit_code=None)]) == []


def test_a_run_that_was_killed_needs_no_end():
    killed = row(1, outcome="killed", exit_code=143, signal=15)
    assert found(lines=GOOD_LINES[:3], rows=[row(0), killed]) == []


BROKEN: dict[str, dict[str, Any]] = {
    "a fire that began twice": {
        "lines": [*GOOD_LINES, begin(1, run="r9")], "rows": [*GOOD_ROWS, row(1, id="r9")],
        "every_second": [], "most": {},
    },
    "a run that began twice": {"lines": [*GOOD_LINES, begin(1)], "most": {}},
    "a run that ended twice": {"lines": [*GOOD_LINES, end(1)]},
    "more than max at once": {"lines": [begin(0), begin(1), end(0), end(1)]},
    "a line without a row": {"rows": [row(0)]},
    "a row of another fire": {
        "rows": [row(0, id="r1"), row(1, id="r0")],
    },
    "a run that its row calls missed": {
        "rows": [row(0), row(1, outcome="missed", exit_code=None)],
    },
    "a run that its row calls never started": {
        "lines": GOOD_LINES[:3], "rows": [row(0), row(1, outcome="failed", exit_code=None)],
    },
    "a wrong exit code": {"rows": [row(0), row(1, outcome="failed", exit_code=3)]},
    "a failure that is called success": {
        "lines": [*GOOD_LINES[:3], end(1, 3)], "rows": [row(0), row(1, exit_code=3)],
    },
    "a success without lines": {"lines": GOOD_LINES[:2]},
    "a success without an end": {"lines": GOOD_LINES[:3]},
    "a success without a code": {"lines": [], "rows": [row(0, exit_code=None)]},
    "a row that is left open": {
        "lines": GOOD_LINES[:3], "rows": [row(0), row(1, state="running", outcome=None)],
    },
    "an unknown end without a cause": {
        "lines": GOOD_LINES[:3], "rows": [row(0), row(1, outcome="unknown", exit_code=None)],
    },
    "a guess where nobody can know": {"unknown": ["r1"]},
    "a second without a row": {"rows": [*GOOD_ROWS, row(3, outcome="skipped", exit_code=None)]},
    "a second with two rows": {"rows": [*GOOD_ROWS, row(1, id="x", outcome="skipped")]},
    "a wrong count": {"rows": [*GOOD_ROWS, MISSED | {"count": 2}]},
    "a task without rows": {"every_second": ["t", "u"]},
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_the_judge_finds(what):
    assert found(**BROKEN[what])
