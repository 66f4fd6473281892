"""What the history refuses is not started, not forgotten, and a damaged one is begun anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.rows import T0, ended, intent, never, offered, pragma, run, started, stopping
from torch.clock import FireTime, Now
from torch.daemon.recorder import Recorder, Written
from torch.event import Event, HistoryRecovered, HistoryReopened, HistorySetAside
from torch.history import query
from torch.history.store import HistoryDamaged, Store
from torch.run import Outcome
from torch.schedule.record import Paused, Pausing, Rebooted, Record, Watermark

NOW = Now(float(T0), 100.0)
LATER = Now(T0 + 5.0, 105.0)


class Desk:
    """A recorder on a real history, with what it told."""

    def __init__(self, path: str) -> None:
        self.told: list[Event] = []
        self.store = Store(path, at=T0, set_aside=self._set_aside)
        self.ours = True
        self.recorder = Recorder(
            self.store, boot_id="b", tell=self.told.append, is_ours=lambda: self.ours
        )

    def _set_aside(self, path: str, reason: str) -> None:
        self.told.append(HistorySetAside(path=path, reason=reason))

    def write(self, *batch: Record, now: Now = NOW) -> Written:
        return self.recorder.write(list(batch), now)

    def break_(self) -> None:
        pragma(self.store, "query_only = 1")

    def mend(self) -> None:
        pragma(self.store, "query_only = 0")

    def ids(self) -> list[str]:
        return [row.id for row in reversed(query.runs(self.store.path))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(str(tmp_path / "history.db"))
    yield made
    made.store.close()


def test_a_batch_on_disk_names_the_ends_that_are_in_it(desk):
    written = desk.write(intent("r1"), started("r1"), ended("r1"), intent("r2", "b"))
    assert written == Written(ended=("r1",))
    assert desk.write() == Written()


def test_an_intent_that_lost_is_refused_and_nothing_failed(desk):
    desk.write(intent("r1"))
    assert desk.write(intent("r2")) == Written(refused=frozenset({"r2"}))


def test_what_cannot_be_written_is_owed_and_its_intents_are_not(desk):
    desk.write(intent("r1"))
    desk.break_()
    written = desk.write(ended("r1"), never("r2", Outcome.MISSED, fire=T0 + 1), intent("r3", "b"))
    assert written.refused == {"r3"}
    assert "readonly" in written.failed
    assert desk.recorder.owes
    desk.mend()
    assert desk.write(now=LATER).ended == ("r1",)
    assert desk.ids() == ["r1", "r2"]
    assert desk.told == [HistoryRecovered(seconds=5.0)]
    assert not desk.recorder.owes


def test_progress_of_an_intent_that_was_refused_in_the_same_batch_is_dropped(desk):
    desk.break_()
    kept = run("r1")
    desk.write(intent("r2", "b"), started(run("r2", "b")), ended(kept))
    desk.mend()
    desk.write(now=LATER)
    assert desk.ids() == ["r1"]


def test_a_watermark_alone_is_owed_too(desk):
    desk.break_()
    desk.write(Record((Watermark(at=FireTime(T0 + 9)),)))
    desk.mend()
    desk.write(now=LATER)
    assert desk.store.watermark() == T0 + 9


@pytest.mark.parametrize(
    ("record", "durable"),
    [
        (intent("r2", "b"), True),
        (never("r2", Outcome.SKIPPED, "b"), True),
        (offered("r1"), True),
        (started("r1"), False),
        (stopping("r1"), False),
        (ended("r1"), True),
        (Record((Pausing(task="a", pause=Paused(since=FireTime(T0))),)), True),
        (Record((Pausing(task="a", pause=None),)), True),
        (Record((Rebooted(),)), True),
        (Record((Watermark(at=FireTime(T0)),)), False),
    ],
)
def test_what_must_outlive_a_loss_of_power_is_written_through(desk, record, durable):
    desk.write(intent("r1"))
    desk.write(record)
    assert pragma(desk.store, "synchronous") == (2 if durable else 1)


def test_a_damaged_history_is_begun_anew_with_the_batch_in_it(desk):
    desk.write(intent("r1"), started("r1"))
    os.unlink(desk.store.path)
    gone = run("r1")
    written = desk.write(intent("r2", "b"), ended(gone))
    assert written == Written(ended=("r1",), reset=True)
    assert desk.ids() == ["r2", "r1"]
    (told,) = desk.told
    assert isinstance(told, HistorySetAside)
    assert told.reason == "the file was removed or replaced"
    assert desk.write(intent("r3", "c")) == Written()


def test_a_new_history_that_cannot_be_begun_yet_is_a_failure_that_passes(desk, tmp_path):
    desk.write(intent("r1"))
    away = tmp_path.parent / f"{tmp_path.name}-away"
    tmp_path.rename(away)
    written = desk.write(intent("r2", "b"), ended(run("r1")))
    assert written.refused == {"r2"}
    assert "cannot be created" in written.failed
    assert not written.reset
    tmp_path.mkdir()
    written = desk.write(now=LATER)
    assert written == Written(ended=("r1",), reset=True)
    assert desk.ids() == ["r1"]
    assert [type(event) for event in desk.told] == [HistorySetAside, HistoryRecovered]


def test_a_store_that_was_closed_refuses_the_batch_and_nothing_is_set_aside(desk, tmp_path):
    desk.write(intent("r1"), started("r1"))
    desk.store.close()
    written = desk.write(ended("r1"), intent("r2", "b"))
    assert written == Written(refused=frozenset({"r2"}), failed="the history is closed")
    assert desk.told == []
    assert [path.name for path in tmp_path.iterdir()] == ["history.db"]
    assert desk.ids() == ["r1"]


def test_a_sound_file_that_was_put_in_its_place_is_used_and_that_is_told(desk, tmp_path):
    other = Store(str(tmp_path / "other.db"))
    other.close()
    os.rename(other.path, desk.store.path)
    assert desk.write(intent("r1")) == Written(reset=True)
    (told,) = desk.told
    assert told == HistoryReopened(reason="the file was removed or replaced")
    assert desk.ids() == ["r1"]


def test_a_file_that_merely_changed_needs_nothing_again(desk):
    desk.write(intent("r1"))
    with open(desk.store.path, "r+b") as file:
        file.write(bytes(100))
    assert desk.write(intent("r2", "b")) == Written()
    assert [type(event) for event in desk.told] == [HistoryReopened]
    assert desk.ids() == ["r1", "r2"]


def test_what_is_refused_after_a_look_that_found_nothing_is_set_aside(desk, monkeypatch):
    commit, refusals = desk.store.commit, [HistoryDamaged("malformed"), HistoryDamaged("again")]

    def refuse(*args, **keys):
        if refusals:
            raise refusals.pop(0)
        return commit(*args, **keys)

    monkeypatch.setattr(desk.store, "commit", refuse)
    assert desk.write(intent("r1")) == Written(reset=True)
    assert [type(event) for event in desk.told] == [HistoryReopened, HistorySetAside]
    assert desk.told[1].reason == "again"


def test_in_a_directory_that_is_another_services_nothing_is_set_aside_or_begun(desk, tmp_path):
    desk.write(intent("r1"))
    desk.ours = False
    os.unlink(desk.store.path)
    written = desk.write(intent("r2", "b"), ended(run("r1")))
    assert written.refused == {"r2"} and "no longer belongs to this service" in written.failed
    assert desk.told == []
    assert not os.path.exists(desk.store.path)
    assert {path.name for path in tmp_path.iterdir()} == {"history.db-wal", "history.db-shm"}
