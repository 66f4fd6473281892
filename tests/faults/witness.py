"""What tasks write about themselves, and what that says of the promises.

The one source of truth in these tests. Every task appends one line when it begins and one when
it ends to one file, so their order is the order in which things happened. Our own records are
compared with it, never believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

WHO = "$TORCH_TASK $TORCH_RUN_ID ${TORCH_FIRE_TIME:--} $TORCH_ATTEMPT $$"
BEGIN = f'echo "B {WHO}" >>DIR/witness'

_CODE_IS_THE_TASKS = ("succeeded", "failed")
_NEVER_A_RUN = ("missed", "skipped")


def begin_and_end(code: int, between: str = ":") -> str:
    """A command that says when it begins and, with its exit code, when it ends; also when it
    is told to end. Without a single quote."""
    stopped = f'end() {{ echo "E {WHO} 143" >>DIR/witness; exit 143; }}; trap end TERM'
    ended = f'trap : TERM; echo "E {WHO} {code}" >>DIR/witness; exit {code}'
    return f"{stopped}; {BEGIN}; {between}; {ended}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a task. `fire` is '' for a run that no fire names; a begin has no code."""

    kind: str
    task: str
    run: str
    fire: str
    attempt: int
    pid: int
    code: int | None = None

    @classmethod
    def parse(cls, text: str) -> Line:
        kind, task, run, fire, attempt, pid, *code = text.split()
        return cls(
            kind, task, run, "" if fire == "-" else fire, int(attempt), int(pid),
            int(code[0]) if code else None,
        )  # fmt: skip


def broken(
    lines: Iterable[Line],
    rows: Iterable[Mapping[str, Any]],
    *,
    most: Mapping[str, int],
    every_second: Collection[str] = (),
    unknown: Collection[str] = (),
    over: bool = True,
) -> list[str]:
    """Every promise that is broken, as a sentence; [] when all hold.

    `rows` as `torch runs --json` gives them. `most` is the `max` of each task whose commands
    write an end. `every_second`: tasks that are due each second. `unknown`: the run ids whose
    end nobody can know. `over`: the service was stopped, so every run must have its end.
    """
    lines, rows = list(lines), list(rows)
    return [
        *_twice(lines),
        *_too_many(lines, most, cut_off=set(unknown)),
        *_against_rows(lines, {row["id"]: row for row in rows}),
        *_against_lines(rows, lines, over=over),
        *_unknown(rows, unknown),
        *(fault for task in every_second for fault in _seconds(task, rows)),
    ]


def _twice(lines: list[Line]) -> list[str]:
    begun = [line for line in lines if line.kind == "B"]
    fires = Counter((b.task, b.fire, b.attempt) for b in begun if b.fire)
    runs = Counter((b.run, b.attempt) for b in begun)
    ends = Counter((e.run, e.attempt) for e in lines if e.kind == "E")
    return [
        *(f"doubled: {key} began {n} times" for key, n in fires.items() if n > 1),
        *(f"doubled: run {key} began {n} times" for key, n in runs.items() if n > 1),
        *(f"doubled: run {key} ended {n} times" for key, n in ends.items() if n > 1),
    ]


def _too_many(lines: list[Line], most: Mapping[str, int], *, cut_off: set[str]) -> list[str]:
    """By order of lines. A run that was cut off never says when; its test looks after its slot."""
    cut_off -= {line.run for line in lines if line.kind == "E"}
    live: Counter[str] = Counter()
    highest: Counter[str] = Counter()
    begun = {line.run for line in lines if line.kind == "B"}
    for line in lines:
        if line.run in cut_off or line.run not in begun:
            continue
        live[line.task] += 1 if line.kind == "B" else -1
        highest[line.task] = max(highest[line.task], live[line.task])
    return [
        f"max: {highest[task]} runs of {task} at once, its max is {limit}"
        for task, limit in most.items()
        if highest[task] > limit
    ]


def _against_rows(lines: list[Line], rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every line of a task has its row, and the row says the same."""
    faults = []
    for line in lines:
        row = rows.get(line.run)
        if row is None:
            faults.append(f"no row: {line}")
            continue
        if row["task"] != line.task or (row["fire_time"] or "") != line.fire:
            faults.append(f"row of another fire: {line} against {row}")
        if row["outcome"] in _NEVER_A_RUN:
            faults.append(f"began, and its row says {row['outcome']}: {line}")
        if row["outcome"] in _CODE_IS_THE_TASKS and row["exit_code"] is None:
            faults.append(f"began, and its row has no exit code: {line} against {row}")
        if line.kind == "E" and row["outcome"] in _CODE_IS_THE_TASKS:
            if row["exit_code"] != line.code:
                faults.append(f"wrong code: {line} against {row}")
            if (row["outcome"] == "succeeded") != (line.code == 0):
                faults.append(f"wrong outcome: {line} against {row}")
    return faults


def _against_lines(rows: list[Mapping[str, Any]], lines: list[Line], *, over: bool) -> list[str]:
    """Every row that says that a run ran has its lines; when all is over, no row is open."""
    begun = {line.run for line in lines if line.kind == "B"}
    codes = {line.run: line.code for line in lines if line.kind == "E"}
    faults = []
    for row in rows:
        by_itself = row["exit_code"] is not None and row["signal"] is None
        if row["outcome"] in _CODE_IS_THE_TASKS and by_itself:
            if row["id"] not in begun or codes.get(row["id"]) != row["exit_code"]:
                faults.append(f"no lines for the end in its row: {row}")
        elif row["outcome"] == "succeeded":
            faults.append(f"succeeded without an exit code: {row}")
        if over and row["state"] != "finished":
            faults.append(f"left open: {row}")
    return faults


def _unknown(rows: list[Mapping[str, Any]], expected: Collection[str]) -> list[str]:
    found = {row["id"]: row for row in rows if row["outcome"] == "unknown"}
    return [
        *(f"unknown without a cause: {row}" for i, row in found.items() if i not in expected),
        *(f"not unknown, but nobody can know: {i}" for i in sorted(set(expected) - set(found))),
    ]


def _seconds(task: str, rows: list[Mapping[str, Any]]) -> list[str]:
    """From its first row to its last each second has one row, collapsed ones counted."""
    covered: Counter[int] = Counter()
    faults = []
    for row in rows:
        if row["task"] != task or row["fire_time"] is None or row["attempt"] > 1:
            continue
        first = second_of(row["fire_time"])
        last = second_of(row["last_fire_time"]) if row["last_fire_time"] else first
        if last - first + 1 != row["count"]:
            faults.append(f"wrong count: {row}")
        covered.update(range(first, last + 1))
    if not covered:
        return [f"lost: {task} has no row at all"]
    whole = range(min(covered), max(covered) + 1)
    lost = [second for second in whole if not covered[second]]
    twice = [second for second, n in covered.items() if n > 1]
    if lost:
        faults.append(f"lost: {len(lost)} fires of {task} have no row, the first {lost[0]}")
    if twice:
        faults.append(f"doubled: {len(twice)} fires of {task} have two rows, one {twice[0]}")
    return faults


def second_of(text: str) -> int:
    """'2026-11-21T04:18:10+00:00' -> epoch seconds."""
    return int(datetime.fromisoformat(text).timestamp())
