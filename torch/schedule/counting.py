"""How many fires there are in a span, and in which seconds: from the fields, not by stepping.

Owns the arithmetic for `torch plan` and `torch diff`, which look at a whole fleet: a day of 10 000
tasks that fire every second is 864 million steps, and here some products of numbers of bits.
Must not know tasks. A set of seconds is an int: bit n stands for the n-th second of the span, so
that the union of two is `|` and its size `bit_count()`.

Invariant: what `count` counts and `mask` marks is what stepping with `next_fire` finds, in every
zone and through every change of its clocks (the rule is in `daylight`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from torch.schedule.daylight import SHIFT, ClockChange, Zone, highest_reading
from torch.schedule.stepping import (
    DAY_SECONDS,
    Plan,
    lowest,
    month_days,
    month_length,
    next_day,
    next_local,
)

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a change of the clocks does to the fires of one expression.

    `times` are the first and the last of the local seconds it names among those that are skipped
    or come twice, `count` is how many these are. `fixed`: they fire once; else not at all or twice.
    """

    times: tuple[int, int]
    count: int
    fixed: bool


def count(plan: Plan | int | None, zone: Zone, after: int, until: int) -> int:
    """The number of fires in (after, until]. An int is a period, None is `@reboot`."""
    if plan is None or until <= after:
        return 0
    if isinstance(plan, int):
        return until // plan - after // plan
    pieces = _pieces(plan, zone, after + 1, until + 1)
    return sum(1 if landed else _matches(plan, low, high) for low, high, _, landed in pieces)


def mask(plan: Plan | int | None, zone: Zone, after: int, until: int) -> int:
    """The fires in (after, until] as bits from the second after + 1 on. For spans of days: it
    takes a bit for each second."""
    if plan is None or until <= after:
        return 0
    if isinstance(plan, int):
        first = (after // plan + 1) * plan - after - 1
        return _repeated(plan, until - after) << first & (1 << until - after) - 1
    found = 0
    for low, high, offset, landed in _pieces(plan, zone, after + 1, until + 1):
        bits = 1 if landed else _local_mask(plan, low, high)
        found |= bits << low - offset - after - 1
    return found


def touched(plan: Plan | int | None, change: ClockChange) -> Touched | None:
    """None where nobody would notice: an expression that names every hour follows elapsed time."""
    if not isinstance(plan, Plan) or (plan.hours == (1 << 24) - 1 and not plan.fixed):
        return None
    low, high = change.local
    first = next_local(plan, low - 1)
    if first is None or first >= high:
        return None
    last, at = first, _local_mask(plan, low, high).bit_length() - 1
    if at >= 0:
        last = low + at
    return Touched(times=(first, last), count=_matches(plan, low, high), fixed=plan.fixed)


Piece = tuple[int, int, int, bool]
"""[low, high) in local seconds, the offset there, and whether it is a landing (see below)."""


def _pieces(plan: Plan, zone: Zone, start: int, end: int) -> Iterator[Piece]:
    """The fires at the instants [start, end), as local seconds of which each match is a fire.

    Of a fixed expression only readings that are higher than all before count (a repeated hour
    has none), and what a gap has gone over fires at the first second after it: a landing, which
    is left out where that second matches by itself.
    """
    at = start
    while at < end:
        since, over, offset = zone.span(at)
        low, high = at + offset, min(over, end) + offset
        if plan.fixed and at - since < SHIFT:
            shown = highest_reading(zone, since - 1)
            missed = next_local(plan, shown) if at == since else None
            if missed is not None and missed < low and next_local(plan, low - 1) != low:
                yield low, low + 1, offset, True
            low = max(low, shown + 1)
        if low < high:
            yield low, high, offset, False
        at = over


def _matches(plan: Plan, low: int, high: int) -> int:
    """How many local seconds of [low, high) match."""
    (day, second), (last, end) = divmod(low, DAY_SECONDS), divmod(high, DAY_SECONDS)
    whole = plan.hours.bit_count() * plan.minutes.bit_count() * plan.seconds.bit_count()
    found = _days(plan, day, last) * whole
    if second and _is_day(plan, day):
        found -= _before(plan, second)
    if end and _is_day(plan, last):
        found += _before(plan, end)
    return found


def _before(plan: Plan, second: int) -> int:
    """How many seconds of a matching day come before this one and match."""
    hour, rest = divmod(second, 3600)
    minute, left = divmod(rest, 60)
    seconds = plan.seconds.bit_count()
    found = _below(plan.hours, hour) * plan.minutes.bit_count() * seconds
    if plan.hours >> hour & 1:
        found += _below(plan.minutes, minute) * seconds
        if plan.minutes >> minute & 1:
            found += _below(plan.seconds, left)
    return found


def _below(bits: int, value: int) -> int:
    return (bits & (1 << value) - 1).bit_count()


def _is_day(plan: Plan, day: int) -> bool:
    return next_day(plan, day) == day


def _days(plan: Plan, day: int, end: int) -> int:
    """How many dates of [day, end) match, a month at a time."""
    if plan.every_day or end <= day:
        return max(end - day, 0)
    if end == day + 1:
        return _is_day(plan, day)
    found, at, stop = 0, _EPOCH + timedelta(day), _EPOCH + timedelta(end)
    while at < stop:
        first = at.replace(day=1)
        length = month_length(at.year, at.month)
        over = min(first + timedelta(length), stop)
        if plan.months >> at.month & 1:
            days = month_days(plan, first.toordinal() % 7, length)
            days &= (1 << (over - first).days + 1) - 1
            found += (days >> at.day).bit_count()
        at = over
    return found


def _local_mask(plan: Plan, low: int, high: int) -> int:
    """The matching seconds of [low, high) as bits from `low` on."""
    found = 0
    for day in range(low // DAY_SECONDS, (high - 1) // DAY_SECONDS + 1):
        if _is_day(plan, day):
            shift = day * DAY_SECONDS - low
            bits = _day_mask(plan.seconds, plan.minutes, plan.hours)
            found |= bits << shift if shift >= 0 else bits >> -shift
    return found & (1 << high - low) - 1


@lru_cache(maxsize=512)  # 11 kB each
def _day_mask(seconds: int, minutes: int, hours: int) -> int:
    """The matching seconds of a day. An hour is 450 bytes, so a day is its hours in a row."""
    hour = 0
    while minutes:
        minute = lowest(minutes)
        hour |= seconds << 60 * minute
        minutes ^= 1 << minute
    full, empty = hour.to_bytes(450, "little"), bytes(450)
    return int.from_bytes(b"".join(full if hours >> h & 1 else empty for h in range(24)), "little")


@lru_cache(maxsize=64)
def _repeated(period: int, length: int) -> int:
    """Bits 0, period, 2 * period … up to `length` and a little more, by doubling."""
    bits, width = 1, period
    while width < length:
        bits |= bits << width
        width *= 2
    return bits
