"""Monotonic instants at which something must be looked at again.

Owns what is to be looked at and when; what follows is the scheduler's. On the monotonic clock, so
that no clock step ever shortens a timeout. Asking for one twice is asking once: daemon tasks ask
at every look, and each look must not breed another.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from torch.schedule.heap import LazyHeap


class Deadline(StrEnum):
    """What is due; of those of one instant the one whose word comes first is looked at first."""

    DELAYED = "delayed"  # a fire that was put off; its run id
    GRACE = "grace"  # a run was told to stop and had time to; its run id
    KEEP = "keep"  # a daemon task wants a look; its name
    READ = "read"  # the task file wants another look
    SEND = "send"  # a channel may send again; its name
    TIMEOUT = "timeout"  # a run has had its time; its run id


class Deadlines:
    def __init__(self) -> None:
        self._heap: LazyHeap[tuple[float, Deadline, str]] = LazyHeap(self._is_alive)
        self._of_key: dict[str, set[tuple[float, Deadline]]] = {}

    def _is_alive(self, item: tuple[float, Deadline, str]) -> bool:
        mono, kind, key = item
        return (mono, kind) in self._of_key.get(key, ())

    def add(self, mono: float, kind: Deadline, key: str) -> None:
        known = self._of_key.setdefault(key, set())
        if (mono, kind) not in known:
            known.add((mono, kind))
            self._heap.push((mono, kind, key))

    def forget(self, key: str) -> None:
        """Nothing of this key needs a look any more: short runs with a long timeout must not
        pile up."""
        known = self._of_key.pop(key, ())
        if known:
            self._heap.died(len(known))

    def first(self) -> float | None:
        item = self._heap.first()
        return None if item is None else item[0]

    def pop_due(self, mono: float) -> Iterator[tuple[Deadline, str]]:
        """(kind, key), each once: one look serves all runs of a daemon task, and ten thousand of
        them may have begun one by one."""
        told = set()
        while (at := self.first()) is not None and at <= mono:
            _, kind, key = self._heap.pop()
            known = self._of_key[key]
            known.discard((at, kind))
            if not known:
                del self._of_key[key]
            if (kind, key) not in told:
                told.add((kind, key))
                yield kind, key
