"""Reading the history without the service, in the shape that scripts lean on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.history.rows import (
    T0,
    commit,
    defined,
    ended,
    intent,
    never,
    opened,
    paused,
    run,
    started,
    stopping,
)
from torch.clock import FireTime
from torch.definition import from_text
from torch.errors import NotPermitted, NotRunning, SettingsError, TryAgain
from torch.history import conditions, query
from torch.history.prune import Limits
from torch.history.store import Store
from torch.run import NEVER_RAN, NO_TROUBLE, Outcome, Trigger, Usage
from torch.schedule.expression import Expression
from torch.schedule.record import Entry, File, Paused, Progress, Record, Step

DESIGNED = (
    "id task fire_time trigger attempt state outcome exit_code signal reason pid "
    "started_at ended_at lateness_ms max_rss cpu_seconds count version not_before"
).split()
"""What the design promises to scripts."""


@pytest.fixture
def filled(store):
    """a: succeeded, failed, skipped, live; b: missed three at once; c: by hand, killed."""
    commit(store, intent("a1"), started("a1"), ended("a1", exit_code=0), at=T0)
    commit(store, intent("a2", fire=T0 + 10), ended("a2", Outcome.FAILED), at=T0 + 10)
    commit(store, never("a3", Outcome.SKIPPED, fire=T0 + 20), at=T0 + 20)
    commit(
        store,
        never("b1", Outcome.MISSED, "b", count=3, last=FireTime(T0 + 2)),
        at=T0 + 25,
    )
    commit(store, intent("c1", "c", None, trigger=Trigger.MANUAL), at=T0 + 27)
    commit(store, ended("c1", Outcome.KILLED), at=T0 + 28)
    commit(store, intent("a4", fire=T0 + 30), started("a4", at=T0 + 30.5), at=T0 + 30)
    return store.path


def ids(rows) -> list[str]:
    return [row.id for row in rows]


def test_rows_come_newest_first(filled):
    assert ids(query.runs(filled)) == ["a4", "c1", "b1", "a3", "a2", "a1"]


def test_a_limit_keeps_the_newest(filled):
    assert ids(query.runs(filled, limit=2)) == ["a4", "c1"]


def test_rows_of_one_task(filled):
    assert ids(query.runs(filled, task="a")) == ["a4", "a3", "a2", "a1"]
    assert query.runs(filled, task="A") == []


def test_bad_rows_are_those_that_neither_succeeded_nor_were_skipped_nor_live(filled):
    assert ids(query.runs(filled, bad_only=True)) == ["c1", "b1", "a2"]


def test_rows_since_an_instant(filled):
    assert ids(query.runs(filled, since=T0 + 20)) == ["a4", "c1", "b1", "a3"]


def test_filters_come_together(filled):
    assert ids(query.runs(filled, task="a", bad_only=True, since=T0 + 5, limit=1)) == ["a2"]


def test_a_run_is_found_by_its_id(filled):
    row = query.find(filled, "b1")
    assert row is not None
    assert (row.task, row.count, row.last_fire) == ("b", 3, T0 + 2)
    assert query.find(filled, "nobody") is None


def test_the_newest_run_of_each_task_is_one_that_ran_or_runs(filled):
    found = query.newest(filled, ("a", "b", "c", "nobody"))
    assert {task: row.id for task, row in found.items()} == {"a": "a4", "c": "c1"}


def test_lateness_is_from_the_fire_time_to_the_start(filled):
    rows = {row.id: row for row in query.runs(filled)}
    assert rows["a1"].lateness == 0.25
    assert rows["a4"].as_json()["lateness_ms"] == 500.0
    assert rows["a2"].lateness is None  # never started
    assert rows["c1"].lateness is None  # no fire names it


def test_the_json_of_a_row_has_the_designed_keys(filled):
    for row in query.runs(filled):
        assert [k for k in row.as_json() if k != "last_fire_time"] == DESIGNED


def test_the_json_of_a_row_says_what_its_run_used_in_bytes_and_seconds(store):
    used = Usage(cpu_seconds=0.1 + 0.2, max_rss=54 * 2**20)
    commit(store, intent("r1"), ended("r1", usage=used), intent("r2", fire=T0 + 1))
    of_none, of_one = (row.as_json() for row in query.runs(store.path))
    assert (of_one["max_rss"], of_one["cpu_seconds"]) == (56623104, 0.3)
    assert (of_none["max_rss"], of_none["cpu_seconds"]) == (None, None)


def test_the_json_of_a_row_is_plain_json(filled):
    row = query.find(filled, "a1")
    assert row is not None
    shown = json.loads(json.dumps(row.as_json()))
    assert (shown["trigger"], shown["state"], shown["outcome"]) == (
        "schedule",
        "finished",
        "succeeded",
    )
    assert (shown["attempt"], shown["exit_code"], shown["signal"]) == (1, 0, None)
    for key, seconds in (("fire_time", 0), ("started_at", 0.25), ("ended_at", 5.5)):
        at = datetime.fromisoformat(shown[key])
        assert at.tzinfo is not None
        assert at == datetime.fromtimestamp(T0 + seconds, UTC)


def test_a_collapsed_row_says_how_many_and_until_when(filled):
    row = query.find(filled, "b1")
    assert row is not None
    shown = row.as_json()
    assert shown["count"] == 3
    assert datetime.fromisoformat(str(shown["last_fire_time"])).timestamp() == T0 + 2


# ── where there is nothing to read ────────────────────────────────────────────────────────


def test_an_absent_history_says_how_to_get_one(tmp_path):
    with pytest.raises(NotRunning, match="there is no history at") as caught:
        query.runs(str(tmp_path / "history.db"))
    assert "torch start" in caught.value.hint


def test_reading_makes_no_file(tmp_path):
    with pytest.raises(NotRunning):
        query.find(str(tmp_path / "history.db"), "r1")
    assert list(tmp_path.iterdir()) == []


def test_a_history_that_is_just_being_made_is_worth_another_try(tmp_path):
    sqlite3.connect(tmp_path / "history.db").close()
    (tmp_path / "history.db").touch()
    with pytest.raises(TryAgain, match="just started"):
        query.runs(str(tmp_path / "history.db"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_history_of_another_user_is_not_permitted(filled):
    os.chmod(filled, 0)
    with pytest.raises(NotPermitted, match="belongs to another user"):
        query.runs(filled)


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "history.db"
    path.write_text("not a database, " * 100)
    with pytest.raises(SettingsError, match="cannot be read: file is not a database") as caught:
        query.runs(str(path))
    assert caught.value.hint


def test_a_history_of_another_shape_is_named(tmp_path):
    db = sqlite3.connect(tmp_path / "history.db")
    db.execute("CREATE TABLE run (id TEXT)")
    db.close()
    with pytest.raises(SettingsError, match="no such column"):
        query.runs(str(tmp_path / "history.db"))


def test_a_locked_history_is_worth_another_try(tmp_path, monkeypatch):
    path = tmp_path / "history.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE run (id TEXT)")
    db.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0}))
    with pytest.raises(TryAgain, match="locked"):
        query.runs(str(path))
    db.close()


def test_a_path_with_odd_characters_is_a_path(tmp_path, store):
    folder = tmp_path / "odd ?#%41"
    folder.mkdir()
    (folder / "history.db").write_bytes(b"")
    with pytest.raises(TryAgain):
        query.runs(str(folder / "history.db"))


# ── what was when ─────────────────────────────────────────────────────────────────────────


def attempt(run_id: str, fire: int, number: int) -> Record:
    about = replace(run(run_id, fire=fire), attempt=number)
    return Record((Entry(run=about, not_before=T0 + 60.0 if number > 1 else None),))


@pytest.mark.parametrize(
    ("at", "found"),
    [(-500, ["a1"]), (0, ["a1"]), (14.9, ["a2"]), (15, ["a2"]), (15.1, ["a3"]), (900, ["a4"])],
)
def test_the_nearest_fire_is_found_the_earlier_of_two(filled, at, found):
    assert ids(query.nearest(filled, "a", T0 + at)) == found


def test_the_nearest_fire_has_all_its_attempts_in_order(store):
    commit(store, attempt("r1", T0, 1), ended("r1", Outcome.FAILED), attempt("r2", T0, 2))
    commit(store, intent("r3", fire=T0 + 100))
    found = query.nearest(store.path, "a", T0 + 20)
    assert [(row.id, row.attempt, row.not_before) for row in found] == [
        ("r1", 1, None),
        ("r2", 2, T0 + 60.0),
    ]
    assert datetime.fromisoformat(str(found[1].as_json()["not_before"])).timestamp() == T0 + 60


def test_a_collapsed_row_is_as_near_as_the_nearest_of_its_fires(store):
    commit(store, never("m", Outcome.MISSED, fire=T0, count=9, last=FireTime(T0 + 80)))
    commit(store, intent("r", fire=T0 + 90))
    assert ids(query.nearest(store.path, "a", T0 + 70)) == ["m"]
    assert ids(query.nearest(store.path, "a", T0 + 84)) == ["m"]
    assert ids(query.nearest(store.path, "a", T0 + 86)) == ["r"]


def test_runs_that_no_fire_names_are_near_to_nothing(filled):
    assert query.nearest(filled, "c", T0) == []


def test_the_definition_of_an_instant_is_the_one_that_was_in_force(store):
    commit(store, defined("a", "d1"), defined("a", "d2", T0 + 10), defined("a", "", T0 + 20))
    assert query.definition_at(store.path, "a", T0 - 1) is None
    first = query.definition_at(store.path, "a", T0 + 9.9)
    assert first is not None
    assert (first.digest, first.since) == ("d1", T0)
    assert from_text(first.text, parse=Expression.parse).digest == "d1"
    assert query.definition_at(store.path, "a", T0 + 25) == ("", "", T0 + 20)
    assert [found.digest for found in query.definitions(store.path, "a")] == ["d1", "d2", ""]
    assert query.definitions(store.path, "nobody") == []


def test_the_file_of_an_instant_is_the_one_that_was_in_force(store):
    for number, commit_id in enumerate((None, "abc")):
        record = Record((File(version=f"v{number}", commit=commit_id),))
        commit(store, record, at=T0 + 10 * number)
    assert query.file_at(store.path, T0 - 1) is None
    assert query.file_at(store.path, T0 + 5) == ("v0", None, T0)
    assert query.file_at(store.path, T0 + 50) == ("v1", "abc", T0 + 10)


def test_a_span_without_a_service_is_told_with_its_ends_and_why(store):
    assert query.down_at(store.path, T0) == (None, None, "")
    store.begin_service(pid=1, boot_id="b", at=T0)
    store.end_service(at=T0 + 10, how="SIGTERM")
    store.begin_service(pid=2, boot_id="b", at=T0 + 20)
    commit(store, intent("r1"), at=T0 + 30)
    store.begin_service(pid=3, boot_id="b", at=T0 + 40)
    commit(store, ended("r1"), at=T0 + 50)
    found = {at: query.down_at(store.path, T0 + at) for at in (-1, 5, 15, 25, 35, 45, 55)}
    assert found == {
        -1: (None, T0, ""),
        5: None,
        15: (T0 + 10, T0 + 20, "SIGTERM"),
        25: None,
        35: (T0 + 30, T0 + 40, "died"),
        45: None,
        55: (T0 + 50, None, ""),  # whether it lives still, its lock says
    }


def test_a_pause_is_read_as_long_as_it_lasts(store):
    commit(store, paused("a", Paused(since=FireTime(T0), until=T0 + 60.0)))
    assert query.pause_of(store.path, "a") == (T0, T0 + 60.0)
    assert query.pause_of(store.path, "b") is None
    commit(store, paused("a", None))
    assert query.pause_of(store.path, "a") is None


def test_a_run_that_was_told_to_stop_shows_what_it_will_be(store):
    commit(store, intent("r1"), started("r1"), stopping("r1", Outcome.TIMED_OUT, reason="5 s"))
    (row,) = query.runs(store.path)
    assert (row.state, row.outcome, row.fate, row.reason) == ("stopping", None, "timed_out", "5 s")


def test_rows_since_an_instant_are_the_same_however_many_there_are(store, monkeypatch):
    for number in range(50):
        clock = T0 - 900 if 20 <= number < 25 else T0 + number  # set back for a while
        commit(store, intent(f"r{number}", fire=T0 + number), at=clock)
    bounded = ids(query.runs(store.path, since=T0 + 10, limit=100))
    monkeypatch.setattr(query, "_MANY", 3)
    assert ids(query.runs(store.path, since=T0 + 10, limit=100)) == bounded
    assert bounded == [f"r{n}" for n in reversed([*range(10, 20), *range(25, 50)])]


# ── at any size ───────────────────────────────────────────────────────────────────────────


def plans(path: str, ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How SQLite goes about every statement that `ask` has it run."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **keys: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **keys)
        db.set_trace_callback(statements.append)
        return db

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", traced)
        ask()
    with contextlib.closing(connect(path)) as db:
        return [row[3] for sql in statements for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize(
    "ask",
    [
        lambda path: query.runs(path, task="a"),
        lambda path: query.runs(path, bad_only=True),
        lambda path: query.runs(path, task="a", bad_only=True),
        lambda path: query.runs(path, task="a", bad_only=True, since=T0),
        lambda path: query.runs(path, since=T0),
        lambda path: query.find(path, "a1"),
        lambda path: query.newest(path, ("a", "b")),
        lambda path: query.nearest(path, "a", T0),
        lambda path: query.definition_at(path, "a", T0),
        lambda path: query.definitions(path, "a"),
        lambda path: query.pause_of(path, "a"),
    ],
)
def test_no_question_reads_all_rows_or_sorts_them(filled, ask, monkeypatch):
    found = plans(filled, lambda: ask(filled), monkeypatch)
    assert found
    assert [step for step in found if "TEMP B-TREE" in step] == []
    scans = [step for step in found if step.startswith("SCAN run")]
    assert [step for step in scans if "USING" not in step] == []


def test_what_a_new_service_asks_and_what_prunes_reads_no_more_than_it_needs(
    filled, store, monkeypatch
):
    def ask() -> None:
        other = Store(filled)
        other.recall(at=T0)
        other.newest_ends(["a", "b"])
        other.is_recorded(["a1"])
        other.prune(Limits(before=T0 + 99.0, keep=3))
        other.close()

    commit(store, defined("a", "d"))
    found = plans(filled, ask, monkeypatch)
    assert [step for step in found if re.match(r"SCAN (run|n)\b(?!.*USING)", step)] == []
    assert any("run_by_time" in step for step in found)
    assert any("run_ran_by_task" in step for step in found)


def test_a_start_that_was_put_off_is_late_since_the_instant_it_was_put_off_to(tmp_path):
    store = opened(tmp_path)
    for number, (fire, attempt, due) in enumerate(
        [(T0, 1, None), (T0, 2, T0 + 30.0), (T0 + 1, 2, None), (T0 + 2, 1, T0 + 9.0)]
    ):
        one = replace(run(f"r{number}", fire=fire), attempt=attempt)
        began = (due or fire) + 0.5
        moved = Progress(run=one, step=Step.STARTED, at=began, pid=7, due=due)
        store.commit([Record((Entry(run=one),))], at=T0, boot_id="b")
        together = [Record((moved,))] + [ended(one, at=began + 1)] * (number % 2)
        store.commit(together, at=T0, boot_id="b")  # a start alone, or with its end
    late = {row.id: row.as_json()["lateness_ms"] for row in query.runs(store.path)}
    assert late == {"r0": 500.0, "r1": 500.0, "r2": None, "r3": 500.0}
    store.close()


def test_the_words_of_the_indexes_mean_what_the_sets_of_outcomes_mean():
    with sqlite3.connect(":memory:") as db:

        def meant(condition: str) -> set[str | None]:
            asked = f"SELECT outcome FROM (SELECT ? AS outcome) WHERE {condition}"
            known: list[str | None] = [None, *Outcome]
            return {each for each in known if db.execute(asked, (each,)).fetchone()}

        assert meant(conditions.BAD) == {*Outcome} - NO_TROUBLE
        assert meant(conditions.RAN) == {None, *Outcome} - NEVER_RAN
    db.close()
