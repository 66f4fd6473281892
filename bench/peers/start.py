"""10 000 tasks: from the start to ready, and the memory then.

Ours is ready when `torch start` has come back; the peer when it has run what it runs at a start.
"""

from __future__ import annotations

import time

from bench.peers.peer import Peers
from bench.peers.turns import turns
from bench.sides import MANY, Side, far
from bench.table import Figure, middle, percentile


def measure(peers: Peers, *, quick: bool) -> list[Figure]:
    ours, theirs = turns(peers, 1 if quick else 5, _start)
    (starts, memories), (peer_starts, peer_memories) = (
        zip(*each, strict=True) for each in (ours, theirs)
    )
    return [
        Figure(
            what=f"start to ready, {MANY} tasks",
            ours=middle(starts, "s"),
            limit=middle(peer_starts, "s"),
            goal="≤ 1.5 s",
            reached=percentile(starts, 50) <= 1.5,
        ),
        Figure(
            what=f"memory, {MANY} tasks",
            ours=middle(memories, "MiB", 1),
            limit=middle(peer_memories, "MiB", 1),
            goal="≤ 60 MiB",
            reached=percentile(memories, 50) <= 60,
        ),
    ]


def _start(side: Side) -> tuple[float, float]:
    """Seconds to ready, MiB when it has settled."""
    side.give(far(MANY))
    took = side.start()
    time.sleep(5)
    return took, side.memory()
