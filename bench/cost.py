"""What one run costs beyond its command: the intent on disk, and the shim around it."""

from __future__ import annotations

import os
import tempfile
import time

from bench.burst import spawn_bare
from bench.table import Figure, percentile, spread
from torch.clock import FireTime
from torch.history.store import Store
from torch.run import Run, Trigger
from torch.schedule.record import Entry, Record

TRUE = ["/bin/true"]


def measure(*, quick: bool) -> list[Figure]:
    rounds = 50 if quick else 300
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        intent = _intents(folder, rounds)
        shim, bare = [], []
        for number in range(rounds):
            shim.append(_timed(lambda number=number: spawn_bare(folder, number, TRUE)[0]))
            bare.append(_timed(lambda number=number: _bare(folder, number)))
    extra = percentile(shim, 50) - percentile(bare, 50)
    together = percentile(intent, 50) + extra
    return [
        Figure(
            what="intent, one transaction with fsync",
            ours=spread(intent, "ms"),
            limit="the disk's fsync",
        ),
        Figure(
            what="spawn to reaped, with the shim",
            ours=spread(shim, "ms"),
            limit=f"without: {spread(bare, 'ms')}",
        ),
        Figure(
            what="shim and intent per run (medians)",
            ours=f"{together:.2f} ms",
            goal="≤ 1 ms together",
            reached=together <= 1.0,
        ),
        _batch(quick),
    ]


def _bare(folder: str, number: int) -> int:
    """The command alone, with an output file of its own, as any scheduler gives it."""
    out = os.open(f"{folder}/bare-{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        dup = [(os.POSIX_SPAWN_DUP2, out, to) for to in (1, 2)]
        return os.posix_spawn(TRUE[0], TRUE, {}, file_actions=dup)
    finally:
        os.close(out)


def _batch(quick: bool) -> Figure:
    """As they come at a busy second: a thousand intents share one transaction."""
    times = []
    for _ in range(3 if quick else 10):
        with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
            store = Store(f"{folder}/history.db")
            record = Record(entries=tuple(_entry(n, 60) for n in range(1000)))
            begin = time.perf_counter()
            store.commit([record], at=0.0, boot_id="bench")
            times.append((time.perf_counter() - begin) * 1000)
            store.close()
    return Figure(what="1 000 intents in one transaction", ours=f"{percentile(times, 50):.1f} ms")


def _intents(folder: str, rounds: int) -> list[float]:
    store = Store(f"{folder}/history.db")
    times = []
    for number in range(rounds):
        record = Record(entries=(_entry(number, number),), watermark=FireTime(number))
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


def _timed(spawn: object) -> float:
    assert callable(spawn)
    begin = time.perf_counter()
    os.waitpid(spawn(), 0)
    return (time.perf_counter() - begin) * 1000
