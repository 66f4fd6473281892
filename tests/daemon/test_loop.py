"""The end of the loop: what came in is recorded, what comes later is not heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.history.rows import pragma
from torch.clock import SystemClock
from torch.daemon.loop import Loop
from torch.daemon.recorder import Recorder
from torch.event import Event, RunEnded, ServiceStopping
from torch.history import query
from torch.history.store import HistoryError, Store
from torch.schedule.commands import Refuse, Start
from torch.schedule.messages import (
    Ended,
    Loaded,
    PauseAsked,
    ResumeAsked,
    RunAsked,
    Started,
    StopAsked,
    StopMode,
)
from torch.schedule.record import Paused
from torch.schedule.scheduler import Scheduler
from torch.testing import cron


class Desk:
    """A loop with its core and a real history; nothing performs its starts."""

    def __init__(self, path: str) -> None:
        self.told: list[Event] = []
        self.clock = SystemClock()
        self.store = Store(path)
        recorder = Recorder(self.store, boot_id="b", tell=self.told.append)
        scheduler = Scheduler(run_ids=iter(f"r{n}" for n in range(1, 9)))
        self.loop = Loop(
            scheduler=scheduler, clock=self.clock, recorder=recorder, tell=self.told.append
        )

    async def start_two(self) -> list[str]:
        await self.loop.ask(Loaded(tasks=(cron("a", max=2),), version="v"))
        ids = []
        for _ in range(2):
            answer = await self.loop.ask(RunAsked(task="a"))
            ids += [command.run.id for command in answer if isinstance(command, Start)]
        for each in ids:
            await self.loop.ask(Started(run_id=each, pid=7))
        return ids

    def ended(self, run_id: str) -> Ended:
        return Ended(run_id=run_id, exit_code=0, at=self.clock.now().wall, reason="")

    def paused(self) -> Paused | None:
        view = self.loop.scheduler.snapshot().task("a")
        return None if view is None else view.paused

    def states(self) -> dict[str, object]:
        return {row.id: row.as_json()["state"] for row in query.runs(self.store.path)}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "history.db")


def test_an_end_that_comes_as_the_service_leaves_is_recorded_and_a_later_one_is_not_heard(path):
    async def scenario() -> Desk:
        desk = Desk(path)
        one, two = await desk.start_two()
        await desk.loop.ask(StopAsked(mode=StopMode.KEEP, reason="torch stop"))
        await desk.loop.until_left()
        desk.loop.post(desk.ended(one))
        desk.loop.close()
        desk.store.close()
        desk.loop.post(desk.ended(two))
        late = asyncio.ensure_future(desk.loop.ask(RunAsked(task="a")))
        with pytest.raises(asyncio.CancelledError):
            await late
        for _ in range(5):
            await asyncio.sleep(0)
        return desk

    desk = asyncio.run(scenario())
    assert desk.states() == {"r1": "finished", "r2": "running"}
    assert [e.run.id for e in desk.told if isinstance(e, RunEnded)] == ["r1"]
    assert list(Path(path).parent.glob("*damaged*")) == []


def test_a_service_that_lost_its_directory_stops_its_runs_before_anything_is_started(path):
    async def scenario() -> Desk:
        desk = Desk(path)
        await desk.start_two()
        reasons = ["the lock was removed"]
        desk.loop.lost = lambda: reasons.pop() if reasons else ""
        answer = await desk.loop.ask(RunAsked(task="a"))
        assert not any(isinstance(command, Start) for command in answer)
        desk.loop.close()
        desk.store.close()
        return desk

    desk = asyncio.run(scenario())
    (told,) = [event for event in desk.told if isinstance(event, ServiceStopping)]
    assert told.reason == "the lock was removed"
    assert desk.loop.scheduler.stopping


def test_a_pause_that_the_history_cannot_take_is_refused_and_the_task_not_paused(path):
    async def scenario() -> None:
        desk = Desk(path)
        await desk.loop.ask(Loaded(tasks=(cron("a"),), version="v"))
        pragma(desk.store, "query_only = 1")
        assert_unrecorded(await desk.loop.ask(PauseAsked(task="a")))
        assert desk.paused() is None
        pragma(desk.store, "query_only = 0")
        assert not refusals(await desk.loop.ask(PauseAsked(task="a")))
        assert desk.paused() is not None
        pragma(desk.store, "query_only = 1")
        assert_unrecorded(await desk.loop.ask(ResumeAsked(task="a")))
        assert_unrecorded(await desk.loop.ask(PauseAsked(task="a", until=2e10)))
        pause = desk.paused()
        assert pause is not None
        assert pause.until is None
        pragma(desk.store, "query_only = 0")
        desk.loop.close()
        desk.store.close()
        assert list(found_paused(path)) == ["a"]

    asyncio.run(scenario())


@pytest.mark.parametrize("paused", [False, True])
def test_a_pause_or_resume_is_taken_back_if_only_its_own_record_fails(paused, path, monkeypatch):
    """The disk was writable a moment before."""
    asked = ResumeAsked(task="a") if paused else PauseAsked(task="a")

    async def scenario() -> None:
        desk = Desk(path)
        await desk.loop.ask(Loaded(tasks=(cron("a"),), version="v"))
        if paused:
            await desk.loop.ask(PauseAsked(task="a"))
        commit = desk.store.commit

        def only_beats(records, **keys):
            if any(record.facts for record in records):
                raise HistoryError("database or disk is full")
            return commit(records, **keys)

        monkeypatch.setattr(desk.store, "commit", only_beats)
        assert_unrecorded(await desk.loop.ask(asked))
        assert (desk.paused() is not None) is paused
        monkeypatch.setattr(desk.store, "commit", commit)
        desk.loop.close()
        desk.store.close()
        assert bool(found_paused(path)) is paused

    asyncio.run(scenario())


def test_several_requests_that_cannot_be_recorded_are_taken_back_in_reverse(path, monkeypatch):
    async def scenario() -> None:
        desk = Desk(path)
        await desk.loop.ask(Loaded(tasks=(cron("a"),), version="v"))
        commit = desk.store.commit

        def only_beats(records, **keys):
            if any(record.facts for record in records):
                raise HistoryError("database or disk is full")
            return commit(records, **keys)

        monkeypatch.setattr(desk.store, "commit", only_beats)
        requests = (PauseAsked(task="a"), ResumeAsked(task="a"), PauseAsked(task="a"))
        for said in await asyncio.gather(*(desk.loop.ask(each) for each in requests)):
            assert_unrecorded(said)
        assert desk.paused() is None
        monkeypatch.setattr(desk.store, "commit", commit)
        desk.loop.close()
        desk.store.close()
        assert not found_paused(path)

    asyncio.run(scenario())


def refusals(commands):
    return [command for command in commands if isinstance(command, Refuse)]


def assert_unrecorded(commands) -> None:
    (refusal,) = refusals(commands)
    assert refusal.for_now, "exit code 75"
    assert refusal.reason.startswith("the history could not be written: ")
    assert "nothing was changed" in refusal.hint


def found_paused(path):
    """What the next service would find."""
    store = Store(path)
    try:
        return store.paused()
    finally:
        store.close()
