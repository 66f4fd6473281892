"""Resident memory of a small service, and what each live run adds to it."""

from __future__ import annotations

import contextlib
import time

from bench.host import until
from bench.processes import command_line, descendants, resident, share
from bench.sides import Ours, Side, Task, far
from bench.table import Figure, middle, percentile

FIRST = 20
LIVE = 200
READY, APART = 8, 6
"""Seconds to the first ones, and from these to the others."""

SLEEP = ("/bin/sleep", "600")


def measure(*, quick: bool) -> list[Figure]:
    rounds = 1 if quick else 3
    small, runs = [], []
    parts = ""
    for _ in range(rounds):
        with Ours() as side:
            small.append(ten(side))
            parts = " + ".join(f"{resident(pid) / 1024:.1f}" for pid in side.pids())
        with Ours() as side:
            runs.append(live(side))
    return [
        Figure(
            what="memory, 10 tasks",
            ours=f"{middle(small, 'MiB', 1)}; service + reaper {parts}",
            goal="≤ 36 MiB",
            reached=percentile(small, 50) <= 36,
        ),
        Figure(
            what=f"memory for each of {LIVE} live runs, without the command",
            ours=middle(runs, "KiB", 0),
            goal="≤ 30 KiB",
            reached=percentile(runs, 50) <= 30,
        ),
    ]


def ten(side: Side) -> float:
    """MiB of a service that has ten tasks and nothing to do."""
    side.give(far(10))
    side.start()
    time.sleep(2)
    return side.memory()


def live(side: Side) -> float:
    """KiB that a live run adds. A few runs come first and stay: what the first run of all costs,
    once for the life of a service, is no cost of the others."""
    first = int(time.time()) + READY
    then = first + APART
    few = [_sleep(f"first-{n}", first) for n in range(FIRST)]
    side.give([*few, *(_sleep(f"live-{n}", then) for n in range(LIVE))])
    side.start()
    if time.time() > first:
        raise SystemExit("the service was not ready before its second; a slow machine?")
    until("the first runs are live", lambda: _sleeping(side) >= FIRST)
    time.sleep(max(0.0, then - 1 - time.time()))
    before = _memory(side)
    until("all runs are live", lambda: _sleeping(side) == FIRST + LIVE)
    time.sleep(2)
    return (_memory(side) - before) / LIVE


def _sleep(name: str, at: int) -> Task:
    return Task(name=name, schedule=f"{at % 60} * * * * *", command=SLEEP)


def _sleeping(side: Side) -> int:
    return sum(_is_command(pid) for pid in descendants(side.pids()[0]))


def _memory(side: Side) -> int:
    """KiB of the side's processes, and of whatever else it has put around its runs."""
    own = side.pids()
    total = sum(map(resident, own))
    for pid in descendants(own[0]):
        if pid not in own and not _is_command(pid):
            with contextlib.suppress(OSError, StopIteration):
                total += share(pid)
    return total


def _is_command(pid: int) -> bool:
    words = command_line(pid).split(b"\0")
    return words[0].endswith(b"/sleep")
