"""What one run costs beyond its command: the intent on disk, and the processor time of all
processes of ours together for starting it, waiting for it and writing down its end."""

from __future__ import annotations

import tempfile
import time

from bench import bare
from bench.host import until
from bench.processes import descendants
from bench.sides import Ours, Side, Task
from bench.table import Figure, middle, percentile, spread
from torch.clock import FireTime
from torch.history.store import Store
from torch.run import Run, Trigger
from torch.schedule.record import Entry, Record, Watermark

DUE = 200
"""Tasks due together."""

EVERY = 5
"""Seconds; a machine that cannot run them in that time has other troubles."""

GOAL = 0.5  # ms


def measure(*, quick: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        intent = _intents(folder, 50 if quick else 300)
    return [
        Figure(
            what="intent, one transaction with fsync",
            ours=spread(intent, "ms"),
            limit="the disk's fsync",
        ),
        _batch(quick),
        _processor(quick),
    ]


def _processor(quick: bool) -> Figure:
    rounds, times = (1, 3) if quick else (5, 4)
    pairs = []
    for _ in range(rounds):
        with Ours() as side:
            pairs.append((per_run(side, times), bare_run(times)))
    ours, limit = zip(*pairs, strict=True)
    above = [a - b for a, b in pairs]
    return Figure(
        what=f"processor time a run, {DUE} due together {times} times",
        ours=f"{middle(ours, 'ms')}; above the command {middle(above, 'ms')}",
        limit=f"bare loop: {middle(limit, 'ms')}",
        goal=f"≤ {GOAL} ms above",
        reached=percentile(above, 50) <= GOAL,
    )


def per_run(side: Side, times: int) -> float:
    """Milliseconds a run; the first time they are due is left out, it makes their folders."""
    seen = f"{side.folder}/seen"
    schedule, command = f"*/{EVERY} * * * * *", f"date >> {seen}"
    side.give([Task(name=f"t{n}", schedule=schedule, command=command) for n in range(DUE)])
    side.start()
    _wait(side, seen, DUE)
    before = side.processor()
    _wait(side, seen, DUE * (times + 1))
    return (side.processor() - before) / DUE / times * 1000


def _wait(side: Side, seen: str, count: int) -> None:
    """Until so many runs have written, all of them have ended, and that is written down too."""
    until(f"{count} runs have written", lambda: _lines(seen) >= count)
    until("all have ended", lambda: set(descendants(side.pids()[0])) <= set(side.pids()))
    time.sleep(0.5)
    if _lines(seen) != count:
        raise SystemExit(f"{count} runs should have written, and {_lines(seen)} have")


def bare_run(times: int) -> float:
    """Milliseconds a run."""
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        spent = [bare.processor(f"date >> {folder}/seen", DUE) for _ in range(times)]
    return sum(spent) / DUE / times * 1000


def _lines(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return file.read().count(b"\n")
    except FileNotFoundError:
        return 0


def _batch(quick: bool) -> Figure:
    """As they come at a busy second: a thousand intents share one transaction."""
    times = []
    for _ in range(3 if quick else 10):
        with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
            store = Store(f"{folder}/history.db")
            record = Record(tuple(_entry(n, 60) for n in range(1000)))
            begin = time.perf_counter()
            store.commit([record], at=0.0, boot_id="bench")
            times.append((time.perf_counter() - begin) * 1000)
            store.close()
    return Figure(what="1 000 intents in one transaction", ours=middle(times, "ms", 1))


def _intents(folder: str, rounds: int) -> list[float]:
    store = Store(f"{folder}/history.db")
    times = []
    for number in range(rounds):
        record = Record((_entry(number, number), Watermark(at=FireTime(number))))
        begin = time.perf_counter()
        store.commit([record], at=0.0, boot_id="bench")
        times.append((time.perf_counter() - begin) * 1000)
    store.close()
    return times


def _entry(number: int, fire: int) -> Entry:
    run = Run(
        id=f"bench-{number}", task=f"task-{number}", trigger=Trigger.SCHEDULE,
        fire_time=FireTime(fire),
    )  # fmt: skip
    return Entry(run=run)
