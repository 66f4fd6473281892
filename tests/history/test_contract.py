"""What the core leans on, kept by the real history and by the shipped fake alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.history.rows import T0, ended, intent, never, started
from torch.clock import FireTime
from torch.history import query
from torch.history.store import Store
from torch.run import Outcome
from torch.schedule.messages import Definition, Record
from torch.testing import FakeHistory

Shown = list[tuple[str, str, str, str | None, int | None, float | None, float | None]]


class History:
    """One of the two, with its rows read back as plain values, oldest first."""

    def __init__(
        self, commit: Callable[[Iterable[Record]], frozenset[str]], rows: Callable[[], Shown]
    ) -> None:
        self._commit = commit
        self.rows = rows

    def commit(self, *records: Record) -> frozenset[str]:
        return self._commit(records)


@pytest.fixture(params=["real", "fake"])
def history(request, tmp_path):
    if request.param == "fake":
        fake = FakeHistory()
        yield History(
            lambda records: fake.commit(records, at=T0),
            lambda: [
                (r.run.id, r.run.task, r.state.value, r.outcome, r.pid, r.started_at, r.ended_at)
                for r in fake.rows.values()
            ],
        )
        return
    store = Store(str(tmp_path / "history.db"))
    yield History(
        lambda records: store.commit(records, at=T0, boot_id="b"),
        lambda: [
            (r.id, r.task, r.state, r.outcome, r.pid, r.started_at, r.ended_at)
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


def test_a_fire_that_never_became_a_run_is_finished_from_the_start(history):
    history.commit(never("r1", Outcome.SKIPPED))
    assert history.rows() == [("r1", "a", "finished", "skipped", None, None, T0)]


def test_a_second_row_for_a_firing_loses_and_is_named(history):
    history.commit(intent("r1"))
    assert history.commit(intent("r2"), intent("r3", fire=T0 + 1)) == {"r2"}
    assert [row[0] for row in history.rows()] == ["r1", "r3"]


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


def test_progress_of_what_has_no_row_is_no_row(history):
    history.commit(started("nobody"), ended("nobody"))
    assert history.rows() == []


def test_a_record_of_definitions_alone_is_taken(history):
    since = FireTime(T0)
    record = Record(definitions=(Definition(task="a", digest="d", since=since),), watermark=since)
    assert history.commit(record) == frozenset()
    assert history.rows() == []
