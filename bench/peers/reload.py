"""One of 10 000 tasks is edited, at ever other moments of a second; meanwhile a per-second task
must not notice. A reload is over when its processor time is: what the per-second task costs in
the same time is part of the figure, on both sides."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from itertools import pairwise

from bench import bare
from bench.peers.peer import Peers
from bench.peers.turns import turns
from bench.sides import MANY, Side, Task, far
from bench.table import Figure, middle, percentile

QUIET = 3
"""Seconds without more than the per-second task costs, after which a reload is over."""

LITTLE = 0.08
"""Seconds of processor time in that time."""

LONGEST = 120
EDITED = 77


@dataclass(frozen=True, slots=True)
class Reloads:
    """Seconds of processor of each reload; of the per-second task meanwhile the milliseconds of
    each run, the seconds without one, and the longest time from one to the next; MiB after."""

    costs: list[float]
    late: list[float]
    lost: int
    gap: float
    memory: float


def measure(peers: Peers, *, quick: bool) -> list[Figure]:
    turn, count = (1, 2) if quick else (3, 3)
    ours, theirs = turns(peers, turn, lambda side: _reloads(side, count))
    costs, peer_costs = ([cost for r in each for cost in r.costs] for each in (ours, theirs))
    worst, peer_worst = ([max(r.late) for r in each] for each in (ours, theirs))
    memory, peer_memory = ([r.memory for r in each] for each in (ours, theirs))
    lost, peer_lost = (sum(r.lost for r in each) for each in (ours, theirs))
    gap, peer_gap = (max(r.gap for r in each) for each in (ours, theirs))
    return [
        Figure(
            what=f"reload of {MANY} tasks, one changed: processor",
            ours=middle(costs, "s"),
            limit=middle(peer_costs, "s"),
            goal="≤ 0.3 s",
            reached=percentile(costs, 50) <= 0.3,
        ),
        Figure(
            what="worst lateness of a per-second task meanwhile",
            ours=f"{middle(worst, 'ms', 1)}; {lost} lost, longest gap {gap:.2f} s",
            limit=f"{middle(peer_worst, 'ms', 1)}; {peer_lost} lost, longest gap {peer_gap:.2f} s",
            goal="≤ 20 ms",
            reached=max(worst) <= 20 and not lost,
        ),
        Figure(
            what="memory after it",
            ours=middle(memory, "MiB", 1),
            limit=middle(peer_memory, "MiB", 1),
            goal="≤ 60 MiB",
            reached=percentile(memory, 50) <= 60,
        ),
    ]


def _reloads(side: Side, count: int) -> Reloads:
    seen = f"{side.folder}/seen"
    beat = Task(name="beat", schedule="* * * * * *", command=f"date +%s.%N >> {seen}")
    tasks = [beat, *far(MANY)]
    side.give(tasks)
    side.start()
    time.sleep(3)
    costs = []
    begin = time.time()
    for number in range(count):
        _at_fraction((0.9 + 0.37 * number) % 1)
        tasks[EDITED] = replace(tasks[EDITED], command=("/bin/true", str(number)))
        costs.append(_reload(side, tasks))
    beats = [at for at in bare.numbers(seen) if at >= math.ceil(begin)]
    seconds = {math.floor(at) for at in beats}
    lost = max(seconds) - min(seconds) + 1 - len(seconds)
    gap = max(after - before for before, after in pairwise(beats))
    return Reloads(costs, [(at % 1) * 1000 for at in beats], lost, gap, side.memory())


def _at_fraction(fraction: float) -> None:
    time.sleep((fraction - time.time()) % 1)


def _reload(side: Side, tasks: list[Task]) -> float:
    """Seconds of processor time until the side is quiet again."""
    before = side.processor()
    side.give(tasks)
    side.reload()
    spent = [side.processor()]
    for _ in range(LONGEST):
        time.sleep(1)
        spent.append(side.processor())
        if len(spent) > QUIET and spent[-1] - spent[-1 - QUIET] <= LITTLE:
            return spent[-1] - before
    raise SystemExit(f"after {LONGEST} s a reload still goes on")
