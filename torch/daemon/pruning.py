"""Old rows leave the history in small slices, so that no fire waits for them.

Owns when: a minute after the start, then every hour, with a pause after each slice. A history
that cannot be written now is pruned the next time; that is said once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from torch.clock import Clock
from torch.event import Event, PartFailed
from torch.history.prune import Limits
from torch.history.store import HistoryError, Store

FIRST = 60.0
EVERY = 3600.0
PAUSE = 0.05
"""Seconds after the start, between two rounds, and between two slices of one."""

_DAY = 86_400


class Pruner:
    """Works from the construction on until `close`."""

    def __init__(
        self, store: Store, *, clock: Clock, days: int, rows: int, tell: Callable[[Event], None]
    ) -> None:
        """Kept are rows of the last `days`, and of them the newest `rows`."""
        self._store = store
        self._clock = clock
        self._days = days
        self._rows = rows
        self._tell = tell
        self._told = False
        self._loop = asyncio.get_running_loop()
        self._limits = Limits()
        self._after: int | None = 0
        self._removed = 0  # rows, in this round
        self._timer = self._loop.call_later(FIRST, self._begin)

    def close(self) -> None:
        self._timer.cancel()

    def _begin(self) -> None:
        before = self._clock.now().wall - self._days * _DAY
        self._limits = Limits(before=before, keep=self._rows)
        self._after, self._removed = 0, 0
        self._go_on()

    def _go_on(self) -> None:
        try:
            more = self._slice()
            self._told = self._told and more  # a whole round was well
        except HistoryError as error:
            more = False
            if not self._told:
                self._told = True
                self._tell(PartFailed(part="pruning of the history", reason=str(error)))
        delay, what = (PAUSE, self._go_on) if more else (EVERY, self._begin)
        self._timer = self._loop.call_later(delay, what)

    def _slice(self) -> bool:
        """One of the round; False: it was the last."""
        if self._after is not None:
            done = self._store.prune(self._limits, after=self._after)
            self._after, self._removed = done.after, self._removed + done.rows
            return True
        # A look at every definition there is, for which there must be a reason.
        return self._removed > 0 and self._store.prune_rest(self._limits)
