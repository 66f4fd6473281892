"""Properties: agreement with croniter where the two dialects agree, and order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from croniter import croniter
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from torch.errors import ExpressionError
from torch.schedule import expression as module
from torch.schedule import fields as grammar
from torch.schedule.expression import Expression

INSTANTS = st.integers(-(10**10), 10**11)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata"]
)


@st.composite
def fields(draw, low: int, high: int) -> str:
    """A field without equal or backward ranges, which croniter reads as the whole field."""
    items = []
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(low, high - 1))
        last = draw(st.integers(first + 1, high))
        step = draw(st.integers(1, high))
        items.append(
            draw(st.sampled_from((f"{first}", f"{first}-{last}", f"{first}-{last}/{step}")))
        )
    return ",".join(items)


def star_or(low: int, high: int):
    return st.one_of(st.just("*"), st.integers(1, high).map("*/{}".format), fields(low, high))


# Day and weekday: croniter calls a field restricted by what it comes to, Debian and we by its
# first letter. They agree when one of the two is a plain star, and when both are short lists.
DATES = st.one_of(
    st.tuples(st.just("*"), st.one_of(st.just("*"), fields(0, 6))),
    st.tuples(fields(1, 28), st.just("*")),
    st.tuples(st.integers(1, 28).map(str), st.integers(0, 6).map(str)),
)


@settings(max_examples=300)
@given(
    time=st.tuples(star_or(0, 59), star_or(0, 59), star_or(0, 23)),
    month=st.one_of(st.just("*"), fields(1, 12)),
    date=DATES,
    start=st.integers(0, 4_000_000_000),
)
def test_in_utc_the_next_fires_are_those_of_croniter(time, month, date, start):
    text = f"{' '.join(time)} {date[0]} {month} {date[1]}"
    ours = Expression.parse(text)
    theirs = croniter(text, datetime.fromtimestamp(start, UTC), second_at_beginning=True)
    instant = start
    for _ in range(8):
        fire = ours.next_epoch(instant)
        assert fire is not None
        instant = fire
        assert instant == theirs.get_next(float)


@settings(max_examples=300)
@given(
    time=st.tuples(fields(0, 59), star_or(0, 59), star_or(0, 23)),
    date=DATES,
    zone=ZONES,
    start=INSTANTS,
    within=st.floats(0, 1, exclude_max=True),
)
def test_fires_only_increase_and_there_is_none_between_two(time, date, zone, start, within):
    text = f"{' '.join(time)} {date[0]} * {date[1]}"
    expression = Expression.parse(text, timezone=zone)
    fire = expression.next_epoch(start)
    assert fire is not None
    assert fire > start
    between = start + int((fire - start) * within)
    assert expression.next_epoch(between) == fire
    assert expression.next_epoch(fire - 1) == fire


@given(start=INSTANTS, seconds=st.integers(1, 366 * 86_400))
@example(start=-1, seconds=1)
def test_every_fires_at_the_multiples_of_its_length_since_the_epoch(start, seconds):
    fire = Expression.parse(f"@every {seconds}s").next_epoch(start)
    assert fire is not None
    assert fire % seconds == 0
    assert start < fire <= start + seconds


@given(text=st.text(st.sampled_from("0123456789*,-/?LWHhlw# \t@()jan mon.+_٣\n"), max_size=40))
def test_any_text_is_either_refused_or_fires(text):
    try:
        expression = Expression.parse(text, name="x")
    except ExpressionError:
        return
    assert expression.is_reboot or expression.next_epoch(0) is not None
    assert expression.describe()


@given(
    day=st.sampled_from(["*", "*/2", "29", "30", "31", "L", "L-3", "LW", "15W", "31W", "1,15,L"]),
    month=st.sampled_from(["*", "2", "2,4", "*/3"]),
    weekday=st.sampled_from(["*", "*/2", "1", "5L", "5#2", "1#5", "0,6"]),
    start=st.integers(0, 10**11),
)
def test_a_date_matches_as_the_calendar_says(day, month, weekday, start):
    try:
        expression = Expression.parse(f"0 0 {day} {month} {weekday}")
    except ExpressionError:
        assume(False)
    fire = expression.next_epoch(start)
    assert fire is not None
    midnight = datetime.fromtimestamp(fire, UTC)
    on_day = any(day_matches(item, midnight) for item in day.split(","))
    on_weekday = any(weekday_matches(item, midnight) for item in weekday.split(","))
    both = day.startswith("*") or weekday.startswith("*")
    assert (on_day and on_weekday) if both else (on_day or on_weekday)


def month_end(at: datetime) -> int:
    following = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1, day=1)
    return (following - at.replace(day=1)).days


def day_matches(item: str, at: datetime) -> bool:
    last = month_end(at)
    if item.startswith("*"):
        return (at.day - 1) % int(item[2:] or 1) == 0
    if item == "LW" or item.endswith("W"):
        target = last if item == "LW" else int(item[:-1])
        if target > last:
            return False
        working = [d for d in range(1, last + 1) if at.replace(day=d).isoweekday() < 6]
        return at.day == min(working, key=lambda d: (abs(d - target), -d if target > 1 else d))
    if item.startswith("L"):
        return at.day == last - int(item[2:] or 0)
    return at.day == int(item)


def weekday_matches(item: str, at: datetime) -> bool:
    today = at.isoweekday() % 7
    if item.startswith("*"):
        return today % int(item[2:] or 1) == 0
    if item.endswith("L"):
        return today == int(item[0]) and at.day + 7 > month_end(at)
    if "#" in item:
        return today == int(item[0]) and (at.day + 6) // 7 == int(item[2])
    return today == int(item)


@pytest.mark.parametrize("kind", range(6))
def test_croniter_expands_every_range_we_give_it_as_the_range_it_is(kind):
    field = grammar.KINDS[kind]
    for low in range(field.low, field.high):
        for high in (low + 1, (low + field.high + 1) // 2, field.high):
            for step in {1, 2, 7, high - low}:
                if low < high and low + step <= high:
                    mask = module._expand(field, low, high, step)
                    week = 7 if field.name == "weekday" else 64  # croniter turns 7 into 0
                    found = {value % week for value in range(64) if mask >> value & 1}
                    assert found == {value % week for value in range(low, high + 1, step)}
