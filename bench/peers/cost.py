"""Processor time of a run, all processes of a side together: ours, the peer, and a bare loop that
starts and reaps the same commands."""

from __future__ import annotations

from bench.cost import DUE, bare_run, per_run
from bench.peers.peer import Peers
from bench.sides import Ours
from bench.table import Figure, middle, percentile

GOAL = 0.5  # ms


def measure(peers: Peers, *, quick: bool) -> list[Figure]:
    rounds, times = (1, 3) if quick else (5, 4)
    ours, theirs = [], []
    for _ in range(rounds):
        with Ours() as side:
            mine = per_run(side, times)
        with peers() as peer:
            its = per_run(peer, times)
        limit = bare_run(times)
        ours.append(mine - limit)
        theirs.append(its - limit)
    return [
        Figure(
            what=f"processor time a run above the bare command, {DUE} due together",
            ours=middle(ours, "ms"),
            limit=middle(theirs, "ms"),
            goal=f"≤ {GOAL} ms",
            reached=percentile(ours, 50) <= GOAL,
        )
    ]
