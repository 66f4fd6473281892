"""Fire times in a span, however long, and the heap of next fires."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from torch.clock import FireTime
from torch.schedule import timeline
from torch.schedule.expression import Expression

DAY = 20_000 * 86_400


def schedule(*texts, timezone="UTC"):
    return tuple(Expression.parse(text, timezone=timezone) for text in texts)


def due(texts, after, until):
    texts = (texts,) if isinstance(texts, str) else texts
    return timeline.due(schedule(*texts), FireTime(after), FireTime(until))


def test_a_span_holds_its_end_and_not_its_beginning():
    found = due("@every 10s", DAY, DAY + 30)
    assert found is not None
    assert found.times == (DAY + 10, DAY + 20, DAY + 30)
    assert (found.first, found.count, found.exact) == (DAY + 10, 3, True)


def test_nothing_is_due_in_a_span_without_fires():
    assert due("0 0 1 1 *", DAY, DAY + 60) is None
    assert due("@every 10s", DAY, DAY) is None


def test_a_schedule_without_times_is_never_due():
    assert due("@reboot", DAY, DAY + 10**9) is None
    assert timeline.next_fire((), FireTime(DAY)) is None


def test_an_instant_that_two_expressions_name_is_one_fire():
    found = due(("@every 10s", "@every 15s"), DAY, DAY + 30)
    assert found is not None
    assert [t - DAY for t in found.times] == [10, 15, 20, 30]


def test_only_the_newest_fires_are_named_and_all_are_counted():
    found = due("* * * * * *", DAY, DAY + 5000)
    assert found is not None
    assert found.times == tuple(range(DAY + 5000 - 100, DAY + 5001))
    assert (found.first, found.count, found.exact) == (DAY + 1, 5000, True)


def test_past_the_limit_the_count_is_a_lower_bound_and_says_so():
    found = due("* * * * * *", DAY, DAY + 10**7)
    assert found is not None
    assert found.times == tuple(range(DAY + 10**7 - 100, DAY + 10**7 + 1))
    assert (found.count, found.exact) == (timeline.COUNT_LIMIT + timeline.KEEP, False)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("@every 90s", 90 * 20_000),  # sparser than the first look back
        ("* * 0-5 * * *", 3 * 86_400 + 24_000),  # nothing at the end, thousands before it
        ("*/2 * 1 6 *", 3 * 365 * 86_400),  # a burst, then most of a year of nothing
    ],
)
def test_after_a_long_absence_the_named_fires_are_the_newest_ones(text, span):
    found = due(text, DAY, DAY + span)
    assert found is not None
    assert found.times[-1] <= DAY + span
    (expression,) = schedule(text)
    assert (expression.next_epoch(found.times[-1]) or 10**12) > DAY + span
    assert all(expression.next_epoch(a) == b for a, b in pairwise(found.times))
    assert len(found.times) == timeline.KEEP


def test_a_span_that_ends_right_at_the_limit_is_counted_exactly():
    found = due("@every 1s", DAY, DAY + timeline.COUNT_LIMIT)
    assert found is not None
    assert (found.count, found.exact) == (timeline.COUNT_LIMIT, True)


@given(
    every=st.integers(1, 50),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
)
@example(every=1, cuts=[0, 0])
def test_spans_that_join_find_each_fire_exactly_once(every, cuts):
    edges = [DAY, *(DAY + cut for cut in sorted(cuts)), DAY + 3000]
    plan = schedule(f"@every {every}s")
    apart = [t for a, b in pairwise(edges) for t in timeline.fires(plan, FireTime(a), FireTime(b))]
    assert apart == list(timeline.fires(plan, FireTime(DAY), FireTime(DAY + 3000)))


# ── the heap ──────────────────────────────────────────────────────────────────────────────


def heap(**at):
    made = timeline.Heap()
    for name, instant in at.items():
        made.set(name, FireTime(instant))
    return made


def test_the_earliest_next_fire_comes_first():
    made = heap(a=30, b=10, c=20)
    assert made.first() == 10
    assert made.pop_due(FireTime(20)) == ["b", "c"]
    assert made.first() == 30


def test_a_task_that_is_moved_leaves_its_old_place():
    made = heap(a=10, b=20)
    made.set("a", FireTime(30))
    assert made.pop_due(FireTime(25)) == ["b"]
    assert made.get("a") == 30


def test_a_task_that_is_moved_back_and_forth_has_one_place():
    made = heap(a=10)
    made.set("a", FireTime(20))
    made.set("a", FireTime(10))
    assert made.pop_due(FireTime(100)) == ["a"]
    assert made.first() is None


def test_a_task_without_a_next_fire_leaves_the_heap():
    made = heap(a=10)
    made.set("a", None)
    assert made.first() is None
    assert made.get("a") is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 20))), max_size=40
    ),
    st.integers(0, 20),
)
def test_the_heap_is_what_a_plain_mapping_would_be(moves, until):
    made, plain = timeline.Heap(), {}
    for name, at in moves:
        made.set(name, None if at is None else FireTime(at))
        plain[name] = at
    plain = {name: at for name, at in plain.items() if at is not None}
    assert made.first() == min(plain.values(), default=None)
    taken = made.pop_due(FireTime(until))
    assert sorted(taken) == sorted(name for name, at in plain.items() if at <= until)
    assert [plain[name] for name in taken] == sorted(plain[name] for name in taken)


def test_the_clock_has_stepped_back_only_past_three_hours():
    assert not timeline.stepped_back(FireTime(DAY), DAY - 3 * 3600)
    assert timeline.stepped_back(FireTime(DAY), DAY - 3 * 3600 - 1)
