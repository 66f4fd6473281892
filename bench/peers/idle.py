"""What a service with 10 000 tasks costs that has nothing to do."""

from __future__ import annotations

import time

from bench.peers.peer import Peers
from bench.peers.turns import turns
from bench.sides import MANY, Side, far
from bench.table import Figure, middle, percentile


def measure(peers: Peers, *, quick: bool) -> list[Figure]:
    rounds, span = (1, 60) if quick else (3, 120)  # whole minutes: the peer looks once in each
    ours, theirs = turns(peers, rounds, lambda side: _idle(side, span))
    return [
        Figure(
            what=f"idle processor time, {MANY} far tasks, over {span} s",
            ours=middle(ours, "%", 4),
            limit=middle(theirs, "%", 4),
            goal="≤ 0.01 %",
            reached=percentile(ours, 50) <= 0.01,
        )
    ]


def _idle(side: Side, span: int) -> float:
    """Percent of one core."""
    side.give(far(MANY))
    side.start()
    time.sleep(5)
    before = side.nanoseconds()
    time.sleep(span)
    return (side.nanoseconds() - before) / 1e9 / span * 100
