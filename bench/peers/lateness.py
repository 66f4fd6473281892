"""Lateness of one due task, as its process sees it: each second one is due, in turns one with a
list command, which prints the time, and one with shell text, which appends it to a file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from bench import bare
from bench.peers.peer import Peers
from bench.peers.turns import turns
from bench.sides import Side, Task
from bench.table import Figure, percentile, spread

GOALS = {"as a list": 2.5, "by the shell": 3.0}


def measure(peers: Peers, *, quick: bool) -> list[Figure]:
    rounds, seconds = (2, 20) if quick else (5, 120)
    pairs = turns(peers, rounds, lambda side: _beats(side, seconds))
    figures = []
    for label, goal in GOALS.items():
        (ours, lost), (theirs, peer_lost) = (_all(turn[label] for turn in each) for each in pairs)
        late = percentile(ours, 99)
        figures.append(
            Figure(
                what=f"lateness of one due task, {label}",
                ours=f"{spread(ours, 'ms')}{lost}",
                limit=f"{spread(theirs, 'ms')}{peer_lost}",
                goal=f"p99 ≤ {goal} ms, and below the peer's p50",
                reached=late <= goal and late < percentile(theirs, 50),
            )
        )
    return figures


def _beats(side: Side, seconds: int) -> dict[str, list[float]]:
    """The instants at which each kind of command has run."""
    seen = f"{side.folder}/seen"
    listed = Task(
        name="listed", schedule="*/2 * * * * *", command=("/bin/date", "+%s.%N"), keep=1000
    )
    text = Task(name="text", schedule="1-59/2 * * * * *", command=f"date +%s.%N >> {seen}")
    side.give([listed, text])
    side.start()
    time.sleep(seconds + 1)
    return dict(zip(GOALS, (side.printed("listed"), bare.numbers(seen)), strict=True))


def _all(turns: Iterable[list[float]]) -> tuple[list[float], str]:
    """Milliseconds of all turns; and in words how many seconds had no run, or two."""
    late: list[float] = []
    lost = doubled = 0
    for seen in turns:
        fires = [math.floor(at) for at in seen]
        if len(fires) < 2:
            raise SystemExit("the task that is due every second has not run")
        late += [(at % 1) * 1000 for at in seen]
        doubled += len(fires) - len(set(fires))
        lost += (max(fires) - min(fires)) // 2 + 1 - len({fire // 2 for fire in fires})
    return late, f"; {lost} lost, {doubled} doubled" if lost or doubled else ""
