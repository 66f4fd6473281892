"""Memory of a small service, all processes of a side together, and what a live run adds."""

from __future__ import annotations

from bench.memory import LIVE, live, ten
from bench.peers.peer import Peers
from bench.peers.turns import turns
from bench.table import Figure, middle, percentile


def measure(peers: Peers, *, quick: bool) -> list[Figure]:
    rounds = 1 if quick else 5
    ours, theirs = turns(peers, rounds, ten)
    runs, peer_runs = turns(peers, rounds, live)
    return [
        Figure(
            what="memory, 10 tasks",
            ours=middle(ours, "MiB", 1),
            limit=middle(theirs, "MiB", 1),
            goal="≤ 36 MiB",
            reached=percentile(ours, 50) <= 36,
        ),
        Figure(
            what=f"memory for each of {LIVE} live runs, without the command",
            ours=middle(runs, "KiB", 0),
            limit=middle(peer_runs, "KiB", 0),
            goal="≤ 30 KiB",
            reached=percentile(runs, 50) <= 30,
        ),
    ]
