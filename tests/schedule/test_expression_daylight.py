"""The daylight-saving rule: its sentences one by one, then against a walk over every minute.

The walk is written from Debian's words and shares nothing with the implementation: it looks at
a clock minute by minute (or second by second) and remembers the highest reading it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torch.schedule.expression import Expression


def fires(text: str, zone: str, start: str, count: int) -> list[str]:
    expression = Expression.parse(text, timezone=zone)
    instant = datetime.fromisoformat(start)
    found = []
    for _ in range(count):
        fire = expression.next_after(instant)
        assert fire is not None
        found.append(fire.strftime("%d %H:%M:%S%z"))
        instant = fire
    return found


BERLIN_MARCH = "2026-03-28T12:00:00+01:00"  # 29 March: 02:00 becomes 03:00
BERLIN_OCTOBER = "2026-10-24T12:00:00+02:00"  # 25 October: 03:00 becomes 02:00


def test_a_fixed_time_in_the_spring_gap_fires_once_at_the_first_instant_after_it():
    expected = ["29 03:00:00+0200", "30 02:30:00+0200"]
    assert fires("30 2 * * *", "Europe/Berlin", BERLIN_MARCH, 2) == expected
    assert fires("0 30 2 * * *", "Europe/Berlin", BERLIN_MARCH, 2) == expected
    assert fires("33 30 2 * * *", "Europe/Berlin", BERLIN_MARCH, 2)[0] == "29 03:00:00+0200"


def test_several_fixed_times_in_one_gap_fire_once_together():
    assert fires("0,15,30,45 2,3 * * *", "Europe/Berlin", BERLIN_MARCH, 3) == [
        "29 03:00:00+0200",
        "29 03:15:00+0200",
        "29 03:30:00+0200",
    ]


def test_a_fixed_time_in_the_autumn_overlap_fires_at_the_first_of_the_two():
    expected = ["25 02:30:00+0200", "26 02:30:00+0100"]
    assert fires("30 2 * * *", "Europe/Berlin", BERLIN_OCTOBER, 2) == expected
    assert fires("0 30 2 * * *", "Europe/Berlin", BERLIN_OCTOBER, 2) == expected


def test_asked_within_the_repeated_hour_a_fixed_time_has_already_fired():
    second_pass = "2026-10-25T02:10:00+01:00"
    assert fires("30 2 * * *", "Europe/Berlin", second_pass, 1) == ["26 02:30:00+0100"]
    assert fires("* 2 * * *", "Europe/Berlin", second_pass, 1) == ["25 02:11:00+0100"]


def test_a_wildcard_skips_what_the_gap_skips():
    assert fires("30 * * * *", "Europe/Berlin", "2026-03-29T00:45:00+01:00", 2) == [
        "29 01:30:00+0100",
        "29 03:30:00+0200",
    ]
    assert fires("* 2 * * *", "Europe/Berlin", BERLIN_MARCH, 1) == ["30 02:00:00+0200"]


def test_a_wildcard_fires_in_both_of_the_repeated_hours():
    assert fires("30 * * * *", "Europe/Berlin", "2026-10-25T01:45:00+02:00", 3) == [
        "25 02:30:00+0200",
        "25 02:30:00+0100",
        "25 03:30:00+0100",
    ]


def test_with_five_fields_only_a_leading_star_makes_a_wildcard():
    once = ["25 02:00:00+0200", "25 03:00:00+0100"]
    start = "2026-10-25T01:30:00+02:00"
    assert fires("0 1-5 * * *", "Europe/Berlin", start, 2) == once
    assert fires("0 0/1 * * *", "Europe/Berlin", start, 2) == once
    assert fires("0 */1 * * *", "Europe/Berlin", start, 2) == [once[0], "25 02:00:00+0100"]


@pytest.mark.parametrize("text", ["0 0 1-5 * * *", "0 0 0/1 * * *", "0,30 0 1,2,3 * * *"])
def test_with_six_fields_a_range_a_step_or_several_seconds_make_a_wildcard(text):
    assert "25 02:00:00+0100" in fires(text, "Europe/Berlin", "2026-10-25T00:30:00+02:00", 5)


def test_h_with_a_step_is_a_wildcard_and_h_alone_is_a_time():
    start = datetime.fromisoformat(BERLIN_OCTOBER)
    every = Expression.parse("H/30 2 * * *", timezone="Europe/Berlin", name="a")
    once = Expression.parse("0 H(0-29) 2 * * *", timezone="Europe/Berlin", name="a")
    assert len(list(_until(every, start, timedelta(days=1)))) == 4
    assert len(list(_until(once, start, timedelta(days=1)))) == 1


def test_a_gap_at_midnight_belongs_to_the_day_it_cuts():
    assert fires("30 0 31 * *", "Asia/Amman", "2017-03-30T12:00:00+02:00", 1) == [
        "31 01:00:00+0300"
    ]
    assert fires("59 23 * * *", "America/Santiago", "2017-05-13T12:00:00-03:00", 2) == [
        "13 23:59:00-0300",
        "14 23:59:00-0400",
    ]


def test_a_day_that_a_zone_skips_is_one_long_gap():
    # Samoa had no 30 December 2011.
    assert fires("0 12 * * *", "Pacific/Apia", "2011-12-28T13:00:00-10:00", 3) == [
        "29 12:00:00-1000",
        "31 00:00:00+1400",
        "31 12:00:00+1400",
    ]
    assert fires("0 */12 * * *", "Pacific/Apia", "2011-12-29T11:00:00-10:00", 2) == [
        "29 12:00:00-1000",
        "31 00:00:00+1400",
    ]


def test_every_follows_elapsed_time_through_both_shifts():
    for start in (BERLIN_MARCH, BERLIN_OCTOBER):
        hourly = Expression.parse("@every 90m", timezone="Europe/Berlin")
        found = list(_until(hourly, datetime.fromisoformat(start), timedelta(days=1)))
        assert len(found) == 16
        assert all(fire.timestamp() % 5400 == 0 for fire in found)


def _until(expression: Expression, start: datetime, length: timedelta) -> Iterator[datetime]:
    end = start.astimezone(UTC) + length
    fire = expression.next_after(start)
    while fire is not None and fire.astimezone(UTC) <= end:
        yield fire
        fire = expression.next_after(fire)


# The walk. Each place is a zone and the UTC day of a shift, or of two shifts close together.
PLACES = [
    ("America/New_York", "2016-03-13"),
    ("America/New_York", "2016-11-06"),
    ("Europe/Riga", "2021-03-28"),
    ("Europe/Riga", "2021-10-31"),
    ("Australia/Lord_Howe", "2017-04-01"),
    ("Australia/Lord_Howe", "2017-09-30"),
    ("Asia/Amman", "2017-03-30"),
    ("Asia/Amman", "2017-10-26"),
    ("America/Santiago", "2017-05-14"),
    ("America/Santiago", "2017-08-13"),
    ("Antarctica/Troll", "2021-03-28"),
    ("Antarctica/Troll", "2021-10-31"),
    ("Africa/Casablanca", "2021-04-11"),
    ("Africa/Casablanca", "2021-05-16"),
    ("Asia/Gaza", "2021-03-26"),
    ("Asia/Gaza", "2021-10-28"),
    ("Asia/Tehran", "2021-09-21"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Manila", "1978-09-20"),
    ("America/Caracas", "2016-05-01"),
    ("Asia/Pyongyang", "2018-05-04"),
    ("UTC", "2024-02-29"),
]


@cache
def readings(zone: str, day: str, step: int, before: int, after: int) -> list[tuple[int, datetime]]:
    """Every instant of the walk with what the wall clock shows."""
    middle = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    tzinfo = ZoneInfo(zone)
    return [
        (instant, datetime.fromtimestamp(instant, tzinfo).replace(tzinfo=None))
        for instant in range(middle - before, middle + after, step)
    ]


def walk(
    clock: list[tuple[int, datetime]], sets: list[set[int]], either: bool, fixed: bool
) -> list[int]:
    seconds, minutes, hours, days, weekdays = sets

    def matches(local: datetime) -> bool:
        on_day, on_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return (
            local.second in seconds
            and local.minute in minutes
            and local.hour in hours
            and (on_day or on_weekday if either else on_day and on_weekday)
        )

    step = timedelta(seconds=clock[1][0] - clock[0][0])
    highest = clock[0][1]
    found = []
    for instant, local in clock[1:]:
        if not fixed:
            if matches(local):
                found.append(instant)
            continue
        due = False
        while highest < local:
            highest += step
            due = due or matches(highest)
        if due:
            found.append(instant)
    return found


@st.composite
def a_field(draw, low: int, high: int, *, star: bool = True) -> tuple[str, set[int]]:
    """A field's text and the values it stands for."""
    shape = draw(st.sampled_from("list list range step star".split() if star else ["list"]))
    if shape == "star":
        return "*", set(range(low, high + 1))
    if shape == "step":
        step = draw(st.integers(1, high))
        return f"*/{step}", set(range(low, high + 1, step))
    if shape == "range":
        first = draw(st.integers(low, high - 1))
        last = draw(st.integers(first + 1, high))
        step = draw(st.integers(1, 5))
        return f"{first}-{last}/{step}", set(range(first, last + 1, step))
    values = draw(st.lists(st.integers(low, high), min_size=1, max_size=4))
    return ",".join(map(str, values)), set(values)


