"""Counting by fields finds what stepping finds, in every zone and through every change."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations, pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from torch.clock import FireTime
from torch.errors import ExpressionError
from torch.schedule import daylight
from torch.schedule.expression import Expression
from torch.schedule.timeline import fires

SPRING, AUTUMN = 1_806_195_600, 1_792_890_000  # 2027-03-28 and 2026-10-25, 01:00 UTC
MOST = 20_000  # fires that a test steps through
CHANGES = {
    "Europe/Berlin": ("2027-03-28T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2027-03-14T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),  # by half an hour
    "Pacific/Apia": ("2011-12-30T10:00",),  # a day that never was
    "UTC": ("2027-01-01T00:00",),
    "Asia/Kathmandu": ("2026-06-01T00:00",),
}
AROUND = st.sampled_from(
    [
        (zone, int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()))
        for zone, instants in CHANGES.items()
        for at in instants
    ]
)


def values(low: int, high: int):
    one = st.integers(low, high).map(str)
    ordered = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    spans = ordered.map(lambda pair: f"{pair[0]}-{pair[1]}")
    return st.one_of(
        st.just("*"), one, spans, st.integers(1, high).map("*/{}".format),
        st.lists(one, min_size=2, max_size=3).map(",".join),
    )  # fmt: skip


TEXTS = st.one_of(
    st.tuples(
        st.one_of(st.just(""), values(0, 59)), values(0, 59),
        st.one_of(values(0, 23), values(0, 4)),
        st.one_of(st.just("*"), values(1, 31), st.sampled_from(["L", "15W", "LW"])),
        st.one_of(st.just("*"), values(1, 12)),
        st.one_of(st.just("*"), values(0, 7), st.sampled_from(["5L", "0#2"])),
    ).map(lambda parts: " ".join(filter(None, parts))),
    st.integers(1, 200_000).map("@every {}s".format),
)  # fmt: skip


def stepped(expression: Expression, after: int, until: int) -> list[int]:
    found = []
    at = expression.next_epoch(after)
    while at is not None and at <= until:
        found.append(at)
        assume(len(found) <= MOST)
        at = expression.next_epoch(at)
    return found


def parsed(text: str, zone: str) -> Expression:
    try:
        return Expression.parse(text, timezone=zone)
    except ExpressionError:
        assume(False)
        raise


@settings(max_examples=400)
@given(
    text=TEXTS, around=AROUND, before=st.integers(-3, 100_000),
    length=st.one_of(st.integers(0, 10), st.integers(0, 200_000)),
)  # fmt: skip
def test_count_and_mask_are_what_stepping_finds(text, around, before, length):
    zone, change = around
    expression = parsed(text, zone)
    after, until = change - before, change - before + length
    found = stepped(expression, after, until)
    assert expression.count(after, until) == len(found)
    assert expression.mask(after, until) == sum(1 << at - after - 1 for at in found)


@settings(max_examples=60)
@given(text=TEXTS, around=AROUND, days=st.integers(1, 800))
def test_a_count_over_months_is_what_stepping_finds(text, around, days):
    zone, change = around
    expression = parsed(text, zone)
    after, until = change - 40 * 86_400, change + days * 86_400
    assume(expression.count(after, until) <= MOST)
    assert expression.count(after, until) == len(stepped(expression, after, until))


@settings(max_examples=60)
@given(text=TEXTS, around=AROUND, cuts=st.lists(st.integers(0, 300_000), min_size=2, max_size=5))
def test_the_counts_of_spans_that_join_add_up(text, around, cuts):
    zone, change = around
    expression = parsed(text, zone)
    cuts = sorted(change - 150_000 + cut for cut in cuts)
    parts = [expression.count(a, b) for a, b in pairwise(cuts)]
    assert sum(parts) == expression.count(cuts[0], cuts[-1])


@pytest.mark.parametrize("at", [SPRING, AUTUMN])
@pytest.mark.parametrize(
    "text",
    [
        "59 59 2 * * *",  # the highest reading before an hour comes again
        "0 0 2 * * *",
        "59 59 1 * * *",
        "0 2,3 * * *",  # a time in the gap, and one at its end: one fire
        "0,30 2,3 * * *",
        "30 2 * * *",
        "0 3 * * *",
    ],
)
def test_at_the_edges_of_a_change_the_count_is_exact(text, at):
    expression = Expression.parse(text, timezone="Europe/Berlin")
    edges = sorted(at + hour * 3600 + second for hour in (-2, -1, 0, 1, 2) for second in (-1, 0, 1))
    for after, until in combinations(edges, 2):
        found = list(fires((expression,), FireTime(after), FireTime(until)))
        assert expression.count(after, until) == len(found), (after, until)
        assert expression.mask(after, until) == sum(1 << each - after - 1 for each in found)


def test_at_reboot_has_no_times_to_count():
    assert Expression.parse("@reboot").count(0, 86_400) == 0
    assert Expression.parse("@reboot").mask(0, 86_400) == 0


def test_a_span_that_ends_before_it_begins_holds_nothing():
    assert Expression.parse("* * * * * *").count(100, 50) == 0
    assert Expression.parse("@every 7s").mask(100, 50) == 0


# ── what a change of the clocks does ──────────────────────────────────────────────────────


def change_of(zone: str, at: int) -> daylight.ClockChange:
    (found,) = daylight.changes(daylight.zone(zone), at - 86_400, at + 86_400)
    return found


def touched(text: str, at: int):
    return Expression.parse(text, timezone="Europe/Berlin").touched(change_of("Europe/Berlin", at))


def test_the_changes_of_a_zone_are_found_each_once():
    year = daylight.changes(
        daylight.zone("Europe/Berlin"), 1_780_000_000, 1_780_000_000 + 86_400 * 365
    )
    assert [(c.at, c.forward) for c in year] == [(AUTUMN, False), (SPRING, True)]
    assert list(daylight.changes(daylight.zone("UTC"), 0, 2 * 10**9)) == []


def test_a_change_at_the_end_of_a_span_is_in_it_and_at_its_beginning_is_not():
    berlin = daylight.zone("Europe/Berlin")
    assert len(list(daylight.changes(berlin, SPRING - 5, SPRING))) == 1
    assert len(list(daylight.changes(berlin, SPRING, SPRING + 5))) == 0
    assert len(list(daylight.changes(berlin, SPRING - 5, SPRING - 1))) == 0


@pytest.mark.parametrize("at", [SPRING, AUTUMN])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", (1, True)),
        ("0,30 2 * * *", (2, True)),
        ("*/10 2 * * *", (6, False)),
        ("30 3 * * *", None),
        ("30 2 * * mon", None),  # both changes are on a Sunday
        ("*/10 * * * *", None),  # every hour: it follows elapsed time
        ("30 * * * * *", None),
        ("@every 1h", None),
        ("@reboot", None),
    ],
)
def test_a_change_touches_what_names_a_time_in_it(text, expected, at):
    found = touched(text, at)
    assert (found and (found.count, found.fixed)) == expected


def test_a_touched_expression_says_which_of_its_times():
    found = touched("10,50 2 * * *", SPRING)
    assert found is not None
    assert [at % 86_400 for at in found.times] == [2 * 3600 + 600, 2 * 3600 + 3000]


@settings(max_examples=100)
@given(
    minute=values(0, 59), hour=st.sampled_from(["2", "1,2", "1-3", "2-4/2", "*/2"]),
    second=st.one_of(st.just(""), values(0, 59)), at=st.sampled_from([SPRING, AUTUMN]),
)  # fmt: skip
def test_what_is_said_of_a_change_is_what_then_happens(minute, hour, second, at):
    """Of a gap: fixed times fire once, at its end; others are not made up for. Of a repeated
    hour: fixed times fire in the first pass alone, others in both."""
    expression = Expression.parse(f"{second} {minute} {hour} * * *", timezone="Europe/Berlin")
    found = touched(expression.text, at)
    assert found is not None
    first, second = expression.count(at - 3601, at - 1), expression.count(at - 1, at + 3599)
    if at == AUTUMN:
        assert (first, second) == (found.count, 0 if found.fixed else found.count)
    elif found.fixed:
        assert expression.next_epoch(at - 1) == at
