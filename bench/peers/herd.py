"""1 000 tasks due in one second, as their processes see it: ours, the peer, and a bare loop of
`posix_spawn sh -c` with the same command, in turns."""

from __future__ import annotations

from bench import bare
from bench.burst import COUNT, herd
from bench.peers.peer import Peers
from bench.sides import Ours
from bench.table import Figure, middle, percentile

PEER, BARE = 0.75, 1.15
"""What the median of the ratios of p95 may be."""


def measure(peers: Peers, *, quick: bool) -> list[Figure]:
    ours, theirs, limit = [], [], []
    for _ in range(1 if quick else 5):
        with Ours() as side:
            ours.append(percentile(herd(side), 95))
        with peers() as peer:
            theirs.append(percentile(herd(peer), 95))
        limit.append(percentile(bare.burst(COUNT), 95))
    what = f"{COUNT} tasks due in one second, p95"
    return [
        _figure(what, ours, theirs, "", PEER, "the peer"),
        _figure("the same beside a bare loop", ours, limit, "bare loop: ", BARE, "bare"),
    ]


def _figure(
    what: str, ours: list[float], limit: list[float], label: str, goal: float, of: str
) -> Figure:
    ratios = [a / b for a, b in zip(ours, limit, strict=True)]
    return Figure(
        what=what,
        ours=f"{middle(ours, 'ms', 0)}; ratio {middle(ratios)}",
        limit=f"{label}{middle(limit, 'ms', 0)}",
        goal=f"≤ {goal} × {of}",
        reached=percentile(ratios, 50) <= goal,
    )
