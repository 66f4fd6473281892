"""Fire times on clocks that are shifted: the one place that knows what daylight saving does.

Owns the rule below and the offsets of zones. Must not know the text of an expression.

The rule. Debian's cron keeps, beside the clock, the highest reading the clock has shown; wildcard
jobs follow the clock and fixed-time jobs that highest reading (cron.c, main loop; the flags come
from entry.c, MIN_STAR and HR_STAR). So:

1. A *fixed* expression fires at the first instant at which the wall clock shows its time or a
   later one. Hence a time in the spring gap fires once, at the first instant after the gap,
   several times in one gap fire once together, and a time in the autumn overlap fires at the
   first of the two.
2. Any other expression is a *wildcard* and fires at every instant whose wall-clock reading
   matches: what the gap skips is not made up for, and the repeated hour fires again.
3. With five fields an expression is a wildcard when its minute or its hour begins with `*`, to
   the letter as in Debian: `0 1-5 * * *` is fixed. `H/15` counts as `*/15`.
4. With six fields, which Debian does not have, it is a wildcard too when its second, minute or
   hour holds a range or a step, or when it names several seconds: it then says how often, not
   when. `0 30 2 * * *` is fixed, as is `30 2 * * *`.
5. The size of a shift does not matter. Debian stops at three hours to tell daylight saving from
   somebody setting the clock; the zone database never means the latter.
6. A zone's offsets come from the zone database alone; steps of the host's clock are not ours.

Sources of 2 to 4: cronsim's and Cronos' tables of cases, where the two agree.

Invariant: results are strictly after `after`, and a fixed expression's fire times never repeat,
because the highest reading never falls.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise

from torch import zone as zones
from torch.schedule.fields import Field
from torch.schedule.stepping import DAY_SECONDS, Plan, next_local

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Two days inside what datetime can hold: no zone's offset reaches a day.
FIRST = int((datetime.min.replace(tzinfo=UTC) - EPOCH).total_seconds()) + 2 * DAY_SECONDS
LAST = (
    int((datetime.max.replace(tzinfo=UTC, microsecond=0) - EPOCH).total_seconds()) - 2 * DAY_SECONDS
)

SHIFT = 2 * DAY_SECONDS  # longer than any shift: two offsets differ by less than two days
_BLOCK = 1 << 25  # seconds, about 388 days: how much of a zone is looked into at once

Span = tuple[int, int, int]
"""[first instant, end instant) and the offset that holds between: local = instant + offset."""


def is_fixed(second: Field, minute: Field, hour: Field, *, seconds: int, six: bool) -> bool:
    """Sentences 3 and 4. `seconds` is how many the second field names."""
    if minute.starred or hour.starred:
        return False
    return not six or (seconds == 1 and not (second.rhythm or minute.rhythm or hour.rhythm))


def next_fire(plan: Plan, zone: Zone, after: int) -> int | None:
    """The first fire time after `after`, both epoch seconds; None when there is none any more."""
    if after >= LAST:
        return None
    find = _next_fixed if plan.fixed else _next_wildcard
    fire = find(plan, zone, max(after, FIRST))
    return fire if fire is not None and fire <= LAST else None


def _next_fixed(plan: Plan, zone: Zone, after: int) -> int | None:
    local = next_local(plan, highest_reading(zone, after))
    if local is None:
        return None
    while True:
        _, end, offset = zone.span(after + 1)
        fire = max(local - offset, after + 1)  # the latter: a gap has just gone over `local`
        if fire < end:
            return fire
        # Up to two days before, under whatever offset, the clock is still short of `local`.
        after = max(end - 1, local - offset - SHIFT)


def highest_reading(zone: Zone, instant: int) -> int:
    """The highest the wall clock has shown up to `instant`; it can be ahead after a step back."""
    start, _, offset = zone.span(instant)
    highest = instant + offset
    while instant - start < SHIFT:
        start, end, offset = zone.span(start - 1)
        highest = max(highest, end - 1 + offset)
    return highest


def _next_wildcard(plan: Plan, zone: Zone, after: int) -> int | None:
    while True:
        _, end, offset = zone.span(after + 1)
        local = next_local(plan, after + offset)
        if local is None:
            return None
        fire = local - offset
        if fire < end:
            return fire
        # Nothing matches between here and `local`. Once the clock can no longer step back to
        # before here, go straight to where it comes near `local`: years away for 29 February.
        near = local - offset - SHIFT if end - after >= SHIFT else end - 1
        after = max(end - 1, near)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A zone's clock goes from one offset to another at an instant; offsets in seconds."""

    at: int
    before: int
    since: int

    @property
    def forward(self) -> bool:
        """Whether local times are skipped; else they come twice."""
        return self.since > self.before

    @property
    def local(self) -> tuple[int, int]:
        """[first, end) of the local seconds that are skipped or come twice."""
        ends = self.at + self.before, self.at + self.since
        return min(ends), max(ends)


def changes(zone: Zone, after: int, until: int) -> Iterator[ClockChange]:
    """The changes of a zone's offset in (after, until], in order."""
    _, end, before = zone.span(after)
    while end <= until:
        at = end
        _, end, since = zone.span(at)
        if since != before and at > after:
            yield ClockChange(at=at, before=before, since=since)
        before = since


class Zone:
    """A zone's offsets as spans, looked up by probing the zone database.

    zoneinfo tells the offset at an instant but not where it changes, and asking it twice per
    fire time would cost more than the rest. Nearly every question is about the same span.
    """

    __slots__ = ("_recent", "tzinfo")

    def __init__(self, key: str) -> None:
        self.tzinfo = zones.of(key)
        self._recent: Span = (0, 0, 0)

    def span(self, instant: int) -> Span:
        """The span that holds `instant`. A span may end where its successor has the same offset."""
        recent = self._recent
        if recent[0] <= instant < recent[1]:
            return recent
        spans = _spans(self.tzinfo, instant // _BLOCK)
        found = self._recent = spans[bisect_right(spans, instant, key=lambda span: span[0]) - 1]
        return found


@lru_cache(maxsize=1024)
def zone(key: str) -> Zone:
    """The zone of a key, one object for all; raises as `torch.zone.of` does."""
    return Zone(key)


@lru_cache(maxsize=4096)
def _spans(tzinfo: tzinfo, block: int) -> Sequence[Span]:
    """The spans of one block: a probe every two days, then a search between two that differ.

    No zone has had two changes within two days (the closest: Freetown, 1939, four days apart).
    """
    start, end = block * _BLOCK, (block + 1) * _BLOCK
    probes = [*range(start, end - 1, SHIFT), end - 1]
    offsets = [_offset(tzinfo, instant) for instant in probes]
    starts, held = [start], [offsets[0]]
    for (low, high), (before, since) in zip(pairwise(probes), pairwise(offsets), strict=True):
        if before == since:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _offset(tzinfo, middle) != before else (middle, high)
        starts.append(high)
        held.append(since)
    return tuple(zip(starts, [*starts[1:], end], held, strict=True))


def _offset(tzinfo: tzinfo, instant: int) -> int:
    """Seconds to add to an instant for local time; beyond the calendar that of its ends."""
    moment = EPOCH + timedelta(seconds=min(max(instant, FIRST), LAST))
    return (moment.astimezone(tzinfo).replace(tzinfo=UTC) - moment) // timedelta(seconds=1)
