"""Which due fires start and which are missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.clock import FireTime
from torch.schedule.misfire import CATCH_UP_LIMIT, Missed, Split, plan
from torch.schedule.timeline import KEEP, Due
from torch.task import CatchUp


def due(*times, count=None, exact=True):
    named = tuple(FireTime(t) for t in times)
    total = len(times) if count is None else count
    return Due(first=named[0], times=named[-KEEP:], count=total, exact=exact)


def planned(found, *, now, start_within=60.0, catch_up=CatchUp.NONE) -> Split:
    return plan(found, now=now, start_within=start_within, catch_up=catch_up)


def missed(found: Split) -> Missed:
    assert found.missed is not None
    return found.missed


def test_a_fire_at_its_time_starts():
    assert planned(due(100), now=100.2) == Split(start=(FireTime(100),))


def test_a_fire_within_start_within_starts_late():
    assert planned(due(100), now=160.0).start == (100,)


def test_a_fire_later_than_start_within_is_missed():
    found = planned(due(100), now=160.1)
    assert found.start == ()
    assert found.missed == Missed(
        first=FireTime(100), last=FireTime(100), count=1, reason="later than start_within (60 s)"
    )


def test_of_several_fires_the_newest_starts_and_the_others_are_one_missed_row():
    found = planned(due(100, 110, 120), now=121.0)
    assert found.start == (120,)
    assert (missed(found).first, missed(found).last, missed(found).count) == (100, 110, 2)
    assert "newer fire" in missed(found).reason


def test_without_catch_up_all_late_fires_are_one_missed_row():
    found = planned(due(100, 110, 120), now=500.0)
    assert found.start == ()
    assert (missed(found).first, missed(found).last, missed(found).count) == (100, 120, 3)


def test_catch_up_last_starts_the_newest_late_fire_once():
    found = planned(due(100, 110, 120), now=500.0, catch_up=CatchUp.LAST)
    assert [*found.start, *found.late] == [120, 120]
    assert missed(found).count == 2


def test_catch_up_all_starts_every_fire_oldest_first():
    found = planned(due(100, 110, 480), now=500.0, catch_up=CatchUp.ALL)
    assert found == Split(
        start=(FireTime(100), FireTime(110), FireTime(480)),
        late=frozenset({FireTime(100), FireTime(110)}),
    )


def test_catch_up_all_is_bounded_and_the_rest_is_missed():
    times = range(1, 251)
    found = planned(due(*times), now=10_000.0, catch_up=CatchUp.ALL)
    assert found.start == tuple(range(151, 251))
    assert (missed(found).first, missed(found).last, missed(found).count) == (1, 150, 150)
    assert str(CATCH_UP_LIMIT) in missed(found).reason


def test_a_count_that_is_a_lower_bound_says_so():
    found = planned(due(100, 110, count=20_000, exact=False), now=500.0)
    assert missed(found).reason.endswith("the count is a lower bound")


@given(
    gaps=st.lists(st.integers(1, 200), min_size=1, max_size=150),
    away=st.floats(0, 1000),
    start_within=st.floats(0, 500),
    catch_up=st.sampled_from(CatchUp),
)
def test_each_due_fire_is_in_exactly_one_part_of_the_plan(gaps, away, start_within, catch_up):
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    found = planned(due(*times), now=times[-1] + away, start_within=start_within, catch_up=catch_up)
    gone = found.missed
    assert len(found.start) + (gone.count if gone else 0) == len(times)
    if gone:
        assert (gone.first, gone.last) == (times[0], times[gone.count - 1])
    assert list(found.start) == times[len(times) - len(found.start) :]
    assert found.late <= set(found.start)


@pytest.mark.parametrize("catch_up", CatchUp)
def test_only_fires_past_start_within_count_as_caught_up(catch_up):
    found = planned(due(100, 490), now=500.0, catch_up=catch_up)
    assert 490 in found.start
    assert 490 not in found.late
