"""When old rows are removed. The loop's clock is moved by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.rows import T0, commit, ended, intent
from torch.daemon import pruning
from torch.daemon.pruning import Pruner
from torch.event import Event, PartFailed
from torch.history import query
from torch.history.store import HistoryError, Store
from torch.testing import FakeClock

DAY = 86_400


class Moved(asyncio.SelectorEventLoop):
    """Timers go by a time that is set; nothing waits for it."""

    now = 0.0
    _scheduled: list[asyncio.TimerHandle]  # asyncio's own heap

    def time(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            self.run_until_complete(asyncio.sleep(0))
            due = [timer.when() for timer in self._scheduled if not timer.cancelled()]
            soon = min(due, default=until + 1)
            if soon > until:
                break
            self.now = max(self.now, soon)
        self.now = until


class Desk:
    def __init__(self, path: str) -> None:
        self.loop = Moved()
        self.clock = FakeClock(T0 + 100.0 * DAY)
        self.store = Store(path)
        self.told: list[Event] = []
        self.slices = 0

    def begin(self, days: int = 90, rows: int = 1_000_000) -> Pruner:
        async def make() -> Pruner:
            return Pruner(self.store, clock=self.clock, days=days, rows=rows, tell=self.told.append)

        return self.loop.run_until_complete(make())

    def fill(self, name: str, count: int, at: float = T0) -> None:
        for number in range(count):
            run_id = f"{name}{number}"
            commit(self.store, intent(run_id, name, None), ended(run_id), at=at)

    def count(self) -> int:
        return len(query.runs(self.store.path, limit=100_000))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(str(tmp_path / "history.db"))
    yield made
    made.loop.close()
    made.store.close()


def test_old_rows_go_a_minute_after_the_start_and_then_every_hour(desk):
    desk.fill("old", 5)
    desk.fill("new", 3, at=T0 + 50 * DAY)
    pruner = desk.begin()
    desk.loop.pass_(59)
    assert desk.count() == 8
    desk.loop.pass_(2)
    assert desk.count() == 3
    desk.clock.wall += 100 * DAY
    desk.loop.pass_(3500)
    assert desk.count() == 3
    desk.loop.pass_(200)
    assert desk.count() == 0
    pruner.close()


def test_where_no_row_went_nothing_else_is_looked_through(desk, monkeypatch):
    looked = []

    def look(limits):
        looked.append(limits)
        return False

    monkeypatch.setattr(desk.store, "prune_rest", look)
    desk.fill("new", 3, at=T0 + 99 * DAY)
    pruner = desk.begin()
    desk.loop.pass_(61)
    assert not looked
    desk.fill("old", 3)
    desk.loop.pass_(3700)
    assert len(looked) == 1
    pruner.close()


def test_rows_that_are_too_many_go_too(desk):
    desk.fill("new", 30, at=T0 + 99 * DAY)
    pruner = desk.begin(rows=10)
    desk.loop.pass_(61)
    assert desk.count() == 10
    pruner.close()


def test_a_round_is_cut_into_slices_with_a_pause_after_each(desk, monkeypatch):
    times = []
    prune = desk.store.prune

    def slice_of_two(limits, *, after):
        times.append(desk.loop.time())
        return prune(limits, after=after, limit=2)

    monkeypatch.setattr(desk.store, "prune", slice_of_two)
    desk.fill("old", 7)
    pruner = desk.begin()
    desk.loop.pass_(62)
    assert desk.count() == 0
    assert times == pytest.approx([pruning.FIRST + n * pruning.PAUSE for n in range(4)])
    pruner.close()


def test_nothing_is_pruned_after_the_close(desk):
    desk.fill("old", 3)
    pruner = desk.begin()
    desk.loop.pass_(30)
    pruner.close()
    desk.loop.pass_(7200)
    assert desk.count() == 3


def test_a_history_that_cannot_be_written_is_pruned_the_next_time_and_told_once(desk):
    desk.fill("old", 3)
    desk.store._db.execute("PRAGMA query_only = 1")
    pruner = desk.begin()
    desk.loop.pass_(3 * pruning.EVERY)
    (told,) = desk.told
    assert isinstance(told, PartFailed)
    assert (told.part, told.reason) == (
        "pruning of the history",
        "attempt to write a readonly database",
    )
    desk.store._db.execute("PRAGMA query_only = 0")
    desk.loop.pass_(pruning.EVERY)
    assert desk.count() == 0
    pruner.close()


def test_a_failure_in_the_middle_of_each_round_is_told_once(desk, monkeypatch):
    prune, slices = desk.store.prune, []

    def damaged_further_on(limits, *, after):
        slices.append(after)
        if after:
            raise HistoryError("database disk image is malformed")
        return prune(limits, after=after, limit=2)

    monkeypatch.setattr(desk.store, "prune", damaged_further_on)
    desk.fill("old", 20)
    pruner = desk.begin()
    desk.loop.pass_(3 * pruning.EVERY)
    assert slices.count(0) == 3
    assert len(desk.told) == 1
    pruner.close()
