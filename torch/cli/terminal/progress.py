"""A bar for a computation over many items: on stderr, on a terminal, when it lasts.

Owns how often it is drawn; when it is shown at all is `waiting`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from torch.cli.terminal.waiting import EVERY, Waiting, bar
from torch.clock import SystemClock

T = TypeVar("T")


def tracked(items: Sequence[T], what: str) -> Iterator[T]:
    """The items one by one, with a bar that says how many of them are done."""
    done, drawn = 0, 0.0
    clock, total = SystemClock(), len(items)
    with Waiting(lambda _: f"{what} {bar(done / total)} {done} of {total}") as look:
        for done, item in enumerate(items):  # noqa: B007  # `done` is read by the bar
            now = clock.now().mono
            if now - drawn >= EVERY:
                drawn = now
                look()
            yield item
