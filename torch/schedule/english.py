"""A plan in plain English, for people who did not write it.

Owns the words of `Expression.describe`. It reads the masks and not the text, so macros and H show
as what they came to: 'at 03:17:00 every day'. Times are those of the expression's zone.
"""

from __future__ import annotations

from itertools import groupby, product

from torch.schedule.fields import Special
from torch.schedule.stepping import ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, Plan

_WEEKDAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split()
_MONTHS = (
    "January February March April May June July August September October November December".split()
)
_ORDINALS = ("last", "first", "second", "third", "fourth", "fifth")
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
_FEW = 6  # more times of day than this are told as rules, not one by one


def describe(plan: Plan | int | None) -> str:
    """'every 5 seconds', 'at 03:30:00 every day'; an int is a period, None is `@reboot`."""
    if plan is None:
        return "once at every boot of the host"
    if isinstance(plan, int):
        unit, length = next((u, n) for u, n in _UNITS if plan % n == 0)
        return _every(plan // length, unit)
    time, daily = _time(plan)
    date = _date(plan) or ("every day" if daily else "")
    months = ""
    if plan.months != ALL_MONTHS:
        months = f"in {_listed([n - 1 for n in _values(plan.months)], _MONTHS)}"
    return " ".join(filter(None, (time, date, months)))


def _time(plan: Plan) -> tuple[str, bool]:
    """The time of day, and whether it is told as a list of times ('at 03:30:00')."""
    seconds, minutes, hours = _values(plan.seconds), _values(plan.minutes), _values(plan.hours)
    if len(seconds) * len(minutes) * len(hours) <= _FEW:
        times = [f"{h:02}:{m:02}:{s:02}" for h, m, s in product(hours, minutes, seconds)]
        return f"at {_joined(times)}", True
    second_step, minute_step, hour_step = _step(seconds, 60), _step(minutes, 60), _step(hours, 24)
    on_second = "" if seconds == [0] else f"at second {_listed(seconds)}"
    # From the finest unit that repeats: 'every ...' first, then 'of' what is coarser.
    if second_step:
        told = _every(second_step, "second")
        if minute_step != 1:
            told += f" of {_each(minute_step, 'minute', minutes)}"
    elif minute_step:
        told = f"{_every(minute_step, 'minute')} {on_second}".rstrip()
    elif hour_step and minutes == seconds == [0]:
        return _every(hour_step, "hour"), False
    else:
        told = f"{on_second} of minute" if on_second else "at minute"
        told = f"{told} {_listed(minutes)}"
    if hour_step == 1 and (minute_step == 1 if second_step else minute_step):
        return told, False
    return f"{told} of {_each(hour_step, 'hour', hours)}", False


def _date(plan: Plan) -> str:
    """'on day 13 of the month or on Friday', '' for every day."""
    parts = [part for part in (_days(plan), _weekdays(plan)) if part]
    return f"on {(' or on ' if plan.either else ' that is also ').join(parts)}" if parts else ""


def _days(plan: Plan) -> str:
    if plan.days == ALL_DAYS:
        return ""
    told = [_day(special) for special in plan.specials if special[0] != "#"]
    if plan.days:
        told.insert(0, f"day {_listed(_values(plan.days))}")
    return f"{' or '.join(told)} of the month" if told else ""


def _day(special: Special) -> str:
    sign, value, _ = special
    if sign == "W":
        return f"the weekday nearest to day {value}"
    if sign == "LW":
        return "the last Monday-to-Friday day"
    if value:
        return f"the day {value} days before the last" if value > 1 else "the day before the last"
    return "the last day"


def _weekdays(plan: Plan) -> str:
    told = [
        f"the {_ORDINALS[nth]} {_WEEKDAYS[weekday]}"
        for sign, weekday, nth in plan.specials
        if sign == "#"
    ]
    if told:
        told[-1] += " of the month"
    if plan.weekdays not in (0, ALL_WEEKDAYS):
        # Monday first, so that a week-end is one range and not two ends of a week.
        order = [*_WEEKDAYS[1:], _WEEKDAYS[0]]
        told.insert(0, _listed(sorted((n - 1) % 7 for n in _values(plan.weekdays)), order))
    return " or ".join(told)


def _every(count: int, unit: str) -> str:
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def _each(step: int, unit: str, values: list[int]) -> str:
    """'every hour', 'every 2nd hour', 'hour 9 to 17': what something finer is 'of'."""
    if step < 2:
        return f"every {unit}" if step else f"{unit} {_listed(values)}"
    return f"every {step}{ {2: 'nd', 3: 'rd'}.get(step, 'th') } {unit}"


def _values(mask: int) -> list[int]:
    return [n for n in range(mask.bit_length()) if mask >> n & 1]


def _step(values: list[int], whole: int) -> int:
    """n when the values are every n-th of the whole from 0 on, evenly round its end; else 0."""
    step = whole // len(values)
    return step if len(values) > 1 and values == list(range(0, whole, step)) else 0


def _listed(values: list[int], names: list[str] | None = None) -> str:
    """'1, 3 to 7 and 9'; a run of three or more is a range."""
    told: list[str] = []
    for _, group in groupby(enumerate(values), lambda pair: pair[1] - pair[0]):
        run = [names[value] if names else str(value) for _, value in group]
        told += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else run
    return _joined(told)


def _joined(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
