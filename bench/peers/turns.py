"""Both sides measured in turns: ours, the peer, ours, the peer … What else the machine does is
the same for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bench.peers.peer import Peers
from bench.sides import Ours, Side

T = TypeVar("T")


def turns(peers: Peers, rounds: int, measure: Callable[[Side], T]) -> tuple[list[T], list[T]]:
    """What each turn of ours, and each of the peer, has measured; a fresh service each time."""
    ours, theirs = [], []
    for _ in range(rounds):
        with Ours() as side:
            ours.append(measure(side))
        with peers() as peer:
            theirs.append(measure(peer))
    return ours, theirs
