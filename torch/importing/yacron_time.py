"""A schedule of yacron or cronstable -> an expression.

Owns their dialect: five fields; six with a year behind; seven with a second in front as well.
Day and weekday must both match, `*` or not. Weekdays end at 6, `sat-sun` runs to 7, and the last
Friday is `L5`. Sources: gjcarneiro/yacron config.py, the package crontab that it uses (1.0),
ptweezy/cronstable cronexpr.py.
"""

from __future__ import annotations

import re

from torch.errors import ExpressionError
from torch.importing.cron_time import reason
from torch.schedule.expression import Expression

_SUNDAY = {"0", "7", "sun"}
_WEEKS = {"1-7": 1, "8-14": 2, "15-21": 3, "22-28": 4}
FIELDS = ("second", "minute", "hour", "dayOfMonth", "month", "dayOfWeek", "year")


class NoExpression(Exception):
    """A schedule that no expression of ours means, with the reason."""


def of_fields(fields: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """(expression, reviews) of the mapping form; a field that is not given is `*`."""
    for name, text in fields.items():
        if text.split() != [text]:
            raise NoExpression(f"schedule.{name} is not one field")
    words = [fields.get(name, "*") for name in FIELDS]
    return of_text(" ".join(words if "second" in fields else words[1:]))


def of_text(text: str) -> tuple[str, tuple[str, ...]]:
    """(expression, reviews) of the text form. Raises NoExpression."""
    words = text.split()
    reviews: list[str] = []
    if len(words) in (6, 7):
        year = words.pop()
        if year != "*":
            raise NoExpression(f"year '{year}': a schedule cannot have a year")
    if len(words) == 6:
        reviews.append("yacron checks the time once a minute, cronstable and Torch every second")
    if len(words) in (5, 6):
        words[-3], words[-1] = _days(words[-3], _weekdays(words[-1]))
        if any(re.search(r"(?:^|,)h\b", word, re.IGNORECASE) for word in words):
            reviews.append("H gives another value in Torch than in cronstable")
    expression = " ".join(words)
    try:
        Expression.parse(expression, name="any")
    except ExpressionError as error:
        raise NoExpression(reason(error)) from error
    return expression, tuple(reviews)


def _weekdays(text: str) -> str:
    return ",".join(_weekday(item) for item in text.split(","))


def _weekday(item: str) -> str:
    low = item.lower()
    if found := re.fullmatch(r"l([0-7])(?:-([0-7]))?", low):
        first, last = int(found[1]), int(found[2] or found[1])
        return ",".join(f"{day}L" for day in range(first, last + 1))
    head, slash, step = item.partition("/")
    first_day, dash, last_day = head.partition("-")
    if dash and last_day.lower() in ("0", "sun"):
        return f"{first_day}-7{slash}{step}" if first_day.lower() != "sun" else f"0-7{slash}{step}"
    if slash and not dash and head != "*":  # 5/2 ends at Saturday there
        return f"{head}-6/{step}"
    return item


def _days(day: str, weekday: str) -> tuple[str, str]:
    """Both must match; here either does, unless one begins with `*`."""
    if day[:1] in "*?" or weekday[:1] in "*?":
        return day, weekday
    week = _WEEKS.get(day)
    if week and re.fullmatch(r"[0-7]|[a-z]{3}", weekday, re.IGNORECASE):  # the n-th of the month
        number = _number(weekday)
        if number is not None:
            return "*", f"{number}#{week}"
    if weekday.lower() in _SUNDAY:
        return day, "*/7"  # begins with *, and is Sunday
    raise NoExpression(
        f"it requires both day {day} and weekday {weekday}; a task fires if one matches"
    )


def _number(weekday: str) -> str | None:
    if weekday.isdecimal():
        return weekday
    names = "sun mon tue wed thu fri sat".split()
    return str(names.index(weekday.lower())) if weekday.lower() in names else None
