"""The writer of the history, on real files."""

from __future__ import annotations

import os
import sqlite3
import stat
from dataclasses import replace

import pytest

from tests.history.rows import T0, commit, ended, intent, opened, run, started
from torch.clock import FireTime
from torch.errors import SettingsError
from torch.history import query
from torch.history import store as module
from torch.history.store import HistoryError, Store
from torch.run import Outcome
from torch.schedule.messages import Definition, Entry, Record


def ids(store: Store) -> list[str]:
    return [row.id for row in reversed(query.runs(store.path, limit=1000))]


# ── transactions ──────────────────────────────────────────────────────────────────────────


def test_a_batch_is_written_whole(store):
    commit(store, intent("r1"), intent("r2", fire=T0 + 1), started("r1"))
    assert ids(store) == ["r1", "r2"]


def test_a_batch_that_fails_in_the_middle_leaves_nothing_behind(store, monkeypatch):
    commit(store, intent("r1"))
    monkeypatch.setattr(module, "_DEFINITION", "INSERT INTO nowhere VALUES (?, ?, ?)")
    bad = Record(
        entries=(Entry(run=run("r2", fire=T0 + 1)),),
        definitions=(Definition(task="a", digest="d", since=FireTime(T0)),),
        watermark=FireTime(T0 + 1),
    )
    with pytest.raises(HistoryError, match="nowhere"):
        commit(store, ended("r1"), bad)
    monkeypatch.undo()
    assert [(r.id, r.state) for r in query.runs(store.path)] == [("r1", "intent")]
    assert store.watermark() is None
    commit(store, ended("r1"), bad)
    assert ids(store) == ["r1", "r2"]


def test_an_error_that_is_not_the_databases_leaves_no_transaction_open(store):
    bad = replace(run("r1"), task="\udcff")  # not to be encoded
    with pytest.raises(UnicodeEncodeError):
        commit(store, Record(entries=(Entry(run=bad),)))
    commit(store, intent("r2"))
    assert ids(store) == ["r2"]


def test_rows_survive_the_writer(tmp_path):
    first = opened(tmp_path)
    commit(first, intent("r1"), intent("r2", "b"), ended("r2"))
    first.close()
    second = opened(tmp_path)
    assert ids(second) == ["r1", "r2"]
    assert second.unfinished() == [("r1", "a", "intent")]
    assert commit(second, intent("r3")) == {"r3"}  # r1 is that firing
    second.close()


def test_unfinished_runs_come_oldest_first(store):
    commit(store, intent("r2", "b"), intent("r1"), intent("r3", "c"))
    commit(store, started("r1"), ended("r3"))
    assert store.unfinished() == [("r2", "b", "intent"), ("r1", "a", "running")]


def test_an_end_keeps_what_is_known_of_the_start(store):
    commit(store, intent("r1"), started("r1", at=T0 + 0.5, pid=4))
    commit(store, ended("r1", Outcome.FAILED, exit_code=143, signal=15, reason="why"))
    row = query.find(store.path, "r1")
    assert row is not None
    assert (row.pid, row.started_at, row.ended_at) == (4, T0 + 0.5, T0 + 5.5)
    assert (row.outcome, row.exit_code, row.signal, row.reason) == ("failed", 143, 15, "why")


def test_a_commit_that_need_not_be_durable_is_a_commit(store):
    commit(store, intent("r1"))
    store.commit([started("r1")], at=T0, boot_id="b", durable=False)
    assert store.unfinished() == [("r1", "a", "running")]


def test_an_intent_is_written_through_to_the_disk(store, monkeypatch):
    commit(store, intent("r1"))
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# ── what a new service asks ───────────────────────────────────────────────────────────────


def test_a_new_history_knows_nothing(store):
    assert store.watermark() is None
    assert store.boot_id() is None
    assert store.decided() == {}
    assert store.unfinished() == []


def test_watermark_definitions_and_boot_come_back(tmp_path):
    first = opened(tmp_path)
    one = Definition(task="a", digest="d1", since=FireTime(T0))
    gone = Definition(task="b", digest="", since=FireTime(T0))
    commit(first, Record(definitions=(one, gone), watermark=FireTime(T0 + 7), rebooted=True))
    first.close()
    second = opened(tmp_path)
    assert second.watermark() == T0 + 7
    assert second.boot_id() == "boot-1"
    assert second.decided() == {"a": ("d1", T0 + 7), "b": ("", T0 + 7)}
    second.close()


