"""Who may send now: how many messages are on their way, and how long they have been.

Owns the places. Each message on its way is a process of some 25 MB, so they are bounded; and a
receiver that hangs keeps its process for half a minute, so it may not keep its place from others.

- `AT_ONCE` messages at most are in their first moment, in which a receiver that works answers.
  Whatever takes longer makes way for the next one, and goes on.
- `MOST` are on their way in all.
- A channel of which nobody knows yet whether it works never gets the last place, and one that
  fails neither of the last two: receivers that hang keep no message from a channel that works.
- No more than two of those that fail are on their way.
"""

from __future__ import annotations

AT_ONCE, MOST = 4, 12

MOMENT = 1.0
"""Seconds after which a message on its way is not answered soon any more."""

FAILING = 2
"""The doubt in a channel that fails; 1: it is new, 0: it works."""


class Senders:
    """Instants are monotonic."""

    def __init__(self) -> None:
        self._away: dict[str, tuple[float, int]] = {}  # channel -> (sent at, doubt)

    def begin(self, channel: str, doubt: int, mono: float) -> None:
        self._away[channel] = mono, doubt

    def end(self, channel: str) -> None:
        self._away.pop(channel, None)

    def has_place(self, doubt: int, mono: float) -> bool:
        """Whether a channel with this doubt may send. What one may, one of less doubt may too."""
        if len(self._away) >= MOST - doubt or len(self._fresh(mono)) >= AT_ONCE - doubt:
            return False
        failing = sum(each == FAILING for _, each in self._away.values())
        return doubt < FAILING or failing < AT_ONCE - FAILING

    def next_place(self, mono: float) -> float | None:
        """When one that is on its way makes way for others, if it does not end before."""
        return min(self._fresh(mono), default=None)

    def _fresh(self, mono: float) -> list[float]:
        """When those make way that have not yet."""
        return [at + MOMENT for at, _ in self._away.values() if at + MOMENT > mono]
