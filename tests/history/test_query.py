"""Reading the history without the service, in the shape that scripts lean on."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import UTC, datetime

import pytest

from tests.history.rows import T0, commit, ended, intent, never, started
from torch.clock import FireTime
from torch.errors import NotPermitted, NotRunning, SettingsError, TryAgain
from torch.history import query
from torch.run import Outcome, Trigger

DESIGNED = (
    "id task fire_time trigger attempt state outcome exit_code signal reason pid "
    "started_at ended_at lateness_ms count version"
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
