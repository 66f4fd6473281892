"""Which changes of the clocks are told, and which tasks stand beside them."""

from __future__ import annotations

from torch.clock import FireTime
from torch.planning.shifts import shifts
from torch.testing import cron, daemon

AUTUMN = 1_792_890_000  # 2026-10-25, 01:00 UTC: Berlin goes back to 02:00
DAY = 86_400


def told(*tasks, before: int, span: int):
    after = FireTime(AUTUMN - before)
    found = shifts(tasks, after, FireTime(after + span))
    return [(s.zone, s.change.at, s.within, [name for name, _, _ in s.tasks]) for s in found]


def berlin(name, *schedule, **keys):
    return cron(name, *schedule, timezone="Europe/Berlin", **keys)


def test_a_change_within_the_span_names_the_tasks_it_touches():
    tasks = (berlin("night", "30 2 * * *"), berlin("noon", "0 12 * * *"))
    assert told(*tasks, before=3600, span=DAY) == [("Europe/Berlin", AUTUMN, True, ["night"])]


def test_without_one_the_next_ahead_is_told():
    assert told(berlin("a", "30 2 * * *"), before=5 * DAY, span=DAY) == [
        ("Europe/Berlin", AUTUMN, False, ["a"])
    ]


def test_every_change_of_a_long_span_is_told_and_none_twice():
    found = told(berlin("a", "30 2 * * *"), before=DAY, span=360 * DAY)
    assert [within for _, _, within, _ in found] == [True, True]


def test_a_zone_without_changes_has_none_and_a_daemon_asks_for_none():
    assert told(cron("a"), daemon("d"), before=DAY, span=2 * DAY) == []
    assert told(berlin("a", enabled=False), before=DAY, span=2 * DAY) == []


def test_each_zone_has_its_own_next_change():
    new_york = cron("n", "30 1 * * *", timezone="America/New_York")
    found = told(berlin("a"), new_york, before=DAY, span=2 * DAY)
    assert [(zone, within, names) for zone, _, within, names in found] == [
        ("Europe/Berlin", True, []),
        ("America/New_York", False, ["n"]),
    ]
