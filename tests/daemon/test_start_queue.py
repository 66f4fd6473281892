"""A start that meets a fault of ours: its run did not start, and the service goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from torch.clock import SystemClock
from torch.daemon.child import Child
from torch.daemon.loop import Loop
from torch.daemon.order import Orders
from torch.daemon.output import Outputs
from torch.daemon.recorder import Recorder
from torch.daemon.start_queue import Ordering
from torch.event import Event
from torch.history import query
from torch.history.store import Store
from torch.reaper.wire import MOST, Order
from torch.schedule.commands import Start
from torch.schedule.messages import Loaded, RunAsked, StopAsked, StopMode
from torch.schedule.scheduler import Scheduler
from torch.testing import cron

FAULT = UnicodeEncodeError("utf-8", "secret\udcff", 6, 7, "surrogates not allowed")


class Link:
    """Of a reaper that hears nothing."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send_packed(self, frame: bytes) -> None:
        self.sent.append(frame)

    def flush(self) -> None:
        pass


class Desk:
    """A core, its history, and a queue of starts; as supervisor it knows the queue alone."""

    def __init__(self, path: str) -> None:
        self.told: list[Event] = []
        self.children: dict[str, Child] = {}
        self.ours = Link()
        self.store = Store(path)
        self.faults: list[object] = []
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: self.faults.append(context))
        clock = SystemClock()
        self.loop = Loop(
            scheduler=Scheduler(run_ids=iter(f"r{n}" for n in range(1, 99))), clock=clock,
            recorder=Recorder(self.store, boot_id="b", tell=self.told.append),
            tell=self.told.append,
        )  # fmt: skip
        self.queue = Ordering(
            clock=clock, post=self.loop.post, reapers=cast(Any, self),
            outputs=Outputs("/output"), children=self.children,
        )  # fmt: skip
        self.loop.perform_by(cast(Any, self))

    def start(self, start: Start) -> None:
        self.queue.add(start)

    def forget(self, run_ids: object) -> None:
        pass


async def run_one_and_stop(path: str, **replaced: Any) -> Desk:
    """The run is asked for, the service stopped; it must end without a reaper's help."""
    desk = Desk(path)
    for name, value in replaced.items():
        setattr(desk, name, value)
    await desk.loop.ask(Loaded(tasks=(cron("a", max=1),), version="v"))
    await desk.loop.ask(RunAsked(task="a"))

    async def is_free() -> None:
        while desk.loop.scheduler.snapshot().running:
            await asyncio.sleep(0)

    await asyncio.wait_for(is_free(), 30)
    await desk.loop.ask(StopAsked(mode=StopMode.DRAIN, reason="torch stop"))
    await asyncio.wait_for(desk.loop.until_left(), 30)
    desk.loop.close()
    desk.store.close()
    return desk


def fail(*_: object, **__: object) -> Any:
    raise FAULT


BREAKS = {
    "the order is made": (Orders, "make"),
    "the order is packed": (Order, "pack"),
    "the output file is named": (Outputs, "path"),
    "the order is handed to the reaper": (Link, "send_packed"),
    "the start is queued": (Ordering, "add"),
}


@pytest.mark.parametrize("when", BREAKS)
def test_a_fault_while_a_run_is_ordered_frees_its_slot_and_the_service_can_stop(
    when, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*BREAKS[when], fail)
    path = str(tmp_path / "history.db")
    desk = asyncio.run(run_one_and_stop(path))
    (row,) = [row.as_json() for row in query.runs(path)]
    assert row["outcome"] == "failed"
    reason = str(row["reason"])
    assert reason.startswith("internal error in torch: UnicodeEncodeError: ")
    assert "surrogates not allowed" in reason
    assert "secret" not in reason
    assert desk.children == {}
    assert desk.ours.sent == []


def test_an_order_that_no_reaper_reads_is_refused_for_its_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Order, "pack", lambda _: bytes(MOST + 5))
    path = str(tmp_path / "history.db")
    desk = asyncio.run(run_one_and_stop(path))
    (row,) = [row.as_json() for row in query.runs(path)]
    assert row["reason"] == "its command and environment are larger than 8 MiB together"
    assert desk.ours.sent == []


def test_a_fault_of_the_queue_leaves_it_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn of it that breaks off is followed by the next."""
    faults = [FAULT]
    before = Orders.renew

    def renew(self: Orders) -> None:
        if faults:
            raise faults.pop()
        before(self)

    monkeypatch.setattr(Orders, "renew", renew)
    monkeypatch.setattr(Orders, "make", fail)
    desk = asyncio.run(run_one_and_stop(str(tmp_path / "history.db")))
    assert len(desk.faults) == 1
