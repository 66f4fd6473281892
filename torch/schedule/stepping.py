"""The next match of expanded fields, on a calendar without zones.

Owns `Plan`, the fields as bit masks, and the walk over them. Local time here is a plain count of
seconds: those of 1970-01-01T00:00 on a clock that is never shifted. Must not know zones, texts
or names; `daylight` puts it on real clocks.

Why masks: the next value in a field is one shift and one lowest-bit, where a walk over lists
costs a loop; and a whole month's days fit in one int, so day, weekday and the specials meet in
one `|` or `&`.

Rule (Debian cron, entry.c and cron.c): when both day and weekday are restricted a date needs to
match either one; when one of them begins with a star it needs to match both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from torch.schedule.fields import Special

DAY_SECONDS = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LAST_ORDINAL = date.max.toordinal()
_WEEKS = sum(1 << 7 * week for week in range(6))
ALL_DAYS = 0xFFFF_FFFE
ALL_MONTHS = 0x1FFE
ALL_WEEKDAYS = 0x7F


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Bit n of a mask stands for value n; weekday bit 0 is Sunday, day bit 0 is never set.

    `either`: a date needs to match the day or the weekday, not both. `fixed`: the expression
    names times of day (see `daylight`).
    """

    seconds: int
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    specials: tuple[Special, ...]
    either: bool
    fixed: bool
    # Kept, not asked each time: the first second of a matching day, and whether all match.
    first: int = field(init=False, repr=False, compare=False)
    every_day: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        first = lowest(self.hours) * 3600 + lowest(self.minutes) * 60 + lowest(self.seconds)
        dates = (self.days, self.months, self.weekdays)
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "every_day", dates == (ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS))


def lowest(mask: int) -> int:
    """The number of the lowest bit set; the mask is not 0."""
    return (mask & -mask).bit_length() - 1


def next_local(plan: Plan, after: int) -> int | None:
    """The first matching local second after `after`; None past the year 9999."""
    day, second = divmod(after + 1, DAY_SECONDS)
    time = _next_time(plan, second)
    found = next_day(plan, day if time is not None else day + 1)
    if found is None:
        return None
    if time is None or found != day:
        time = plan.first
    return found * DAY_SECONDS + time


def _next_time(plan: Plan, since: int) -> int | None:
    """The first matching second of a day from `since` on, None when that day has no more."""
    if since <= plan.first:
        return plan.first
    hour, rest = divmod(since, 3600)
    minute, second = divmod(rest, 60)
    hours = plan.hours >> hour
    if hours & 1:
        minutes = plan.minutes >> minute
        if minutes & 1:
            seconds = plan.seconds >> second
            if seconds:
                return since + lowest(seconds)
            minutes ^= 1
        if minutes:
            return hour * 3600 + (minute + lowest(minutes)) * 60 + lowest(plan.seconds)
        hours ^= 1
    if hours:
        return (hour + lowest(hours)) * 3600 + plan.first % 3600
    return None


def next_day(plan: Plan, day: int) -> int | None:
    """The first matching date from `day` on, both in days since 1970-01-01."""
    ordinal = day + _EPOCH_ORDINAL
    if ordinal > _LAST_ORDINAL:
        return None
    if plan.every_day:
        return day
    start = date.fromordinal(ordinal)
    year, month = start.year, start.month
    first = ordinal - start.day + 1  # of the month
    skipped = start.day
    while True:
        if plan.months >> month & 1:
            days = month_days(plan, first % 7, month_length(year, month)) >> skipped
            if days:
                return first - 1 + skipped + lowest(days) - _EPOCH_ORDINAL
        later = plan.months >> month + 1
        if later:
            month += 1 + lowest(later)
        else:
            year, month = year + 1, lowest(plan.months)
            if year > date.max.year:
                return None
        first = date(year, month, 1).toordinal()
        skipped = 1


def month_length(year: int, month: int) -> int:
    """Days in a month of the proleptic Gregorian calendar."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def month_days(plan: Plan, first: int, length: int) -> int:
    """The mask of matching days in a month of `length` days whose first is weekday `first`."""
    whole = (2 << length) - 2
    days = plan.days
    weekdays = (plan.weekdays * _WEEKS >> first) << 1
    for sign, value, nth in plan.specials:
        if sign == "#":
            day = 1 + (value - first) % 7
            weekdays |= 1 << day + 7 * (nth - 1 if nth else (length - day) // 7)
        elif sign == "L":
            days |= 1 << max(length - value, 0)
        elif sign == "LW":
            days |= 1 << _nearest_weekday(length, first, length)
        elif value <= length:
            days |= 1 << _nearest_weekday(value, first, length)
    return (days | weekdays if plan.either else days & weekdays) & whole


def _nearest_weekday(day: int, first: int, length: int) -> int:
    """The Monday to Friday nearest to `day` that does not leave its month (Quartz's rule)."""
    weekday = (first + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


_SHAPES = (*((month, month_length(2001, month)) for month in range(1, 13)), (2, 29))


def can_fire(plan: Plan) -> bool:
    """Whether any date ever matches: exact, because every month begins on every weekday.

    Over the calendar's cycle of 400 years each month, 29 February's too, comes with each of the
    seven weekdays as its first, so these shapes are all there are.
    """
    return any(
        month_days(plan, first, length)
        for month, length in _SHAPES
        if plan.months >> month & 1
        for first in range(7)
    )