@settings(max_examples=250)
@given(
    place=st.sampled_from(PLACES),
    minute=a_field(0, 59),
    hour=st.one_of(a_field(0, 23), a_field(0, 4, star=False), a_field(22, 23, star=False)),
    day=st.one_of(st.just(("*", set(range(1, 32)))), a_field(1, 31)),
    weekday=st.one_of(st.just(("*", set(range(7)))), a_field(0, 6)),
)
def test_five_fields_fire_as_a_walk_over_every_minute_says(place, minute, hour, day, weekday):
    parts = [minute, hour, day, weekday]
    text = f"{minute[0]} {hour[0]} {day[0]} * {weekday[0]}"
    sets = [{0}, *(values for _, values in parts)]
    clock = readings(*place, step=60, before=3 * 86_400, after=3 * 86_400)
    fixed = not (minute[0].startswith("*") or hour[0].startswith("*"))
    either = not (day[0].startswith("*") or weekday[0].startswith("*"))
    check_walk(text, place[0], clock, walk(clock, sets, either, fixed))


@settings(max_examples=60)
@given(
    place=st.sampled_from(PLACES),
    second=st.one_of(a_field(0, 59), a_field(0, 59, star=False)),
    minute=st.one_of(a_field(0, 59), a_field(0, 59, star=False)),
    hour=st.one_of(a_field(0, 23), a_field(0, 4, star=False)),
)
def test_six_fields_fire_as_a_walk_over_every_second_says(place, second, minute, hour):
    parts = [second, minute, hour]
    clock = readings(*place, step=1, before=6 * 3600, after=6 * 3600)
    sets = [*(values for _, values in parts), set(range(1, 32)), set(range(7))]
    rhythm = any(sign in text for text, _ in parts for sign in "*-/")
    fixed = not rhythm and len(second[1]) == 1
    text = f"{second[0]} {minute[0]} {hour[0]} * * *"
    check_walk(text, place[0], clock, walk(clock, sets, either=False, fixed=fixed))


def check_walk(text: str, zone: str, clock: list[tuple[int, datetime]], expected: list[int]):
    expression = Expression.parse(text, timezone=zone)
    found: list[int] = []
    fire = expression.next_epoch(clock[0][0])
    while fire is not None and fire <= clock[-1][0]:
        found.append(fire)
        fire = expression.next_epoch(fire)
    assert found == expected
    # From any instant on, not only from a fire: the answer needs no memory of the last one.
    for instant, _ in islice(clock, 0, len(clock) - 1, 977):
        later = [fire for fire in expected if fire > instant]
        if later:
            assert expression.next_epoch(instant) == later[0]
