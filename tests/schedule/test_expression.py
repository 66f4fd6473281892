"""Expression as a value: what it answers, equals, and survives."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from torch.errors import ExpressionError
from torch.schedule.expression import MACROS, Expression


def next_of(text: str, start: str, zone: str = "UTC") -> str:
    fire = Expression.parse(text, timezone=zone).next_after(datetime.fromisoformat(start))
    assert fire is not None
    return fire.isoformat()


def test_the_next_fire_is_aware_and_in_the_zone_of_the_expression():
    fire = Expression.parse("30 3 * * *", timezone="Asia/Shanghai").next_after(
        datetime(2026, 11, 21, tzinfo=UTC)
    )
    assert fire == datetime(2026, 11, 22, 3, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert fire.tzinfo is ZoneInfo("Asia/Shanghai")


def test_the_next_fire_is_strictly_after_the_instant_to_the_microsecond():
    assert next_of("* * * * * *", "2026-01-01T00:00:00+00:00") == "2026-01-01T00:00:01+00:00"
    assert next_of("* * * * * *", "2026-01-01T00:00:00.000001+00:00") == "2026-01-01T00:00:01+00:00"
    assert next_of("* * * * * *", "2025-12-31T23:59:59.999999+00:00") == "2026-01-01T00:00:00+00:00"
    assert next_of("* * * * *", "1969-12-31T23:59:59.999999+00:00") == "1970-01-01T00:00:00+00:00"
    # Far away a float of seconds would round the microseconds up to the next second.
    assert next_of("* * * * * *", "9990-01-01T00:00:00.999999+00:00") == "9990-01-01T00:00:01+00:00"


def test_a_naive_instant_is_refused():
    with pytest.raises(TypeError):
        Expression.parse("* * * * *").next_after(datetime(2026, 1, 1))


def test_the_epoch_answer_is_the_same_instant():
    expression = Expression.parse("0 9 * * mon-fri", timezone="America/New_York")
    start = datetime(2026, 3, 7, 12, tzinfo=UTC)
    fire = expression.next_after(start)
    assert fire is not None
    assert expression.next_epoch(int(start.timestamp())) == fire.timestamp()


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
@pytest.mark.parametrize("text", ["* * * * * *", "0 3 * * *", "0 0 29 2 *", "@every 1s"])
def test_at_the_ends_of_the_calendar_there_is_an_answer_or_none(text, zone):
    expression = Expression.parse(text, timezone=zone)
    offset = timezone(timedelta(hours=14))
    assert expression.next_after(datetime.max.replace(tzinfo=UTC)) is None
    assert expression.next_after(datetime.max.replace(tzinfo=offset)) is None
    assert expression.next_epoch(10**18) is None
    for start in (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=offset)):
        fire = expression.next_after(start)
        assert fire is not None
        assert fire.year <= 4
    assert expression.next_epoch(-(10**18)) is not None
    near = datetime(9990, 1, 1, tzinfo=UTC)
    fire = expression.next_after(near)
    assert fire is not None
    assert fire > near
    assert Expression.parse("0 0 29 2 *").next_after(datetime(9997, 1, 1, tzinfo=UTC)) is None


def test_before_1970_zones_have_the_offsets_of_their_time():
    # On that day New York's noon came twice: local mean time went back by 3:58 after it.
    assert next_of("0 12 * * *", "1883-11-18T00:00:00-05:00", "America/New_York") == (
        "1883-11-18T12:00:00-04:56:02"
    )
    assert next_of("0 12 * * *", "1883-11-18T17:00:00+00:00", "America/New_York") == (
        "1883-11-19T12:00:00-05:00"
    )
    assert next_of("0 12 * * *", "1880-01-01T00:00:00+00:00", "America/New_York") == (
        "1880-01-01T12:00:00-04:56:02"
    )


@pytest.mark.parametrize(("macro", "fields"), MACROS.items())
def test_a_macro_is_its_five_fields_in_any_case(macro, fields):
    start = 1_800_000_000
    expected = Expression.parse(fields).next_epoch(start)
    assert Expression.parse(macro).next_epoch(start) == expected
    assert Expression.parse(macro.upper()).next_epoch(start) == expected


def test_reboot_has_no_times_of_its_own():
    expression = Expression.parse("@reboot")
    assert expression.is_reboot
    assert expression.next_epoch(0) is None
    assert expression.next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert not Expression.parse("@daily").is_reboot


def test_every_is_anchored_to_the_epoch_in_every_zone():
    for zone in ("UTC", "Asia/Kolkata"):
        expression = Expression.parse("@every 1h30m", timezone=zone)
        assert expression.next_epoch(0) == 5400
        assert expression.next_epoch(5399) == 5400
        assert expression.next_epoch(5400) == 10_800
        assert expression.next_epoch(-1) == 0


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        # names, in any case, in ranges, lists and with steps
        ("0 0 * Feb Mon/2", "2012-07-09", "2013-02-01"),
        ("0 0 * * FRI/3", "2016-12-03", "2016-12-09"),
        ("0 0 * SEP-nov *", "2026-01-01", "2026-09-01"),
        # Sunday is 0, 7, and the end of a range
        ("0 0 * * 7", "2026-11-21", "2026-11-22"),
        ("0 0 * * sat-sun", "2026-11-21", "2026-11-22"),
        ("0 0 * * sun-mon", "2026-11-22", "2026-11-23"),
        ("0 0 * * 5-7", "2026-11-21", "2026-11-22"),
        # a field that begins with a star restricts nothing: both must match
        ("0 0 */2 * mon", "2026-11-21", "2026-11-23"),
        ("0 0 */2 * mon", "2026-11-23", "2026-12-07"),
        ("0 0 13 * fri", "2026-11-21", "2026-11-27"),
        ("0 0 ? * fri", "2026-11-21", "2026-11-27"),
        # days that depend on the month
        ("0 0 L * *", "2028-02-01", "2028-02-29"),
        ("0 0 L-3 * *", "2026-11-01", "2026-11-27"),
        ("0 0 L-30 * *", "2026-11-21", "2026-12-01"),
        ("0 0 1,15,L * *", "2026-11-21", "2026-11-30"),
        ("0 0 LW * *", "2026-10-01", "2026-10-30"),
        ("0 0 15W * *", "2026-11-01", "2026-11-16"),
        ("0 0 15W * *", "2026-08-01", "2026-08-14"),
        ("0 0 1W * *", "2026-07-31", "2026-08-03"),
        ("0 0 31W * *", "2026-05-01", "2026-05-29"),
        ("0 0 31W * *", "2026-05-29", "2026-07-31"),
        ("0 0 * * 5L", "2026-11-21", "2026-11-27"),
        ("0 0 * * friL", "2026-11-27", "2026-12-25"),
        ("0 0 * * SUN#1", "2026-11-21", "2026-12-06"),
        ("0 0 * * 1#5", "2026-12-01", "2027-03-29"),
        ("0 0 29 2 *", "2096-02-29", "2104-02-29"),
        ("0 0 * 2 1#5", "2026-01-01", "2044-02-29"),
    ],
)
def test_dates(text, start, expected):
    assert next_of(text, f"{start}T00:00:00+00:00") == f"{expected}T00:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("H H * * *", "at 05:18:00 every day"),
        ("H H H * * *", "at 05:18:09 every day"),
        ("H H H H *", "at 05:18:00 on day 6 of the month in September"),
        ("0 0 * * H", "at 00:00:00 on Friday"),
        ("H(0-29) 3 * * *", "at 03:18:00 every day"),
        ("H/15 * * * *", "at minute 3, 18, 33 and 48 of every hour"),
        ("H(0-29)/10 * * * *", "at minute 8, 18 and 28 of every hour"),
    ],
)
def test_h_is_one_value_for_a_name_for_ever(text, expected):
    # These values are a promise: a change of them moves every H of every fleet.
    assert Expression.parse(text, name="rotate-logs").describe() == expected
    assert Expression.parse(text.lower(), name="rotate-logs").describe() == expected
    assert Expression.parse(text, name="backup").describe() != expected


def test_h_spreads_tasks_over_all_minutes_and_hours_apart():
    found = [Expression.parse("H H * * *", name=f"task-{n}").next_epoch(0) for n in range(3000)]
    times = [divmod((fire or 0) // 60 % 1440, 60) for fire in found]
    assert {minute for _, minute in times} == set(range(60))
    assert {hour for hour, _ in times} == set(range(24))
    # One hash for both fields would tie each minute to few hours.
    assert len({hour for hour, minute in times if minute == 7}) > 12


def test_h_in_a_day_is_one_that_every_month_has():
    for n in range(200):
        expression = Expression.parse("0 0 H 2 *", name=f"task-{n}")
        fire = expression.next_epoch(0)
        assert fire is not None
        assert fire < 59 * 86_400


def test_expressions_are_equal_by_text_zone_and_the_name_that_h_uses():
    parse = Expression.parse
    assert parse("0 3 * * *", name="a") == parse("0 3 * * *", name="b")
    assert hash(parse("0 3 * * *", name="a")) == hash(parse("0 3 * * *", name="b"))
    assert parse("H 3 * * *", name="a") != parse("H 3 * * *", name="b")
    assert parse("H 3 * * *", name="a") == parse("H 3 * * *", name="a")
    assert parse("0 3 * * *") != parse("0 3 * * *", timezone="Europe/Berlin")
    assert parse("0 3 * * thu", name="a").name == ""  # the h of thu is no H


def test_an_expression_cannot_be_changed():
    with pytest.raises(AttributeError):
        Expression.parse("0 3 * * *").text = "0 4 * * *"  # type: ignore[misc]


def test_a_pickled_expression_works_in_a_process_that_never_imports_croniter():
    texts = [
        "*/5 * * * * *",
        "H/7 9-17/2 * jan-dec mon-fri",
        "0 0 1,LW * 5L",
        "@every 90s",
        "@daily",
    ]
    expressions = [Expression.parse(text, timezone="Europe/Berlin", name="a") for text in texts]
    script = (
        "import pickle, sys\n"
        "found = pickle.load(sys.stdin.buffer)\n"
        "print([expression.next_epoch(1_800_000_000) for expression in found])\n"
        "print('croniter' in sys.modules, [expression.text for expression in found])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(expressions),
        capture_output=True,
        check=True,
    )
    expected = [expression.next_epoch(1_800_000_000) for expression in expressions]
    assert ran.stdout.decode().splitlines() == [str(expected), f"False {texts}"]
    assert pickle.loads(pickle.dumps(expressions)) == expressions


def test_equal_schedules_share_what_is_behind_them_through_a_pickle_too():
    expressions = [Expression.parse("17 4 * * 1-5", timezone="Europe/Berlin") for _ in range(100)]
    first, *others = pickle.loads(pickle.dumps(expressions))
    assert all(other._plan is first._plan for other in others)
    assert len(pickle.dumps(expressions)) < 100 * 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * * *", "every second"),
        ("*/5 * * * * *", "every 5 seconds"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0,30 * * * *", "every 30 minutes"),
        ("55 */5 * * * *", "every 5 minutes at second 55"),
        ("10 * * * * *", "every minute at second 10"),
        ("0 * * * *", "every hour"),
        ("17 * * * *", "at minute 17 of every hour"),
        ("0 */2 * * *", "every 2 hours"),
        ("30 */2 * * *", "at minute 30 of every 2nd hour"),
        ("30 3 * * *", "at 03:30:00 every day"),
        ("0 3,15 * * *", "at 03:00:00 and 15:00:00 every day"),
        ("0 9 * * mon-fri", "at 09:00:00 on Monday to Friday"),
        ("0 0 * * sat,sun", "at 00:00:00 on Saturday and Sunday"),
        ("0 0 * * 5L", "at 00:00:00 on the last Friday of the month"),
        ("0 0 * * 3,1#2", "at 00:00:00 on Wednesday or the second Monday of the month"),
        ("0 0 1 * *", "at 00:00:00 on day 1 of the month"),
        ("0 0 1,15,L * *", "at 00:00:00 on day 1 and 15 or the last day of the month"),
        ("0 0 L-1 * *", "at 00:00:00 on the day before the last of the month"),
        ("0 0 L-3 * *", "at 00:00:00 on the day 3 days before the last of the month"),
        ("0 0 LW * *", "at 00:00:00 on the last Monday-to-Friday day of the month"),
        ("0 0 15W * *", "at 00:00:00 on the weekday nearest to day 15 of the month"),
        ("0 0 13 * 5", "at 00:00:00 on day 13 of the month or on Friday"),
        ("0 0 */16 * 5", "at 00:00:00 on day 1 and 17 of the month that is also Friday"),
        (
            "0 0 1 jan-mar,12 *",
            "at 00:00:00 on day 1 of the month in January to March and December",
        ),
        ("* * * 2 *", "every minute in February"),
        ("30 3 * 2 *", "at 03:30:00 every day in February"),
        ("*/10 9-17 * * 1-5", "every 10 minutes of hour 9 to 17 on Monday to Friday"),
        ("*/7 * * * *", "at minute 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"),
        ("*/20 */5 9 * * *", "every 20 seconds of every 5th minute of hour 9"),
        ("15 0-30 1 * * *", "at second 15 of minute 0 to 30 of hour 1"),
        ("@daily", "at 00:00:00 every day"),
        ("@every 90s", "every 90 seconds"),
        ("@every 1h30m", "every 90 minutes"),
        ("@every 24h", "every day"),
        ("@reboot", "once at every boot of the host"),
    ],
)
def test_a_description_is_plain_english(text, expected):
    assert Expression.parse(text).describe() == expected


def test_the_errors_of_a_text_do_not_depend_on_what_was_parsed_before():
    for _ in range(2):
        with pytest.raises(ExpressionError):
            Expression.parse("61 * * * *")
        assert Expression.parse("1 * * * *").next_epoch(0) == 60
