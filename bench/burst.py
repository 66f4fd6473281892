"""1 000 tasks due in one second, as their processes see it, beside a bare loop that spawns the
same 1 000 commands and nothing else. Measured is the second time they are due: the first time
each task's output folder is made, once for all its life."""

from __future__ import annotations

import time

from bench import bare
from bench.host import until
from bench.sides import Ours, Side, Task
from bench.table import Figure, middle, percentile

COUNT = 1000
READY = 8
"""Seconds until they are due the first time: the service must be ready by then."""

APART = 8
"""Seconds; the first thousand are long over by then."""


def measure(*, quick: bool) -> list[Figure]:
    pairs = []
    for _ in range(1 if quick else 5):
        with Ours() as side:
            pairs.append((herd(side), bare.burst(COUNT)))
    ours, limit = ([percentile(late, 95) for late in each] for each in zip(*pairs, strict=True))
    ratios = [a / b for a, b in zip(ours, limit, strict=True)]
    return [
        Figure(
            what=f"{COUNT} tasks due in one second, p95",
            ours=f"{middle(ours, 'ms', 0)}; ratio {middle(ratios)}",
            limit=f"bare loop: {middle(limit, 'ms', 0)}",
            goal="≤ 1.15 × bare",
            reached=percentile(ratios, 50) <= 1.15,
        )
    ]


def herd(side: Side) -> list[float]:
    """Milliseconds after the second at which each of the tasks wrote the time."""
    seen = f"{side.folder}/seen"
    first = int(time.time()) + READY
    at = first + APART
    schedule = f"{first % 60},{at % 60} * * * * *"
    command = f"date +%s.%N >> {seen}"
    side.give([Task(name=f"t{n}", schedule=schedule, command=command) for n in range(COUNT)])
    side.start()
    if time.time() > first - 1:
        raise SystemExit("the service was not ready before its second; a slow machine?")
    time.sleep(at - time.time() + 1)
    until(f"{COUNT} runs have written", lambda: len(_since(at, seen)) >= COUNT)
    time.sleep(0.5)  # for one that would be too many
    late = [(value - at) * 1000 for value in _since(at, seen)]
    if len(late) != COUNT:
        raise SystemExit(f"{COUNT} tasks were due, and {len(late)} runs have written")
    return late


def _since(at: int, path: str) -> list[float]:
    return [value for value in bare.numbers(path) if value >= at]
