"""The task file is watched; where it cannot be, a slow look has to do, and that is said."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from watchdog.events import FileSystemEvent
from watchdog.observers import Observer

from torch.clock import rfc3339
from torch.daemon import watcher as module
from torch.daemon.watcher import Watcher, identify
from torch.event import Event, PartFailed, PartRecovered
from torch.testing import FakeClock


class Desk:
    def __init__(self, path: Path) -> None:
        self.told: list[Event] = []
        self.changed = asyncio.Event()
        self.watcher = Watcher(
            str(path), self.changed.set, seen=identify(str(path)), clock=FakeClock(),
            tell=self.told.append,
        )  # fmt: skip

    async def change(self, path: Path, text: str) -> None:
        await self.notices(lambda: path.write_text(text))

    async def notices(self, act: Callable[[], object]) -> None:
        """Returns when the change was noticed, not by the first look, which comes at once."""
        await asyncio.sleep(0)
        self.changed.clear()
        act()
        async with asyncio.timeout(30):
            await self.changed.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tasks.yaml"
    file.write_text("tasks: []\n")
    return file


def _no_instance(*_: object) -> None:
    raise OSError(errno.EMFILE, "inotify instance limit reached")


def _no_thread(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("refuse", "reason"),
    [(_no_instance, "inotify instance limit reached"), (_no_thread, "can't start new thread")],
)
def test_where_nothing_can_be_watched_the_look_finds_changes_and_it_is_said_once(
    path, monkeypatch, refuse, reason
):
    monkeypatch.setattr(module, "LOOK", 0.02)

    async def scenario() -> Desk:
        monkeypatch.setattr(module, "Observer", refuse)
        desk = Desk(path)
        await desk.change(path, "tasks: [a]\n")
        await desk.change(path, "tasks: [a, b]\n")
        assert desk.watcher.failing() == {"since": rfc3339(1_800_000_000.0), "reason": reason}
        what = f"{reason}; the file is checked every 0.02 s instead"
        assert desk.told == [PartFailed(part=module.PART, reason=what)]
        monkeypatch.setattr(module, "Observer", Observer)
        await desk.change(path, "tasks: [a, b, c]\n")
        desk.watcher.stop()
        return desk

    desk = asyncio.run(scenario())
    assert desk.watcher.failing() is None
    assert desk.told[1:] == [PartRecovered(part=module.PART)]


def test_a_watch_that_cannot_be_made_is_said_too(path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    async def scenario() -> Desk:
        monkeypatch.setattr(Observer, "schedule", refuse)
        desk = Desk(path)
        desk.watcher.stop()
        return desk

    desk = asyncio.run(scenario())
    failing = desk.watcher.failing()
    assert failing is not None and failing["reason"] == "inotify watch limit reached"


def test_a_change_is_noticed_without_a_look(path, monkeypatch):
    monkeypatch.setattr(module, "LOOK", 1000.0)

    async def scenario() -> None:
        desk = Desk(path)
        await desk.change(path, "tasks: [a]\n")
        desk.watcher.stop()
        assert desk.told == [] and desk.watcher.failing() is None

    asyncio.run(scenario())


def test_what_is_written_into_other_files_of_its_folder_wakes_nobody(path, monkeypatch):
    monkeypatch.setattr(module, "LOOK", 1000.0)
    heard: list[str] = []
    dispatch = Watcher.dispatch

    def hear(self: Watcher, event: FileSystemEvent) -> None:
        heard.extend((str(event.src_path), str(event.dest_path)))
        dispatch(self, event)

    monkeypatch.setattr(Watcher, "dispatch", hear)
    log, new = path.with_name("log"), path.with_name("new")
    log.touch()
    new.write_text("tasks: []\n")

    async def scenario() -> None:
        desk = Desk(path)
        for _ in range(20):
            with log.open("a") as file:
                file.write("a line of a task\n")
        await desk.notices(lambda: new.rename(path))  # events come in order
        desk.watcher.stop()

    asyncio.run(scenario())
    assert str(path) in heard and str(log) not in heard


def test_a_file_that_replaced_another_is_watched_in_its_turn(path, monkeypatch):
    monkeypatch.setattr(module, "LOOK", 1000.0)

    async def scenario() -> None:
        desk = Desk(path)
        for number in range(3):
            new = path.with_name("new")
            new.write_text("tasks: []\n")
            await desk.notices(partial(new.rename, path))
            await desk.change(path, f"tasks: [{number}]\n")  # written in place
        desk.watcher.stop()

    asyncio.run(scenario())


def test_a_file_that_comes_back_through_a_link_is_watched(path, monkeypatch):
    monkeypatch.setattr(module, "LOOK", 1000.0)
    link = path.with_name("link.yaml")
    link.symlink_to(path)
    path.unlink()

    async def scenario() -> None:
        desk = Desk(link)
        await desk.change(path, "tasks: [a]\n")
        await desk.change(path, "tasks: [a, b]\n")
        desk.watcher.stop()

    asyncio.run(scenario())
