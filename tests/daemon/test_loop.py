"""The end of the loop: what came in is recorded, what comes later is not heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from torch.clock import SystemClock
from torch.daemon.loop import Loop
from torch.daemon.recorder import Recorder
from torch.event import Event, RunEnded, ServiceStopping
from torch.history import query
from torch.history.store import Store
from torch.schedule.commands import Start
from torch.schedule.messages import Ended, Loaded, RunAsked, Started, StopAsked, StopMode
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