def test_the_last_definition_is_the_one_in_force(store):
    for digest in ("d1", "d2"):
        commit(
            store, Record(definitions=(Definition(task="a", digest=digest, since=FireTime(T0)),))
        )
    assert store.decided() == {"a": ("d2", T0)}


def test_a_fire_recorded_ahead_of_the_watermark_is_decided(store):
    definitions = tuple(
        Definition(task=name, digest="d", since=FireTime(T0)) for name in ("a", "b")
    )
    commit(store, Record(definitions=definitions, watermark=FireTime(T0 + 9)))
    commit(store, intent("r1", "a", T0 + 10), intent("r2", "a", T0 + 3), intent("r3", "a", None))
    assert store.decided() == {"a": ("d", T0 + 10), "b": ("d", T0 + 9)}


def test_a_record_without_a_watermark_leaves_the_old_one(store):
    commit(store, Record(watermark=FireTime(T0)))
    commit(store, intent("r1"))
    assert store.watermark() == T0


def test_the_boot_is_recorded_only_when_its_fires_are_decided(store):
    commit(store, intent("r1"))
    assert store.boot_id() is None


# ── the file ──────────────────────────────────────────────────────────────────────────────


def test_the_file_is_for_its_owner_alone(tmp_path):
    old = os.umask(0)
    try:
        made = opened(tmp_path)
        commit(made, intent("r1"))
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    finally:
        os.umask(old)
    made.close()
    assert modes == dict.fromkeys(("history.db", "history.db-wal", "history.db-shm"), 0o600)


def test_a_history_of_a_newer_torch_is_refused_with_the_way_out(tmp_path):
    opened(tmp_path).close()
    db = sqlite3.connect(tmp_path / "history.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SettingsError, match=r"newer torch \(schema 99\)") as caught:
        opened(tmp_path)
    assert caught.value.hint == "install that version again, or set the file aside"


def test_a_file_that_is_no_database_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "history.db").write_text("not a database, " * 100)
    with pytest.raises(SettingsError, match="file is not a database") as caught:
        opened(tmp_path)
    assert "set the file aside" in caught.value.hint


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="No such file or directory"):
        opened(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SettingsError, match="Permission denied"):
            opened(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_in_the_files_place_is_refused(tmp_path):
    (tmp_path / "history.db").mkdir()
    with pytest.raises(SettingsError, match="Is a directory"):
        opened(tmp_path)


def test_a_lock_of_another_process_fails_the_batch_and_passes(store, monkeypatch):
    store._db.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="locked"):
        commit(store, intent("r1"))
    other.execute("ROLLBACK")
    other.close()
    assert commit(store, intent("r1")) == frozenset()
    assert ids(store) == ["r1"]


def test_a_disk_that_turns_read_only_fails_the_batch_and_passes(store):
    store._db.execute("PRAGMA query_only = 1")
    with pytest.raises(HistoryError, match="readonly"):
        commit(store, intent("r1"))
    store._db.execute("PRAGMA query_only = 0")
    commit(store, intent("r1"))
    assert ids(store) == ["r1"]


def test_a_history_that_is_locked_at_the_start_is_refused_and_taken_later(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.0)
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SettingsError, match="locked"):
        opened(tmp_path)
    other.close()
    opened(tmp_path).close()


def test_a_full_disk_fails_the_batch_and_passes(store):
    commit(store, intent("r1"))
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    long = "x" * 100_000
    with pytest.raises(HistoryError, match="full"):
        commit(store, ended("r1", reason=long))
    assert store.unfinished() == [("r1", "a", "intent")]
    store._db.execute("PRAGMA max_page_count = 100000")
    commit(store, ended("r1", reason=long))
    assert store.unfinished() == []


def test_a_reader_in_the_middle_of_reading_holds_up_no_writer(store):
    commit(store, intent("r1"), intent("r2", "b"))
    with query.reading(store.path) as db:
        rows = db.execute("SELECT id FROM run ORDER BY seq")
        assert rows.fetchone() == ("r1",)
        commit(store, intent("r3", "c"))
        assert rows.fetchall() == [("r2",)]
    assert ids(store) == ["r1", "r2", "r3"]
