"""TIME on the command line: what a person types for an instant, and what it stands for.

Owns the forms: `10:30`, `03:30:05`, `yesterday 10:30`, `2026-11-20`, `2026-11-20 10:30`, and
RFC 3339. A time without a zone is of the zone that the caller names. A form names a span, as
fine as it was typed: `10:30` is the whole minute.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from torch import zone as zones
from torch.errors import UsageError
from torch.schedule import daylight

_FORMS = "10:30, 03:30:05, 'yesterday 10:30', 2026-11-20, '2026-11-20 10:30', or RFC 3339"
_TEXT = re.compile(
    r"(?:(?P<day>today|yesterday|tomorrow|\d{4}-\d{2}-\d{2}))?"
    r"(?:(?:^|[ T])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?",
    re.ASCII | re.IGNORECASE,
)
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_YEARS = range(1970, 9000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All whole seconds from `first` to `last`. `note` says what is odd about the time, as the
    change to summer time makes it; '' for nothing."""

    first: int
    last: int
    text: str
    note: str = ""


def read(text: str, *, now: float, zone: str) -> Moment:
    """Raises UsageError for what is no time."""
    text = " ".join(text.split())
    if text.lower() == "now":
        return Moment(first=math.floor(now), last=math.floor(now), text=text)
    if found := _rfc3339(text):
        return Moment(first=found, last=found, text=text)
    match = _TEXT.fullmatch(text)
    if match is None or not text:
        raise _no_time(text)
    tz = zones.of(zone)
    today = datetime.fromtimestamp(now, UTC).astimezone(tz).date()
    try:
        day = _day(match["day"], today)
        if day.year not in _YEARS:
            raise ValueError("no such year here")
        if match["hour"] is None:
            end = _epoch(datetime.combine(day + timedelta(days=1), time()), tz)
            return Moment(first=_epoch(datetime.combine(day, time()), tz), last=end - 1, text=text)
        at = time(int(match["hour"]), int(match["minute"]), int(match["second"] or 0))
    except ValueError as error:
        raise _no_time(text) from error
    return _local(datetime.combine(day, at), text, tz, zone, 0 if match["second"] else 59)


def _rfc3339(text: str) -> int | None:
    """Epoch seconds; None for what is not of that form, or has no zone."""
    if not re.match(r"\d{4}-\d{2}-\d{2}[T ]\d", text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is not None and found.year not in _YEARS:
        raise _no_time(text)
    return None if found.tzinfo is None else math.floor(found.timestamp())


def _day(word: str | None, today: date) -> date:
    if word is None:
        return today
    if word.lower() in _DAYS:
        return today + timedelta(days=_DAYS[word.lower()])
    return date.fromisoformat(word)


def _epoch(local: datetime, tz: tzinfo) -> int:
    return math.floor(local.replace(tzinfo=tz).timestamp())


def _local(local: datetime, text: str, tz: tzinfo, zone: str, width: int) -> Moment:
    """A local time; the first of two where the clocks go back, the end of the gap in spring."""
    at = _epoch(local, tz)
    if datetime.fromtimestamp(at, tz).replace(tzinfo=None) != local:
        changes = daylight.changes(daylight.zone(zone), at - 86_400, at + 86_400)
        after = next(change.at for change in changes if change.forward)
        shown = datetime.fromtimestamp(after, tz)
        note = f"{local:%H:%M:%S} does not exist on that day in {zone}: the clocks go forward"
        return Moment(first=after, last=after, text=text, note=f"{note} to {shown:%H:%M:%S}")
    again = _epoch(local.replace(fold=1), tz)
    note = ""
    if again != at:
        second = datetime.fromtimestamp(again, tz).isoformat()
        note = (
            f"{local:%H:%M:%S} occurs twice on that day in {zone}; this is the first, the second is"
        )
        note = f"{note} {second}"
    return Moment(first=at, last=at + width, text=text, note=note)


def _no_time(text: str) -> UsageError:
    return UsageError(f"'{text[:40]}' is not a time", hint=f"examples: {_FORMS}")
