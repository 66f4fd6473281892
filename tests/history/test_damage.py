"""Files that are really damaged: set aside, told, and a new one begun."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.history.rows import T0, commit, defined, ended, intent, opened, started
from torch.errors import SettingsError
from torch.history import query
from torch.history.damage import BESIDE, Renewed, beside, set_aside
from torch.history.store import SCHEMA_VERSION, HistoryClosed, HistoryDamaged, HistoryError, Store

STAMP = "20270115T080000Z"  # T0


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A history of two thousand rows, closed."""
    store = Store(str(tmp_path / "history.db"))
    records = [intent(f"r{n}", f"task-{n % 7}", T0 + n) for n in range(2000)]
    store.commit(records, at=T0, boot_id="b")
    store.close()
    return store.path


def overwrite(path: str, at: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(content)


def root_of(path: str, table: str) -> int:
    """Where the table's first page begins in the file."""
    db = sqlite3.connect(path)
    try:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return (int(db.execute(sql, (table,)).fetchone()[0]) - 1) * 4096
    finally:
        db.close()


def zero_the_header(path: str) -> None:
    overwrite(path, 0, bytes(100))


def cut_in_half(path: str) -> None:
    os.truncate(path, os.path.getsize(path) // 2 // 4096 * 4096)


def write_something_else(path: str) -> None:
    Path(path).write_text("not a database, " * 100, encoding="ascii")


def spoil_the_schema(path: str) -> None:
    overwrite(path, 100, b"\xff" * 3996)


@pytest.mark.parametrize(
    "damage", [zero_the_header, cut_in_half, write_something_else, spoil_the_schema]
)
def test_a_damaged_file_is_set_aside_when_it_is_opened(path, damage):
    damage(path)
    before = Path(path).read_bytes()
    store = Store(path, at=T0)
    assert store.damaged == f"{path}.damaged-{STAMP}"
    assert store.reason in ("file is not a database", "database disk image is malformed")
    assert Path(store.damaged).read_bytes() == before
    assert commit(store, intent("r1")) == frozenset()
    assert [row.id for row in query.runs(path)] == ["r1"]
    store.close()


def test_a_file_that_is_set_aside_is_told_though_no_new_one_can_be_begun(path, monkeypatch):
    write_something_else(path)
    told: list[tuple[str, str]] = []

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "_begun", refuse)
    with pytest.raises(SettingsError, match="full"):
        Store(path, at=T0, set_aside=lambda *each: told.append(each))
    assert told == [(f"{path}.damaged-{STAMP}", "file is not a database")]


def test_an_empty_file_is_simply_a_new_history(tmp_path):
    (tmp_path / "history.db").touch()
    store = Store(str(tmp_path / "history.db"), at=T0)
    assert store.damaged is None
    assert commit(store, intent("r1")) == frozenset()
    store.close()


def test_garbage_in_the_place_of_the_log_loses_nothing_that_is_in_the_file(path):
    Path(f"{path}-wal").write_bytes(b"\xa5" * 50_000)
    store = Store(path, at=T0)
    assert store.damaged is None
    assert len(store.unfinished()) == 2000
    store.close()


def test_damage_that_is_found_later_is_told_and_a_new_history_is_begun(path):
    overwrite(path, root_of(path, "run"), b"\xa5" * 4096)
    store = Store(path, at=T0)  # nothing looks there yet
    store.begin_service(pid=7, boot_id="b", at=T0)
    with pytest.raises(HistoryDamaged, match="malformed"):
        commit(store, intent("new"))
    assert store.begin_anew(at=T0).aside == f"{path}.damaged-{STAMP}"
    assert commit(store, intent("new")) == frozenset()
    assert [row.id for row in query.runs(path)] == ["new"]
    assert query.down_at(path, T0 + 1) is not None  # past its last sign of life
    assert query.down_at(path, T0) is None  # the new one knows the service that lives
    store.close()


def test_damage_is_told_by_what_a_new_service_asks_too(path):
    overwrite(path, root_of(path, "run"), b"\xa5" * 4096)
    store = Store(path, at=T0)
    with pytest.raises(HistoryDamaged):
        store.unfinished()
    store.begin_anew(at=T0)
    assert store.unfinished() == []
    store.close()


def test_what_lies_beside_a_damaged_file_goes_with_it(path):
    for end in ("-wal", "-shm", "-journal"):
        Path(path + end).write_bytes(end.encode())
    aside = set_aside(path, at=T0)
    for end in ("-wal", "-shm", "-journal"):
        assert Path(aside + end).read_bytes() == end.encode()
        assert not os.path.exists(path + end)


def test_a_second_damage_in_the_same_second_has_a_name_of_its_own(path):
    for name in ("", "-2", "-3"):
        write_something_else(path)
        store = Store(path, at=T0)
        assert store.damaged == f"{path}.damaged-{STAMP}{name}"
        store.close()


def test_a_file_that_is_removed_while_it_is_open_is_noticed_with_the_next_commit(path):
    store = Store(path, at=T0)
    os.unlink(path)
    with pytest.raises(HistoryDamaged, match="removed or replaced"):
        commit(store, intent("new"))
    assert store.begin_anew(at=T0).aside == store.damaged == ""  # only its log was left
    assert os.path.exists(f"{path}.damaged-{STAMP}-wal")
    assert commit(store, intent("new")) == frozenset()
    assert [row.id for row in query.runs(path)] == ["new"]
    store.close()


def test_a_file_that_is_cut_short_while_it_is_open_is_noticed_with_the_next_commit(tmp_path):
    store = opened(tmp_path)
    commit(store, intent("r1"))
    os.truncate(store.path, 0)
    with pytest.raises(HistoryDamaged, match="cut short"):
        commit(store, intent("r2", fire=T0 + 1))
    assert store.begin_anew(at=T0).aside
    commit(store, intent("r2", fire=T0 + 1))
    assert [row.id for row in query.runs(store.path)] == ["r2"]
    store.close()


def test_a_good_file_that_is_put_in_its_place_is_taken(path, tmp_path):
    other = Store(str(tmp_path / "other.db"))
    commit(other, intent("old"))
    other.close()
    store = Store(path, at=T0)
    os.rename(other.path, path)
    with pytest.raises(HistoryDamaged, match="removed or replaced"):
        commit(store, intent("new", fire=T0 + 1))
    assert store.begin_anew(at=T0) == Renewed(aside=None)
    commit(store, intent("new", fire=T0 + 1))
    assert [row.id for row in query.runs(path)] == ["new", "old"]
    store.close()


def edit(path: str, *statements: str) -> None:
    """As a person does it, with sqlite3."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement).fetchall()


def test_a_store_that_was_closed_says_so_and_never_that_the_file_is_damaged(path):
    store = Store(path, at=T0)
    store.close()
    for attempt in (
        lambda: commit(store, intent("late")),
        lambda: store.end_service(at=T0, how="stopped"),
        lambda: store.recall(at=T0),
        lambda: store.begin_anew(at=T0, refused=True),
    ):
        with pytest.raises((HistoryClosed, SettingsError), match="closed"):
            attempt()
    store.close()
    assert os.listdir(os.path.dirname(path)) == ["history.db"]
    assert len(query.runs(path, limit=3000)) == 2000


def test_a_file_that_became_smaller_by_a_vacuum_is_used_on(path):
    edit(path, "CREATE TABLE big AS SELECT randomblob(2000000)")
    store = Store(path, at=T0)
    commit(store, intent("before", "new"))
    edit(path, "DROP TABLE big", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
    with pytest.raises(HistoryDamaged, match="cut short"):
        commit(store, intent("after", "new", T0 + 1))
    assert store.begin_anew(at=T0) == Renewed(aside=None, same=True)
    commit(store, intent("after", "new", T0 + 1))
    assert store.damaged is None
    assert {"before", "after", "r1999"} <= store.is_recorded(["before", "after", "r1999"])
    store.close()


def test_a_copy_without_gaps_that_was_put_in_its_place_is_used_on(path):
    store = Store(path, at=T0)
    edit(path, f"VACUUM INTO '{path}.new'")
    os.rename(f"{path}.new", path)
    with pytest.raises(HistoryDamaged, match="removed or replaced"):
        commit(store, intent("after", "new"))
    assert store.begin_anew(at=T0) == Renewed(aside=None)
    commit(store, intent("after", "new"))
    assert {"after", "r1999"} == store.is_recorded(["after", "r1999"])
    store.close()


@pytest.mark.parametrize("checkpoint", [True, False])
@pytest.mark.parametrize("head", [bytes(100), b"\xff" * 16])
def test_a_head_that_was_overwritten_is_restored_if_all_else_is_sound(path, head, checkpoint):
    store = Store(path, at=T0)
    commit(store, intent("before", "new"))
    if checkpoint:
        edit(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(path, 0, head)
    with pytest.raises(HistoryDamaged, match="head of the file"):
        commit(store, intent("after", "new", T0 + 1))
    assert store.begin_anew(at=T0) == Renewed(aside=None, same=True)
    commit(store, intent("after", "new", T0 + 1))
    overwrite(path, 0, head)
    store.close()  # so that the next service can read it
    assert query.find(path, "after") is not None
    assert Store(path, at=T0).damaged is None


def test_a_head_that_stands_in_the_write_ahead_log_alone_is_no_damage(path):
    store = Store(path, at=T0)
    commit(store, intent("before", "new"))
    edit(path, f"PRAGMA user_version = {SCHEMA_VERSION}")  # its page goes into the log
    for end in ("", "-wal"):
        shutil.copy(path + end, path + ".killed" + end)
    overwrite(path + ".killed", 0, bytes(100))
    store.close()
    killed = Store(path + ".killed", at=T0)
    assert killed.damaged is None
    commit(killed, intent("after", "new", T0 + 1))
    assert {"before", "after", "r1"} == killed.is_recorded(["before", "after", "r1"])
    killed.close()


def test_a_file_that_cannot_be_used_though_nothing_is_found_is_set_aside_then(path):
    store = Store(path, at=T0)
    assert store.begin_anew(at=T0) == Renewed(aside=None, same=True)
    assert store.begin_anew(at=T0, refused=True).aside == f"{path}.damaged-{STAMP}"
    store.close()


def test_the_write_ahead_log_of_another_services_file_is_not_touched(path):
    """Somebody removed the whole directory, and a new service lives there."""
    old = Store(path, at=T0)
    commit(old, intent("old", "new"))
    for end in ("", *BESIDE):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + end)
    new = Store(path, at=T0)
    commit(new, intent("r1"))
    before = beside(path)
    assert set(before) == {"-wal", "-shm"}
    with pytest.raises(HistoryDamaged, match="removed or replaced"):
        commit(old, intent("late", "new", T0 + 1))
    old.close()
    assert beside(path) == before
    assert set_aside(path, at=T0, only={"-wal": (0, 0)}) == ""
    assert beside(path) == before
    commit(new, intent("r2", fire=T0 + 1))
    new.close()
    assert [row.id for row in query.runs(path)] == ["r2", "r1"]


def test_our_own_write_ahead_log_beside_another_file_goes_before_that_is_used(path, tmp_path):
    other = Store(str(tmp_path / "other.db"))
    commit(other, intent("old"))
    other.close()
    store = Store(path, at=T0)
    commit(store, intent("lost", "new"))
    ours = beside(path)
    os.rename(other.path, path)
    store.begin_anew(at=T0)
    aside = beside(f"{path}.damaged-{STAMP}")
    assert aside["-wal"] == ours["-wal"]
    assert store.is_recorded(["old", "lost"]) == {"old"}
    store.close()


def test_a_new_history_that_cannot_be_begun_now_is_begun_later(path):
    store = Store(path, at=T0)
    write_something_else(path)
    folder = os.path.dirname(path)
    os.rename(folder, folder + "-away")
    with pytest.raises(HistoryError, match="cannot be created"):
        store.begin_anew(at=T0)
    with pytest.raises(HistoryDamaged, match="could not be created"):
        commit(store, intent("r1"))
    os.rename(folder + "-away", folder)
    store.begin_anew(at=T0)
    assert commit(store, intent("r1"), ended("r1"), defined("a", "d")) == frozenset()
    store.close()


def test_a_newer_history_is_refused_and_stays_where_it_is(path, tmp_path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SettingsError, match="newer torch"):
        Store(path, at=T0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["history.db"]


def test_a_reader_of_a_damaged_file_says_the_way_out(path):
    overwrite(path, root_of(path, "run"), b"\xa5" * 4096)
    with pytest.raises(SettingsError, match="malformed") as caught:
        query.runs(path)
    assert "restart" in caught.value.hint


def test_a_new_service_that_meets_damage_knows_nothing_and_goes_on(path):
    overwrite(path, root_of(path, "run"), b"\xa5" * 4096)
    store = Store(path, at=T0)
    found = store.recall(at=T0)
    assert (found.unfinished, found.decided, found.last) == ([], {}, {})
    assert store.damaged == f"{path}.damaged-{STAMP}"
    assert "malformed" in store.reason
    store.close()


def test_a_good_history_is_recalled_whole(path):
    store = Store(path, at=T0)
    commit(store, defined("task-1", "d"), ended("r1"))
    found = store.recall(at=T0)
    assert len(found.unfinished) == 1999
    assert found.decided == {"task-1": ("d", T0 + 1996)} == store.decided()
    assert found.last == store.newest_ends(["task-1"])
    assert (found.boot_id, found.paused, store.damaged) == (None, {}, None)
    store.close()


@pytest.mark.parametrize("seed", [*range(60), 608])
def test_whatever_is_damaged_the_service_goes_on(path, seed):
    chance = random.Random(seed)
    size = os.path.getsize(path)
    for _ in range(chance.choice([1, 1, 3])):
        length = chance.choice([1, 50, 4096, 20_000])
        filler = chance.choice([bytes(length), chance.randbytes(length)])
        overwrite(path, chance.randrange(100, size), filler[: size - 4096])
    store = Store(path, at=T0)
    store.recall(at=T0)
    new = [intent("new", "new", T0), defined("task-3", "d9"), started("r9"), ended("r10")]
    try:
        commit(store, *new)
    except HistoryDamaged:
        store.begin_anew(at=T0)
        commit(store, *new)
    assert "new" in store.is_recorded(["new"])
    store.close()
