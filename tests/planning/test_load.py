"""Starts of a task and of many: the numbers are those of stepping, second by second."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from torch.clock import FireTime
from torch.planning.load import DAY, Load, expressions, fires_at, starts
from torch.schedule.timeline import fires
from torch.testing import cron, daemon

NOW = FireTime(1_792_800_000)
SCHEDULES = st.sampled_from(
    [
        ("* * * * *",),
        ("*/7 * * * *", "*/5 * * * *"),
        ("30 3 * * *",),
        ("0 0 * * *", "@every 1h"),
        ("5 */2 2-5 * * *", "5 0 3 * * *"),
        ("@every 13m",),
        ("30 2 25 10 *", "@reboot"),
        ("17 31 9-17/3 * * mon-fri",),
    ]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"])


def stepped(task, until: int) -> list[int]:
    return list(fires(expressions(task), NOW, FireTime(until)))


@settings(max_examples=60)
@given(schedule=SCHEDULES, zone=ZONES, span=st.integers(1, 3 * DAY))
def test_the_starts_of_a_task_are_those_of_stepping(schedule, zone, span):
    task = cron("t", *schedule, timezone=zone)
    until = FireTime(NOW + span)
    assert starts(expressions(task), NOW, until) == len(stepped(task, until))


@settings(max_examples=40)
@given(st.lists(st.tuples(SCHEDULES, ZONES, st.integers(1, 9)), min_size=1, max_size=8))
def test_the_busiest_seconds_are_those_of_counting_each(parts):
    load, expected = Load(NOW), Counter[int]()
    for schedule, zone, times in parts:
        task = cron("t", *schedule, timezone=zone)
        found = stepped(task, NOW + DAY)
        assert load.add(expressions(task), times) == len(found)
        expected.update(dict.fromkeys(found, times))
    levels = list(load.busiest())
    by_count = Counter(expected.values())
    assert [(most, seconds) for most, seconds, _ in levels] == sorted(
        by_count.items(), reverse=True
    )
    for most, _, first in levels:
        assert first == min(at for at, count in expected.items() if count == most)


def test_without_starts_no_second_is_busy():
    load = Load(NOW)
    assert load.add(()) == 0
    assert list(load.busiest()) == []


def test_a_task_that_is_disabled_kept_alive_or_of_the_boot_has_no_starts():
    for task in (cron("a", enabled=False), daemon("b"), cron("c", "@reboot")):
        assert expressions(task) == ()
        assert starts(expressions(task), NOW, FireTime(NOW + DAY)) == 0


def test_a_second_knows_who_fires_in_it():
    task = cron("t", "30 3 * * *", "@every 1h")
    (first, *_) = stepped(task, NOW + DAY)
    assert fires_at(task.schedule, FireTime(first))
    assert not fires_at(task.schedule, FireTime(first + 1))
