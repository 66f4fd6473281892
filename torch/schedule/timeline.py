"""Fire times in (after, until], the heap of next fires, and the name of a clock step.

Owns the arithmetic of when; must not know what a fire does. All instants are whole epoch
seconds (FireTime), `after` exclusive and `until` inclusive, so that spans join without gap
or overlap: whatever the service was doing, each instant is looked at exactly once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from torch.clock import FireTime
from torch.schedule.heap import LazyHeap
from torch.task import Schedule

KEEP = 101
"""Newest fire times that a Due names one by one; older ones are only counted."""

EARLY = 16
"""Oldest fire times that a Due names one by one."""

COUNT_LIMIT = 10_000
"""Fires of one task counted one by one after an absence: 2 µs each, so 20 ms at the most."""

STEP_BACK = 3 * 3600
"""Seconds the clock may step back while fires simply wait for it to come round again (as Debian
cron does); past that the old time was wrong, and waiting for it could take a year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The fires of one task in a span, oldest first: `times` are the newest KEEP of them, `early`
    the oldest EARLY."""

    first: FireTime
    times: tuple[FireTime, ...]
    count: int
    early: tuple[FireTime, ...] = ()
    exact: bool = True  # False: more than COUNT_LIMIT, `count` is a lower bound


def next_fire(schedule: Iterable[Schedule], after: FireTime) -> FireTime | None:
    """The earliest fire of any of the expressions after `after`; None if none ever fires."""
    times = [t for s in schedule if (t := s.next_epoch(after)) is not None]
    return FireTime(min(times)) if times else None


@lru_cache(maxsize=256)
def next_of_many(schedule: tuple[Schedule, ...], after: FireTime) -> FireTime | None:
    """The same for tasks that are asked after together, as at a start: many share a schedule."""
    return next_fire(schedule, after)


def fires(schedule: tuple[Schedule, ...], after: FireTime, until: FireTime) -> Iterator[FireTime]:
    """Every fire in (after, until], oldest first; an instant that two expressions name is one."""
    at = next_fire(schedule, after)
    while at is not None and at <= until:
        yield at
        at = next_fire(schedule, at)


def due(schedule: tuple[Schedule, ...], after: FireTime, until: FireTime) -> Due | None:
    """What fell due in (after, until], None if nothing. Bounded work, however long the span."""
    newest: deque[FireTime] = deque(maxlen=KEEP)
    early: list[FireTime] = []
    count = 0
    first: FireTime | None = None
    for at in fires(schedule, after, until):
        first = at if first is None else first
        newest.append(at)
        if count < EARLY:
            early.append(at)
        count += 1
        if count == COUNT_LIMIT:
            break
    if first is None:
        return None
    if count < COUNT_LIMIT:
        return Due(first=first, times=tuple(newest), count=count, early=tuple(early))
    tail = _newest(schedule, newest[-1], until)
    newest.extend(tail)
    exact = len(tail) < KEEP
    return Due(
        first=first, times=tuple(newest), count=count + len(tail), early=tuple(early), exact=exact
    )


def _newest(
    schedule: tuple[Schedule, ...], after: FireTime, until: FireTime
) -> tuple[FireTime, ...]:
    """The newest KEEP fires of a span too long to walk, found one by one from its end."""
    found: deque[FireTime] = deque()
    at = previous_fire(schedule, after, until)
    while at is not None and len(found) < KEEP:
        found.appendleft(at)
        at = previous_fire(schedule, after, FireTime(at - 1))
    return tuple(found)


def previous_fire(
    schedule: tuple[Schedule, ...], after: FireTime, until: FireTime
) -> FireTime | None:
    """The newest fire in (after, until]: looks back ever further, then halves what it found."""

    def over(instant: int) -> bool:
        at = next_fire(schedule, FireTime(instant))
        return at is None or at > until

    back = 1
    while over(max(after, until - back)):
        if until - back <= after:
            return None
        back *= 2
    start = max(after, until - back)
    return FireTime(start + bisect_left(range(start, until), True, key=over))


class Heap:
    """The next fire of every task, earliest first. A task has at most one place in it."""

    def __init__(self) -> None:
        self._heap: LazyHeap[tuple[FireTime, str]] = LazyHeap(self._is_alive)
        self._at: dict[str, FireTime] = {}
        self._crowd: Counter[FireTime] = Counter()  # tasks at an instant

    def _is_alive(self, item: tuple[FireTime, str]) -> bool:
        return self._at.get(item[1]) == item[0]

    def set(self, name: str, at: FireTime | None) -> None:
        """Gives the task this next fire, or none."""
        before = self._at.get(name)
        if before == at:
            return
        if before is not None:
            self._leave(name, before)
            self._heap.died()
        if at is not None:
            self._at[name] = at
            self._crowd[at] += 1
            self._heap.push((at, name))

    def _leave(self, name: str, at: FireTime) -> None:
        del self._at[name]
        self._crowd[at] -= 1
        if not self._crowd[at]:
            del self._crowd[at]

    def crowd(self, at: FireTime) -> int:
        """How many tasks have this next fire."""
        return self._crowd[at]

    def get(self, name: str) -> FireTime | None:
        return self._at.get(name)

    def first(self) -> FireTime | None:
        item = self._heap.first()
        return None if item is None else item[0]

    def pop_due(self, until: FireTime) -> list[str]:
        """Takes out every task whose next fire is at or before `until`, earliest first."""
        names = []
        while (item := self._heap.first()) is not None and item[0] <= until:
            at, name = self._heap.pop()
            self._leave(name, at)
            names.append(name)
        return names


def stepped_back(watermark: FireTime, wall: float) -> bool:
    """Whether the clock was set back so far that waiting for the watermark is no answer."""
    return wall < watermark - STEP_BACK
