"""A heap whose items die where they lie: whoever owns it says which of them still mean something.

Finding and taking an item out of the middle of a heap costs a walk; so what was moved or is
forgotten stays until it comes to the top, and when most are dead, all dead ones are cleared.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound="tuple[Any, ...]")

_FEW = 64


class LazyHeap(Generic[T]):
    def __init__(self, is_alive: Callable[[T], bool]) -> None:
        self._is_alive = is_alive
        self._items: list[T] = []
        self._dead = 0  # at the least so many are not; never too few to be worth a clearing

    def __len__(self) -> int:
        """With the dead."""
        return len(self._items)

    def push(self, item: T) -> None:
        heapq.heappush(self._items, item)

    def died(self, count: int = 1) -> None:
        """So many items mean nothing any more."""
        self._dead += count
        if self._dead > _FEW and self._dead > len(self._items) // 2:
            self._items = [*set(filter(self._is_alive, self._items))]
            heapq.heapify(self._items)
            self._dead = 0

    def first(self) -> T | None:
        while self._items:
            if self._is_alive(self._items[0]):
                return self._items[0]
            heapq.heappop(self._items)
            self._dead = max(self._dead - 1, 0)
        return None

    def pop(self) -> T:
        """Takes the first one out, which is alive; whoever owns it lets it die."""
        return heapq.heappop(self._items)
