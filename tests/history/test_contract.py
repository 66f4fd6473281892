"""What the core leans on, kept by the real history and by the shipped fake alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest

from tests.history.rows import (
    T0,
    defined,
    ended,
    intent,
    never,
    offered,
    paused,
    run,
    started,
    stopping,
)
from torch import testing
from torch.clock import FireTime
from torch.definition import from_text
from torch.history import facts, query
from torch.history.store import Store
from torch.run import Ending, Outcome, State, Trigger, Usage
from torch.schedule.expression import Expression
from torch.schedule.record import (
    Entry,
    Fact,
    Failing,
    Paused,
    Progress,
    Record,
    Step,
    Unsent,
    Watermark,
)
from torch.testing import FakeHistory

Shown = list[tuple[str, str, str, str | None, int | None, float | None, float | None]]

Used = list[tuple[str, Usage | None]]

Spans = list[tuple[str, int | None, int | None, int]]


class History:
    """One of the two, with its rows read back as plain values, oldest first."""

    def __init__(
        self, real: Any, rows: Callable[[], Shown], used: Callable[[], Used],
        spans: Callable[[], Spans],
    ) -> None:  # fmt: skip
        self.real = real
        self.rows = rows
        self.used = used
        self.spans = spans
        self._keys = {"at": T0, "boot_id": "b"}

    def commit(self, *records: Record, **keys: Any) -> frozenset[str]:
        lost: frozenset[str] = self.real.commit(records, **(self._keys | keys))
        return lost

    def live(self) -> list[Any]:
        return list(self.real.unfinished())

    def decided(self, at: float | None = None) -> dict[str, tuple[str, int]]:
        return dict(self.real.decided(at))


def usage(row: query.RunRow) -> Usage | None:
    if row.cpu_seconds is None:
        assert row.max_rss is None
        return None
    return Usage(cpu_seconds=row.cpu_seconds, max_rss=row.max_rss)


@pytest.fixture(params=["real", "fake"])
def history(request, tmp_path):
    if request.param == "fake":
        fake = FakeHistory()
        yield History(
            fake,
            lambda: [
                (r.run.id, r.run.task, r.state.value, r.outcome, r.pid, r.started_at, r.ended_at)
                for r in fake.rows.values()
            ],
            lambda: [(r.run.id, r.usage) for r in fake.rows.values()],
            lambda: [(r.run.id, r.run.fire_time, r.last, r.count) for r in fake.rows.values()],
        )
        return
    store = Store(str(tmp_path / "history.db"))
    yield History(
        store,
        lambda: [
            (r.id, r.task, r.state, r.outcome, r.pid, r.started_at, r.ended_at)
            for r in reversed(query.runs(store.path, limit=1000))
        ],
        lambda: [(r.id, usage(r)) for r in reversed(query.runs(store.path, limit=1000))],
        lambda: [
            (r.id, r.fire_time, r.last_fire, r.count)
            for r in reversed(query.runs(store.path, limit=1000))
        ],
    )
    store.close()


def test_an_intent_is_a_row_that_is_not_finished(history):
    assert history.commit(intent("r1")) == frozenset()
    assert history.rows() == [("r1", "a", "intent", None, None, None, None)]


def test_a_run_moves_from_intent_to_running_to_finished(history):
    history.commit(intent("r1"))
    history.commit(started("r1"))
    assert history.rows() == [("r1", "a", "running", None, 77, T0 + 0.25, None)]
    history.commit(ended("r1"))
    assert history.rows() == [("r1", "a", "finished", "succeeded", 77, T0 + 0.25, T0 + 5.5)]


def test_intent_start_and_end_may_come_in_one_batch(history):
    history.commit(intent("r1"), started("r1"), ended("r1"))
    assert history.rows() == [("r1", "a", "finished", "succeeded", 77, T0 + 0.25, T0 + 5.5)]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_what_was_said_to_have_started_and_never_began_has_no_start(history, known, together):
    """`known`: its row is there, or was lost with an earlier file."""
    ending = Ending(outcome=Outcome.FAILED, reason="nice could not start its command")
    end = Progress(
        run=run("r1"), step=Step.ENDED, at=T0 + 5.5, ending=ending, never_began=True
    )  # fmt: skip
    records = [intent("r1")] * known + [started(run("r1")), Record((end,))]
    for batch in [records] if together else [[record] for record in records]:
        history.commit(*batch)
    assert history.rows() == [("r1", "a", "finished", "failed", None, None, T0 + 5.5)]


def test_a_fire_that_never_became_a_run_is_finished_from_the_start(history):
    history.commit(never("r1", Outcome.SKIPPED))
    assert history.rows() == [("r1", "a", "finished", "skipped", None, None, T0)]


def test_a_second_row_for_a_firing_loses_and_is_named(history):
    history.commit(intent("r1"))
    assert history.commit(intent("r2"), intent("r3", fire=T0 + 1)) == {"r2"}
    assert [row[0] for row in history.rows()] == ["r1", "r3"]


def collapsed(*fires: int, early: int = 16) -> Record:
    """One missed row, m, of these fires, `early` of which are named one by one."""
    last = FireTime(T0 + fires[-1]) if len(fires) > 1 else None
    named = tuple(FireTime(T0 + fire) for fire in fires[:early])
    fire = T0 + fires[0]
    return never("m", Outcome.MISSED, fire=fire, count=len(fires), last=last, early=named)


@pytest.mark.parametrize(
    ("taken", "row", "left"),
    [
        ([0], collapsed(0, 5, 7), (5, 7, 2)),
        ([0, 5], collapsed(0, 5, 7), (7, None, 1)),
        ([0], collapsed(0, 9), (9, None, 1)),
        ([0, 1], collapsed(0, 1, 2, 3, 4, early=2), (4, 4, 3)),
    ],
)
def test_a_collapsed_row_whose_first_fires_have_rows_stands_for_the_others(
    history, taken, row, left
):
    history.commit(*(intent(f"r{fire}", fire=T0 + fire) for fire in taken))
    assert history.commit(row) == frozenset()
    first, last, count = left
    last = None if last is None else T0 + last
    assert history.spans()[len(taken) :] == [("m", T0 + first, last, count)]


def test_a_collapsed_row_is_refused_if_every_fire_of_it_has_a_row(history):
    history.commit(intent("r1"), intent("r2", fire=T0 + 1))
    assert history.commit(collapsed(0, 1)) == {"m"}
    assert history.commit(collapsed(0)) == {"m"}
    assert [row[0] for row in history.rows()] == ["r1", "r2"]


def test_a_firing_of_another_task_at_the_same_instant_is_another(history):
    assert history.commit(intent("r1", "a"), intent("r2", "b")) == frozenset()


def test_runs_that_no_fire_names_never_collide(history):
    assert history.commit(intent("r1", fire=None), intent("r2", fire=None)) == frozenset()
    assert len(history.rows()) == 2


def test_a_finished_row_never_moves_again(history):
    history.commit(intent("r1"), ended("r1"))
    before = history.rows()
    history.commit(started("r1", pid=99), ended("r1", Outcome.FAILED, at=T0 + 99))
    assert history.rows() == before


def test_a_record_of_definitions_alone_is_taken(history):
    assert history.commit(defined("a", "d"), Record((Watermark(at=FireTime(T0)),))) == frozenset()
    assert history.rows() == []


# ── rows that were lost with an earlier file ──────────────────────────────────────────────


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (offered(run("r1")), ("intent", None, None, None, None)),
        (started(run("r1")), ("running", None, 77, T0 + 0.25, None)),
        (stopping(run("r1")), ("stopping", None, None, None, None)),
        (ended(run("r1")), ("finished", "succeeded", None, None, T0 + 5.5)),
    ],
)
def test_a_row_that_was_lost_is_made_anew_from_its_progress(history, record, shown):
    history.commit(record)
    assert history.rows() == [("r1", "a", *shown)]
    assert history.commit(intent("r2")) == {"r2"}  # the firing has its row


def test_the_end_of_a_run_whose_row_was_lost_says_when_it_began(history):
    end = Ending(outcome=Outcome.SUCCEEDED, exit_code=0)
    lost = Progress(run=run("r1"), step=Step.ENDED, at=T0 + 9.0, ending=end, started_at=T0 + 2.0)
    history.commit(Record((lost,)))
    ((*_, began, finished),) = history.rows()
    assert (began, finished) == (T0 + 2.0, T0 + 9.0)


@pytest.mark.parametrize("max_rss", [54 * 2**20, 2**41, None])
@pytest.mark.parametrize("cpu_seconds", [0.0, 1.3, 90_000.0])
def test_what_a_run_used_is_kept_with_its_end(history, cpu_seconds, max_rss):
    kept = Usage(cpu_seconds=cpu_seconds, max_rss=max_rss)
    history.commit(intent("r1"), started("r1"), intent("r2", "b"), ended("r2"))
    assert history.used() == [("r1", None), ("r2", None)]
    history.commit(ended("r1", usage=kept), ended(run("r3", "lost"), usage=kept))
    assert history.used() == [("r1", kept), ("r2", None), ("r3", kept)]


def test_what_a_finished_run_used_never_changes(history):
    history.commit(intent("r1"), ended("r1", usage=Usage(cpu_seconds=1.0, max_rss=2)))
    history.commit(ended("r1"), ended("r1", usage=Usage(cpu_seconds=3.0, max_rss=4)))
    assert history.used() == [("r1", Usage(cpu_seconds=1.0, max_rss=2))]


def test_a_row_that_was_made_anew_goes_on_like_any_other(history):
    history.commit(started(run("r1")))
    history.commit(stopping(run("r1")), ended(run("r1"), Outcome.KILLED))
    assert history.rows() == [("r1", "a", "finished", "killed", 77, T0 + 0.25, T0 + 5.5)]


def test_a_row_that_was_made_anew_takes_what_its_entry_says_and_has_not_lost(history):
    history.commit(started(run("r1")), offered(run("r2", "b")))
    again = [Entry(run=run("r1"), digest="d1"), Entry(run=run("r2", "b"), not_before=T0 + 30.0)]
    assert history.commit(Record(tuple(again))) == frozenset()
    first, second = history.live()
    assert (first.state, first.digest, first.not_before) == (State.RUNNING, "d1", None)
    assert (second.state, second.digest, second.not_before) == (State.INTENT, "", T0 + 30.0)


def test_an_entry_of_a_run_that_has_ended_has_lost(history):
    history.commit(intent("r1"), ended("r1"))
    before = history.rows()
    assert history.commit(intent("r1")) == {"r1"}
    assert history.rows() == before


def test_a_lost_run_whose_firing_has_another_row_stays_out(history):
    history.commit(intent("r1"))
    history.commit(started(run("r2")), ended(run("r2")))
    assert [row[0] for row in history.rows()] == ["r1"]


def test_progress_of_an_intent_that_lost_in_the_same_batch_is_no_row(history):
    history.commit(intent("r1"))
    assert history.commit(intent("r2"), started(run("r2"))) == {"r2"}
    assert [row[0] for row in history.rows()] == ["r1"]


# ── offers, stops ─────────────────────────────────────────────────────────────────────────


def waiting(run_id: str = "r1", until: float = T0 + 30.0) -> Record:
    entry = Entry(run=run(run_id), digest="d1", not_before=until)
    return Record((entry,))


def test_a_row_waits_until_it_is_offered(history):
    history.commit(waiting())
    (found,) = history.live()
    assert (found.state, found.not_before) == (State.INTENT, T0 + 30.0)
    history.commit(offered("r1"))
    (found,) = history.live()
    assert (found.state, found.not_before) == (State.INTENT, None)


def test_a_row_that_waited_is_of_the_boot_in_which_it_is_offered(history):
    history.commit(waiting(), boot_id="old")
    assert [found.boot_id for found in history.live()] == ["old"]
    history.commit(offered("r1"), boot_id="new")
    assert [found.boot_id for found in history.live()] == ["new"]


def test_a_row_that_waited_names_the_definition_under_which_it_is_offered(history):
    history.commit(waiting())
    step = Progress(run=run("r1"), step=Step.OFFERED, at=T0, digest="d2")
    history.commit(Record((step,)))
    assert [found.digest for found in history.live()] == ["d2"]


def test_what_has_started_waits_no_longer(history):
    history.commit(waiting(), started("r1"))
    (found,) = history.live()
    assert (found.state, found.not_before, found.pid) == (State.RUNNING, None, 77)


def test_a_run_that_was_told_to_stop_keeps_its_fate_until_it_ends(history):
    history.commit(intent("r1"), started("r1"))
    history.commit(stopping("r1", Outcome.TIMED_OUT, reason="timeout of 5 s"))
    (found,) = history.live()
    assert found.state is State.STOPPING
    assert found.fate == Ending(outcome=Outcome.TIMED_OUT, reason="timeout of 5 s")
    assert (found.pid, found.started_at) == (77, T0 + 0.25)
    history.commit(ended("r1", Outcome.TIMED_OUT))
    assert history.live() == []


def test_a_run_that_was_told_to_stop_before_it_started_stays_stopping(history):
    history.commit(intent("r1"), stopping("r1"), started("r1"))
    (found,) = history.live()
    assert (found.state, found.pid, found.started_at) == (State.STOPPING, 77, T0 + 0.25)
    assert found.fate == Ending(outcome=Outcome.KILLED)


# ── what a new service asks ───────────────────────────────────────────────────────────────


def test_unfinished_runs_come_in_the_order_of_recording_with_all_that_is_known(history):
    by_hand = run("r2", "b", None, trigger=Trigger.MANUAL)
    history.commit(Record((Entry(run=by_hand),)), at=T0 + 1, boot_id="old")
    history.commit(defined("a", "d1"), waiting(), intent("r3", "c"), ended("r3"), at=T0 + 2)
    first, second = history.live()
    assert (first.run, first.recorded_at, first.boot_id) == (by_hand, T0 + 1, "old")
    assert (first.digest, first.definition, first.fate) == ("", None, None)
    assert (second.run, second.recorded_at, second.digest) == (run("r1"), T0 + 2, "d1")
    assert from_text(second.definition, parse=Expression.parse).digest == "d1"


def test_the_definition_a_run_started_under_is_known_after_the_file_has_changed(history):
    history.commit(defined("a", "d1", command="one"), waiting())
    history.commit(defined("a", "d2", T0 + 9, command="two"), defined("a", "", T0 + 19))
    (found,) = history.live()
    assert from_text(found.definition, parse=Expression.parse).command == "one"


def test_the_newest_end_of_a_task_is_of_a_run(history):
    history.commit(intent("r1"), ended("r1", Outcome.FAILED, exit_code=3), at=T0)
    history.commit(never("r2", Outcome.SKIPPED, fire=T0 + 1))
    history.commit(never("r3", Outcome.MISSED, fire=T0 + 2), intent("r4", fire=T0 + 3))
    history.commit(never("r5", Outcome.SKIPPED, "b"))
    found = history.real.newest_ends(["a", "b", "nobody"])
    assert found == {
        "a": (run("r1"), Ending(outcome=Outcome.FAILED, exit_code=3), T0 + 5.5),
    }


def test_ids_that_have_a_row_are_told_from_those_that_have_none(history):
    history.commit(intent("r1"), intent("r2", "b"), ended("r2"))
    assert history.real.is_recorded(["r1", "r2", "r3"]) == {"r1", "r2"}


def test_a_pause_is_kept_until_it_is_taken_back(history):
    pause = Paused(since=FireTime(T0), until=T0 + 60.0)
    history.commit(paused("a", pause), paused("b", Paused(since=FireTime(T0 + 1))))
    assert history.real.paused() == {"a": pause, "b": Paused(since=FireTime(T0 + 1))}
    history.commit(paused("a", None), paused("nobody", None))
    assert history.real.paused() == {"b": Paused(since=FireTime(T0 + 1))}


# ── where fires are decided ───────────────────────────────────────────────────────────────


def marked(at: int) -> Record:
    return Record((Watermark(at=FireTime(at)),))


def test_a_definition_is_in_force_until_another_is(history):
    history.commit(defined("a", "d1"))
    history.commit(defined("a", "d1", T0 + 5))
    assert history.decided() == {"a": ("d1", T0)}
    history.commit(defined("a", "d2", T0 + 9))
    assert history.decided() == {"a": ("d2", T0 + 9)}
    history.commit(defined("a", "", T0 + 19))
    assert history.decided() == {"a": ("", T0 + 19)}


def test_a_definition_with_the_same_beginning_replaces_the_other(history):
    history.commit(defined("a", "d1"), defined("a", "d2"))
    assert history.decided() == {"a": ("d2", T0)}


def test_fires_are_decided_up_to_the_watermark(history):
    history.commit(defined("a", "d"), marked(T0 + 7))
    assert history.decided() == {"a": ("d", T0 + 7)}


def test_a_fire_recorded_ahead_of_the_watermark_is_decided(history):
    history.commit(defined("a", "d"), defined("b", "d"), marked(T0 + 9))
    history.commit(intent("r1", "a", T0 + 10), intent("r2", "a", T0 + 3), intent("r3", "a", None))
    assert history.decided() == {"a": ("d", T0 + 10), "b": ("d", T0 + 9)}


def test_after_a_big_step_back_what_was_recorded_in_the_future_decides_nothing(history):
    far = T0 + 90_000_000
    history.commit(defined("a", "d"), marked(T0))
    history.commit(defined("b", "d", far), intent("r1", fire=far), intent("r2", "b", far))
    history.commit(marked(far))
    back = T0 + 60
    history.commit(defined("a", "d", back), defined("b", "d", back), marked(back))
    assert history.decided() == {"a": ("d", back), "b": ("d", back)}
    history.commit(intent("r3", fire=back + 1))
    assert history.decided()["a"] == ("d", back + 1)


def test_a_clock_that_was_hours_ahead_of_the_new_services_decides_nothing(history):
    far = T0 + 90_000_000
    history.commit(defined("a", "d", far), marked(far), defined("b", "d"))
    history.commit(paused("b", Paused(since=FireTime(far))))
    assert history.decided(at=T0 + 0.5) == {"a": ("d", T0), "b": ("d", T0)}
    assert history.decided(at=far - 3600.0) == {"a": ("d", far), "b": ("d", far)}


def test_a_definition_that_begins_earlier_takes_back_what_came_after(history):
    history.commit(defined("a", "d1"), defined("a", "d2", T0 + 500), defined("a", "", T0 + 900))
    history.commit(defined("a", "d3", T0 + 100))
    assert history.decided() == {"a": ("d3", T0 + 100)}


def test_a_paused_task_is_decided_up_to_its_pause(history):
    history.commit(defined("a", "d"), marked(T0 + 50), intent("r1", fire=T0 + 51))
    history.commit(paused("a", Paused(since=FireTime(T0 + 20))))
    assert history.decided() == {"a": ("d", T0 + 20)}
    history.commit(paused("a", None))
    assert history.decided() == {"a": ("d", T0 + 51)}


def test_a_definition_that_is_newer_than_the_pause_begins_where_it_begins(history):
    history.commit(defined("a", "d1"), paused("a", Paused(since=FireTime(T0 + 20))))
    history.commit(defined("a", "d2", T0 + 30), marked(T0 + 90))
    assert history.decided() == {"a": ("d2", T0 + 30)}


# ── a new history ─────────────────────────────────────────────────────────────────────────


def test_a_history_that_is_begun_anew_knows_nothing(history):
    history.commit(intent("r1"), defined("a", "d"), marked(T0))
    history.commit(paused("a", Paused(since=FireTime(T0))))
    if isinstance(history.real, Store):
        history.real.begin_anew(at=T0, refused=True)
    else:
        history.real.begin_anew()
    assert (history.rows(), history.live(), history.decided()) == ([], [], {})
    assert history.real.paused() == {}
    assert history.commit(intent("r2")) == frozenset()


def test_a_row_of_fires_that_never_became_runs_grows_with_each_one(history):
    first = never("r1", Outcome.SKIPPED)
    assert history.commit(first) == frozenset()
    for count in (2, 3):
        grown = never("r1", Outcome.SKIPPED, count=count, last=FireTime(T0 + count))
        assert history.commit(grown) == frozenset()
    assert history.spans() == [("r1", T0, T0 + 3, 3)]


@pytest.mark.parametrize("other", [Outcome.MISSED, None])
def test_a_row_grows_only_as_what_it_is(history, other):
    history.commit(never("r1", Outcome.SKIPPED, count=3, last=FireTime(T0 + 3)))
    ending = None if other is None else Ending(outcome=other)
    again = Entry(run=run("r1"), ending=ending, count=9, last=FireTime(T0 + 9))
    assert history.commit(Record((again,))) == {"r1"}
    smaller = never("r1", Outcome.SKIPPED, count=2, last=FireTime(T0 + 2))
    assert history.commit(smaller) == {"r1"}
    assert history.spans() == [("r1", T0, T0 + 3, 3)]


def test_a_channel_that_fails_is_known_until_it_fails_no_longer(history):
    def known():
        real = history.real
        return real.recall(at=T0).unsent if isinstance(real, Store) else real.unsent()

    fails = [Unsent(channel=name, since=T0 + 0.5, problem='"é" 503') for name in ("a", "b c")]
    history.commit(Record(tuple(Failing(channel=f.channel, unsent=f) for f in fails)))
    assert known() == tuple(fails)
    later = replace(fails[0], problem="refused")
    over = Failing(channel="b c", unsent=None)
    history.commit(Record((Failing(channel="a", unsent=later), over, over)))
    assert known() == (later,)


def test_each_type_of_fact_has_one_writer_in_the_history_and_one_in_the_fake():
    assert set(facts.WRITERS) == set(testing.history.WRITERS) == set(get_args(Fact))
