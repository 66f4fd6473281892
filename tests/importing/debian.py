"""Debian's cron, by itself: the times of a line, minute by minute, in UTC.

Written from crontab(5) and entry.c and not from Torch's expressions, which it is to judge. Reads
only what Debian's cron takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}  # fmt: skip
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "sun mon tue wed thu fri sat".split()


def fires(time: str, start: datetime, days: int) -> Iterator[datetime]:
    """Every minute after `start` at which cron would run a line of this time."""
    minute, hour, day, month, weekday = _MACROS.get(time, time).split()
    minutes, hours = _values(minute, 0, 59), _values(hour, 0, 23)
    dates, months = _values(day, 1, 31), _values(month, 1, 12, _MONTHS, 1)
    weekdays = {value % 7 for value in _values(weekday, 0, 7, _DAYS)}
    either = not (day.startswith("*") or weekday.startswith("*"))
    for past in range(days):
        date = start + timedelta(days=past)
        here, of_week = date.day in dates, date.isoweekday() % 7 in weekdays
        if date.month in months and (here or of_week if either else here and of_week):
            for at in sorted(hours):
                for past_hour in sorted(minutes):
                    fire = datetime(date.year, date.month, date.day, at, past_hour, tzinfo=UTC)
                    if fire > start:
                        yield fire


def _values(field: str, low: int, high: int, names: list[str] | None = None, first: int = 0):
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            ends = [low, high]
        else:
            ends = [_value(part, names or [], first) for part in span.split("-")]
        found.update(range(ends[0], ends[-1] + 1, int(step or 1)))
    return found


def _value(text: str, names: list[str], first: int) -> int:
    return int(text) if text.isdecimal() else names.index(text.lower()) + first
