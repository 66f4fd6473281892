"""A snapshot of 20 000 tasks: how long it holds the loop, and what reading it takes."""

from __future__ import annotations

import gc
from time import process_time

from bench.table import Figure, percentile
from torch.daemon import status
from torch.testing import World, cron

TASKS = 20_000
LIMIT = 10.0


def measure(*, quick: bool) -> list[Figure]:
    world = World(*(cron(f"t{n:05}", f"{n % 60} 4 1 1 *") for n in range(TASKS)))
    gc.collect()
    gc.freeze()  # as the service does
    core, now = world.scheduler, world.clock.now()
    first = _milliseconds(core.snapshot)
    rounds = 20 if quick else 200
    taken = [_milliseconds(core.snapshot) for _ in range(rounds)]
    read = [_milliseconds(lambda: [*core.snapshot().tasks()]) for _ in range(rounds)]
    shown = [
        _milliseconds(lambda: status.of_all(core.snapshot(), now, soonest=10, brief=True))
        for _ in range(rounds)
    ]
    worst = max(first, percentile(taken, 99))
    return [
        Figure(what=f"snapshot of {TASKS} tasks: the loop is held, the first time included",
               ours=f"first {first:.1f}, p50 {percentile(taken, 50):.2f}, "
                    f"p99 {percentile(taken, 99):.2f} ms (n={rounds})",
               goal=f"≤ {LIMIT:g} ms", reached=worst <= LIMIT),
        Figure(what="reading all of it", ours=f"first {read[0]:.0f}, p50 "
               f"{percentile(read, 50):.1f} ms, in slices of any size"),
        Figure(what="what `torch status` shows, of it",
               ours=f"p50 {percentile(shown, 50):.0f} ms"),
    ]  # fmt: skip


def _milliseconds(do: object) -> float:
    assert callable(do)
    began = process_time()
    do()
    return (process_time() - began) * 1000
