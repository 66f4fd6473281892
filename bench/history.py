"""The history at a million rows: what commands and a new service read, and what pruning costs.

200 tasks have half of the rows, and one task has the other half; of that one the newer half was
skipped, because a run hung, so that its newest run and its newest failure lie far back.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial

from bench.table import Figure, percentile, spread
from torch.clock import FireTime
from torch.history import query
from torch.history.prune import Limits
from torch.history.store import Store
from torch.run import Run, Trigger
from torch.schedule.record import Defined, Entry, Record, Watermark
from torch.task import Task

DAY = 86_400
SPAN = 120 * DAY
GOAL = 50.0  # ms


def measure(*, quick: bool) -> list[Figure]:
    count, rounds = (100_000, 20) if quick else (1_000_000, 100)
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        now = time.time()
        path = f"{folder}/history.db"
        fill(path, now, count, tasks=200, busy=count // 2)
        figures = [*_reads(path, now, rounds), *_commands(folder, rounds // 5)]
        figures += _pruning(path, now)
        many = f"{folder}/many.db"
        fill(many, now, count, tasks=10_000, busy=0)
        return [*figures, *_start(many)]


def fill(path: str, now: float, count: int, *, tasks: int, busy: int) -> None:
    """A history of `count` rows, `busy` of them of the task `busy`; indexes are made last."""
    store = Store(path)
    found = [Task(name=name, command="true", digest=f"{name}-1") for name in _names(tasks, busy)]
    since = FireTime(int(now - SPAN))
    defined = tuple(Defined(name=t.name, since=since, task=t) for t in found)
    store.commit([Record((*defined, Watermark(at=FireTime(int(now)))))], at=now, boot_id="b")
    store.begin_service(pid=1, boot_id="b", at=now - SPAN)
    store.close()
    db = sqlite3.connect(path)
    indexes = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    db.executemany(
        "INSERT INTO run (id, task, fire_time, trigger, attempt, state, outcome, exit_code, "
        "reason, pid, recorded_at, started_at, ended_at, version, boot_id, digest) "
        "VALUES (?, ?, ?, 'schedule', 1, 'finished', ?, ?, ?, 4711, ?, ?, ?, "
        "'0123456789abcdef', 'b', ?)",
        _rows(now, count, tasks, busy),
    )
    for _, sql in indexes:
        db.execute(sql)
    db.commit()
    db.close()


def _names(tasks: int, busy: int) -> list[str]:
    return [f"task-{n}" for n in range(tasks)] + ["busy"] * bool(busy)


def _rows(now: float, count: int, tasks: int, busy: int) -> Iterator[tuple[object, ...]]:
    chance = random.Random(7)
    share = busy / count
    of_busy = 0
    for number in range(count):
        at = now - SPAN + SPAN * number / count
        reason = ""
        if (number + 1) * share >= of_busy + 1:
            task, of_busy = "busy", of_busy + 1
            outcome = "skipped" if of_busy > busy / 2 else "succeeded"
            if of_busy < busy / 4 and chance.random() < 0.01:
                outcome = "failed"
            reason = "1 live, max is 1" if outcome == "skipped" else ""
        else:
            task = f"task-{chance.randrange(tasks)}"
            outcome = "failed" if chance.random() < 0.01 else "succeeded"
        yield (
            f"tou3y8tg-{number}", task, int(now - SPAN) + number * 10, outcome,
            1 if outcome == "failed" else 0, reason, at, at, at + 1, f"{task}-1",
        )  # fmt: skip


# ── what commands read ────────────────────────────────────────────────────────────────────


def _reads(path: str, now: float, rounds: int) -> list[Figure]:
    names = tuple(_names(200, 1))
    middle = now - SPAN / 2
    asked: dict[str, Callable[[], object]] = {
        "runs": lambda: query.runs(path),
        "runs busy": lambda: query.runs(path, task="busy"),
        "runs --failed": lambda: query.runs(path, bad_only=True),
        "runs busy --failed": lambda: query.runs(path, task="busy", bad_only=True),
        "runs --since 90d": lambda: query.runs(path, since=now - 90 * DAY),
        "runs --failed --since 90d": lambda: query.runs(path, bad_only=True, since=now - 90 * DAY),
        "runs busy --failed --since 30d (none)": lambda: query.runs(
            path, task="busy", bad_only=True, since=now - 30 * DAY
        ),
        "runs --since 1s (none)": lambda: query.runs(path, since=now - 1),
        "nearest fire": lambda: query.nearest(path, "busy", middle),
        "newest of 201 tasks": lambda: query.newest(path, names),
        "definition, file, span at an instant": lambda: (
            query.definition_at(path, "busy", middle),
            query.file_at(path, middle),
            query.down_at(path, middle),
        ),
    }
    return [_within(f"history: {what}", _timed(ask, rounds)) for what, ask in asked.items()]


def _commands(folder: str, rounds: int) -> list[Figure]:
    figures = []
    for words in (["runs"], ["explain", "busy"], ["explain", "task-7", "yesterday", "10:30"]):
        command = [sys.executable, "-m", "torch", *words, "--state-dir", folder]
        times = _timed(partial(subprocess.run, command, check=True, capture_output=True), rounds)
        what = f"torch {' '.join(words)}, the whole command"
        figures.append(_within(what, times, goal=200.0))
    return figures


# ── what the service does ─────────────────────────────────────────────────────────────────


def _pruning(path: str, now: float) -> list[Figure]:
    """All slices of a round that removes a quarter of the rows, and commits in between."""
    store = Store(path)
    limits = Limits(before=now - SPAN * 3 / 4)
    slices, commits = [], []
    after: int | None = 0
    rows = 0
    while after is not None:
        begin = time.perf_counter()
        done = store.prune(limits, after=after)
        slices.append((time.perf_counter() - begin) * 1000)
        after, rows = done.after, rows + done.rows
        number = len(slices)
        run = Run(id=f"new-{number}", task="busy", trigger=Trigger.MANUAL)
        begin = time.perf_counter()
        store.commit([Record((Entry(run=run),))], at=now, boot_id="b")
        commits.append((time.perf_counter() - begin) * 1000)
    begin = time.perf_counter()
    store.prune_rest(limits)
    rest = (time.perf_counter() - begin) * 1000
    store.close()
    return [
        Figure(what=f"pruning {rows} rows, one slice", ours=spread(slices, "ms"),
               goal="p95 ≤ 10 ms", reached=percentile(slices, 95) <= 10),
        Figure(what="pruning, what only removed rows needed", ours=f"{rest:.1f} ms"),
        Figure(what="intent, one transaction, between slices", ours=spread(commits, "ms")),
    ]  # fmt: skip


def _start(path: str) -> list[Figure]:
    names = _names(10_000, 0)
    store = Store(path)
    asked: dict[str, Callable[[], object]] = {
        "newest ends of 10 000 tasks": lambda: store.newest_ends(names),
        "where the fires of 10 000 tasks are decided": store.decided,
        "unfinished runs": store.unfinished,
    }
    figures = [
        _within(f"a new service asks: {what}", _timed(ask, 5), goal=150.0)
        for what, ask in asked.items()
    ]
    store.close()
    return figures


def _timed(ask: Callable[[], object], rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        ask()
        times.append((time.perf_counter() - begin) * 1000)
    return times


def _within(what: str, times: list[float], goal: float = GOAL) -> Figure:
    return Figure(
        what=what,
        ours=f"p50 {percentile(times, 50):.1f}, p95 {percentile(times, 95):.1f} ms",
        goal=f"p95 ≤ {goal:.0f} ms",
        reached=percentile(times, 95) <= goal,
    )
