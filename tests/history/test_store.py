"""The writer of the history, on real files."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.history.rows import T0, commit, defined, ended, intent, opened, pragma, run, sql, started
from torch.clock import FireTime
from torch.definition import from_text
from torch.errors import SettingsError, TryAgain
from torch.history import connection as module
from torch.history import query, reader, statements
from torch.history.store import SCHEMA_VERSION, HistoryError, Store
from torch.run import Outcome, Usage
from torch.schedule.expression import Expression
from torch.schedule.record import Defined, Entry, File, Rebooted, Record, Watermark
from torch.task import Task


def ids(store: Store) -> list[str]:
    return [row.id for row in reversed(query.runs(store.path, limit=1000))]


def live(store: Store) -> list[tuple[str, str, str]]:
    return [(found.run.id, found.run.task, found.state) for found in store.unfinished()]


# ── transactions ──────────────────────────────────────────────────────────────────────────


def test_a_batch_is_written_whole(store):
    commit(store, intent("r1"), intent("r2", fire=T0 + 1), started("r1"))
    assert ids(store) == ["r1", "r2"]


def test_a_batch_that_fails_in_the_middle_leaves_nothing_behind(store, monkeypatch):
    commit(store, intent("r1"))
    monkeypatch.setattr(statements, "_IN_FORCE", "INSERT INTO nowhere VALUES (?, ?, ?, ?)")
    facts = (*intent("r2", fire=T0 + 1).facts, *defined("a", "d").facts)
    bad = Record((*facts, Watermark(at=FireTime(T0 + 1))))
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
        commit(store, Record((Entry(run=bad),)))
    commit(store, intent("r2"))
    assert ids(store) == ["r2"]


def test_rows_survive_the_writer(tmp_path):
    first = opened(tmp_path)
    commit(first, intent("r1"), intent("r2", "b"), ended("r2"))
    first.close()
    second = opened(tmp_path)
    assert ids(second) == ["r1", "r2"]
    assert live(second) == [("r1", "a", "intent")]
    assert commit(second, intent("r3")) == {"r3"}  # r1 is that firing
    second.close()


def test_unfinished_runs_come_oldest_first(store):
    commit(store, intent("r2", "b"), intent("r1"), intent("r3", "c"))
    commit(store, started("r1"), ended("r3"))
    assert live(store) == [("r2", "b", "intent"), ("r1", "a", "running")]


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
    assert live(store) == [("r1", "a", "running")]


def test_an_intent_is_written_through_to_the_disk(store, monkeypatch):
    commit(store, intent("r1"))
    assert pragma(store, "synchronous") == 2  # FULL
    assert pragma(store, "journal_mode") == "wal"


# ── what a new service asks ───────────────────────────────────────────────────────────────


def test_a_new_history_knows_nothing(store):
    assert store.watermark() is None
    assert store.boot_id() is None
    assert store.decided() == {}
    assert store.unfinished() == []


def test_watermark_definitions_and_boot_come_back(tmp_path):
    first = opened(tmp_path)
    commit(first, defined("a", "d1"), defined("b", ""))
    commit(first, Record((Watermark(at=FireTime(T0 + 7)), Rebooted())))
    first.close()
    second = opened(tmp_path)
    assert second.watermark() == T0 + 7
    assert second.boot_id() == "boot-1"
    assert second.decided() == {"a": ("d1", T0 + 7), "b": ("", T0 + 7)}
    second.close()


def test_the_last_definition_is_the_one_in_force(store):
    for digest in ("d1", "d2"):
        commit(store, defined("a", digest))
    assert store.decided() == {"a": ("d2", T0)}


def test_a_fire_recorded_ahead_of_the_watermark_is_decided(store):
    commit(store, defined("a", "d"), defined("b", "d"), Record((Watermark(at=FireTime(T0 + 9)),)))
    commit(store, intent("r1", "a", T0 + 10), intent("r2", "a", T0 + 3), intent("r3", "a", None))
    assert store.decided() == {"a": ("d", T0 + 10), "b": ("d", T0 + 9)}


def test_a_record_without_a_watermark_leaves_the_old_one(store):
    commit(store, Record((Watermark(at=FireTime(T0)),)))
    commit(store, intent("r1"))
    assert store.watermark() == T0


def test_the_boot_is_recorded_only_when_its_fires_are_decided(store):
    commit(store, intent("r1"))
    assert store.boot_id() is None


# ── definitions, files, services ──────────────────────────────────────────────────────────


def in_force(store: Store) -> list[tuple[str, int, str]]:
    return sql(store, "SELECT task, since, digest FROM in_force")


def texts(store: Store) -> list[str]:
    found = sql(store, "SELECT digest FROM definition_text ORDER BY digest")
    return [digest for (digest,) in found]


def many(digest: str, since: int = T0, count: int = 500) -> Record:
    found = [d for n in range(count) for d in defined(f"t{n:03}", digest, since).facts]
    return Record(tuple(found))


def changed(store: Store) -> int:
    return int(sql(store, "SELECT total_changes()")[0][0])


@pytest.mark.parametrize("count", [3, 500])
def test_only_a_definition_that_is_new_is_written(store, count):
    commit(store, many("d1", count=count))
    assert len(in_force(store)) == count
    assert texts(store) == ["d1"]
    changes = changed(store)
    commit(store, many("d1", T0 + 5, count=count))
    assert changed(store) == changes + 1  # seen_at
    commit(store, many("d2", T0 + 9, count=count), many("d1", T0 + 19, count=count))
    assert len(in_force(store)) == 3 * count
    assert texts(store) == ["d1", "d2"]


@pytest.mark.parametrize("count", [3, 500])
def test_a_big_step_back_takes_later_definitions_away(store, count):
    commit(store, many("d1", T0, count=count), many("d2", T0 + 900, count=count))
    commit(store, many("d2", T0 + 100, count=count))
    assert {(since, digest) for _, since, digest in in_force(store)} == {
        (T0, "d1"),
        (T0 + 100, "d2"),
    }
    assert len(in_force(store)) == 2 * count


def test_a_definition_of_a_batch_that_failed_is_written_with_the_next(store):
    pragma(store, "query_only = 1")
    with pytest.raises(HistoryError):
        commit(store, defined("a", "d"))
    pragma(store, "query_only = 0")
    commit(store, defined("a", "d"))
    assert in_force(store) == [("a", T0, "d")]


def file(version: str) -> Record:
    return Record((File(version=version, commit=None),))


def test_a_file_is_recorded_when_it_changes_and_at_each_start_of_a_service(tmp_path):
    first = opened(tmp_path)
    for number, version in enumerate(("v1", "v1", "v2", "v1")):
        commit(first, file(version), at=T0 + number)
    first.close()
    second = opened(tmp_path)
    commit(second, file("v1"), at=T0 + 9)
    found = sql(second, "SELECT at - ?, version FROM loaded", T0)
    assert found == [(0, "v1"), (2, "v2"), (3, "v1"), (9, "v1")]
    second.close()


def spans(store: Store) -> list[tuple[float, float | None, str | None]]:
    return sql(store, "SELECT started_at, ended_at, how FROM service ORDER BY seq")


def test_a_service_lives_from_its_beginning_to_its_end(store):
    store.begin_service(pid=7, boot_id="b", at=T0)
    assert spans(store) == [(T0, None, None)]
    store.end_service(at=T0 + 9.5, how="SIGTERM")
    assert spans(store) == [(T0, T0 + 9.5, "SIGTERM")]


def test_a_service_that_died_lived_up_to_its_last_commit(store):
    store.begin_service(pid=7, boot_id="b", at=T0)
    commit(store, intent("r1"), at=T0 + 77.25)
    store.begin_service(pid=8, boot_id="b", at=T0 + 100)
    store.begin_service(pid=9, boot_id="b", at=T0 + 200)
    assert spans(store) == [
        (T0, T0 + 77.25, "died"),
        (T0 + 100, T0 + 100, "died"),
        (T0 + 200, None, None),
    ]


# ── an older file ─────────────────────────────────────────────────────────────────────────


SCHEMA_FILES = Path(module.__file__).parent / "schema"


@pytest.fixture
def first_schema(tmp_path):
    """A history as the first version left it: one run ended, one lives."""
    script = (SCHEMA_FILES / "001.sql").read_text("utf-8")
    path = tmp_path / "history.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"{script}; PRAGMA user_version = 1")
    row = "INSERT INTO run (id, task, fire_time, trigger, attempt, state, outcome, pid, "
    row += "recorded_at, version, boot_id) VALUES (?, 'a', ?, 'schedule', 1, ?, ?, 7, ?, 'v', 'b')"
    db.execute(row, ("r1", T0, "finished", "failed", T0))
    db.execute(row, ("r2", T0 + 10, "running", None, T0 + 10))
    db.execute("INSERT INTO definition VALUES ('a', 'd1', ?), ('b', '', ?)", (T0, T0 + 3))
    db.execute("INSERT INTO meta VALUES ('watermark', ?), ('boot_id', 'b')", (str(T0 + 10),))
    db.close()
    return path


def test_a_file_of_the_first_schema_is_brought_up_to_date_with_its_rows(first_schema):
    store = Store(str(first_schema))
    assert pragma(store, "user_version") == SCHEMA_VERSION
    assert ids(store) == ["r1", "r2"]
    assert store.decided() == {"a": ("d1", T0 + 10), "b": ("", T0 + 10)}
    (found,) = store.unfinished()
    assert (found.run.id, found.pid, found.definition) == ("r2", 7, None)
    assert commit(store, intent("r3", fire=T0), intent("r4", fire=T0 + 20)) == {"r3"}
    assert query.known_tasks(store.path) == ["a", "b"]
    assert [row.id for row in query.runs(store.path, bad_only=True)] == ["r1"]
    store.close()


def test_the_migrated_file_has_the_shape_of_a_new_one(first_schema, tmp_path):
    (tmp_path / "new").mkdir()
    fresh, old = opened(tmp_path / "new"), Store(str(first_schema))
    shapes = [
        (
            sorted(sql(each, "SELECT type, name, tbl_name FROM sqlite_master")),
            sql(each, "SELECT * FROM pragma_table_info('run')"),
        )
        for each in (fresh, old)
    ]
    assert shapes[0] == shapes[1]
    fresh.close()
    old.close()


def test_runs_recorded_before_usage_was_have_none_and_what_lives_on_gets_its_own(tmp_path):
    path = tmp_path / "history.db"
    db = sqlite3.connect(path, isolation_level=None)
    for version in (1, 2, 3):
        db.executescript((SCHEMA_FILES / f"{version:03}.sql").read_text("utf-8"))
    row = "INSERT INTO run (id, task, trigger, attempt, state, outcome, recorded_at, version, "
    row += "boot_id) VALUES (?, 'a', 'manual', 1, ?, ?, ?, 'v', 'b')"
    db.execute(row, ("r1", "finished", "succeeded", T0))
    db.execute(row, ("r2", "running", None, T0))
    db.execute("PRAGMA user_version = 3")
    db.close()
    store = Store(str(path))
    commit(store, ended("r2", usage=Usage(cpu_seconds=1.5, max_rss=4096)))
    found = {row.id: (row.outcome, row.cpu_seconds, row.max_rss) for row in query.runs(store.path)}
    assert found == {"r1": ("succeeded", None, None), "r2": ("succeeded", 1.5, 4096)}
    store.close()


def test_a_definition_that_came_from_a_first_schema_gets_its_text_with_the_next_load(first_schema):
    db = Store(str(first_schema))
    name, digest = sql(db, "SELECT task, digest FROM in_force WHERE digest <> '' LIMIT 1")[0]
    task = Task(name=name, command="true", digest=digest)
    commit(db, Record((Defined(name=name, since=FireTime(2**33), task=task),)))
    texts = sql(db, f"SELECT text FROM definition_text WHERE digest = '{digest}'")
    assert [from_text(text, parse=Expression.parse) for (text,) in texts] == [task]
    db.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(first_schema, monkeypatch):
    db = sqlite3.connect(first_schema)
    db.execute("CREATE TABLE service (x)")
    db.commit()
    with pytest.raises(SettingsError, match="service already exists"):
        Store(str(first_schema))
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM definition").fetchone() == (2,)
    db.close()


def test_readers_of_a_file_that_the_service_has_not_brought_up_to_date_say_so(first_schema):
    with pytest.raises(TryAgain, match="of an older torch") as caught:
        query.runs(str(first_schema))
    assert "torch restart" in caught.value.hint


def test_readers_and_writer_mean_the_same_schema():
    assert reader.SCHEMA == SCHEMA_VERSION


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
    assert caught.value.hint == "install that version again, or move the file away"


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


def test_a_disk_that_takes_nothing_at_the_start_is_refused_and_nothing_is_set_aside(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(SettingsError, match=r"disk I/O error|full") as caught:
            opened(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "free disk space" in caught.value.hint
    assert [entry.name for entry in tmp_path.iterdir() if "damaged" in entry.name] == []
    opened(tmp_path).close()  # and with room it is made


def test_a_folder_in_the_files_place_is_refused(tmp_path):
    (tmp_path / "history.db").mkdir()
    with pytest.raises(SettingsError, match="Is a directory"):
        opened(tmp_path)


def test_a_lock_of_another_process_fails_the_batch_and_passes(store, monkeypatch):
    pragma(store, "busy_timeout = 1")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="locked"):
        commit(store, intent("r1"))
    other.execute("ROLLBACK")
    other.close()
    assert commit(store, intent("r1")) == frozenset()
    assert ids(store) == ["r1"]


def test_a_disk_that_turns_read_only_fails_the_batch_and_passes(store):
    pragma(store, "query_only = 1")
    with pytest.raises(HistoryError, match="readonly"):
        commit(store, intent("r1"))
    pragma(store, "query_only = 0")
    commit(store, intent("r1"))
    assert ids(store) == ["r1"]


def test_a_history_that_is_locked_at_the_start_is_refused_and_taken_later(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.0)
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TryAgain, match="locked"):
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
    assert live(store) == [("r1", "a", "intent")]
    pragma(store, "max_page_count = 100000")
    commit(store, ended("r1", reason=long))
    assert store.unfinished() == []


def test_a_reader_in_the_middle_of_reading_holds_up_no_writer(store):
    commit(store, intent("r1"), intent("r2", "b"))
    with reader.reading(store.path) as db:
        found = db.execute("SELECT id FROM run ORDER BY seq")
        assert found.fetchone() == ("r1",)
        commit(store, intent("r3", "c"))
        assert found.fetchall() == [("r2",)]
    assert ids(store) == ["r1", "r2", "r3"]
