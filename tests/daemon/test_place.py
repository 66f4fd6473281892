"""Whether the directories are this service's still, and what is made again in them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from torch.daemon import lock
from torch.daemon.control import Control
from torch.daemon.place import Place
from torch.errors import SettingsError
from torch.event import Event, PlaceLost, PlaceRestored
from torch.settings import Settings


class Host:
    """A place with a run directory and a state directory, and what it told."""

    def __init__(self, folder: Path, *, one: bool = False) -> None:
        self.run = folder / ("state" if one else "run")
        self.state = folder / "state"
        self.make()
        self.settings = Settings(
            task_file="/t", run_dir=str(self.run), state_dir=str(self.state), log_dir=str(folder)
        )
        self.told: list[Event] = []
        self.stops: list[str] = []
        self.refusal: SettingsError | None = None
        self.place = Place(self.settings, tell=self.told.append, make_folders=self.make)
        self.place.take(lambda _: None)
        self.control = Control(self.settings.socket, _answer)

    def make(self) -> None:
        if getattr(self, "refusal", None) is not None:
            raise self.refusal  # type: ignore[misc]
        self.run.mkdir(exist_ok=True)
        self.state.mkdir(exist_ok=True)

    async def settle(self) -> None:
        self.place.settle(self.control)
        await self.control.open()

    async def beat(self) -> None:
        self.place.restore_soon(self.stops.append)
        if self.place._restoring is not None:
            await self.place._restoring

    def files(self) -> set[str]:
        return {path.name for path in self.run.iterdir()}


async def _answer(request: dict[str, Any]) -> dict[str, Any]:
    return {"heard": request["do"]}


async def ask(path: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"do": "this"}\n')
    line = await reader.readline()
    writer.close()
    return line


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


ALL = {"torch.lock", "torch.pid", "torch.sock"}


def _remove(path: str) -> None:
    os.unlink(path)


def _replace(path: str) -> None:
    os.rename(path, path + ".old")
    Path(path).touch()


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_remove, "was removed"), (_replace, "now belongs to another service")],
)
def test_a_lock_file_that_is_not_ours_any_more_is_told_once(host, change, reason):
    assert host.place.is_ours() and host.place.lost() == ""
    path = host.settings.state_lock
    change(path)
    assert not host.place.is_ours()
    assert host.place.lost() == f"{path} {reason}"
    assert host.place.lost() == ""
    assert host.told == [PlaceLost(path=path, reason=reason)]


def test_what_was_removed_from_the_run_directory_is_made_again(host):
    async def scenario() -> None:
        await host.settle()
        await host.beat()
        assert host.told == []
        for name in (host.settings.socket, host.settings.pid_file):
            os.unlink(name)
        await host.beat()
        assert b'"heard": "this"' in await ask(host.settings.socket)
        shutil.rmtree(host.run)
        await host.beat()
        assert b'"heard": "this"' in await ask(host.settings.socket)
        await host.control.close()

    asyncio.run(scenario())
    assert host.told == [
        PlaceRestored(paths=(host.settings.socket, host.settings.pid_file)),
        PlaceRestored(paths=(host.settings.lock, host.settings.socket, host.settings.pid_file)),
    ]
    assert lock.holder(host.settings.lock) == os.getpid()
    assert Path(host.settings.pid_file).read_text() == f"{os.getpid()}\n"
    assert Path(host.settings.socket).exists() is False  # it was closed
    assert host.stops == []


def test_who_is_being_answered_is_not_disturbed_when_the_socket_is_made_again(host):
    async def scenario() -> None:
        await host.settle()
        reader, writer = await asyncio.open_unix_connection(host.settings.socket)
        writer.write(b'{"do": "one"}\n')
        assert b'"one"' in await reader.readline()
        os.unlink(host.settings.socket)
        await host.beat()
        writer.write(b'{"do": "two"}\n')
        assert b'"two"' in await reader.readline()
        writer.close()
        await host.control.close()

    asyncio.run(scenario())


def test_what_cannot_be_made_again_is_said_once_and_tried_at_each_beat(host):
    async def scenario() -> None:
        await host.settle()
        shutil.rmtree(host.run)
        host.refusal = SettingsError("/run/torch cannot be used: Read-only file system")
        await host.beat()
        await host.beat()
        host.refusal = None
        await host.beat()
        await host.control.close()

    asyncio.run(scenario())
    told = [type(event).__name__ for event in host.told]
    assert told == ["PartFailed", "PartRecovered", "PlaceRestored"]
    assert lock.holder(host.settings.lock) == os.getpid()


def test_a_run_directory_that_another_service_has_ends_this_one_at_the_second_beat(host):
    async def scenario() -> None:
        await host.settle()
        os.unlink(host.settings.lock)
        other = lock.take(host.settings.lock, pause=lambda _: None)
        await host.beat()
        assert host.stops == []
        await host.beat()
        assert host.stops == [f"{host.settings.lock} now belongs to another service"]
        os.close(other)
        await host.control.close()

    asyncio.run(scenario())
    assert [type(event).__name__ for event in host.told] == ["PartFailed", "PlaceLost"]


def _theirs(settings: Settings) -> None:
    for path in (settings.lock, settings.socket, settings.pid_file):
        os.unlink(path)
        Path(path).write_text("theirs")


@pytest.mark.parametrize(("change", "left"), [(None, {"torch.lock"}), (_theirs, ALL)])
def test_what_another_service_has_made_since_is_not_removed_at_the_end(
    host, change: Callable[[Settings], None] | None, left
):
    async def scenario() -> None:
        await host.settle()
        assert host.files() == ALL
        if change is not None:
            change(host.settings)
        host.place.leave()
        await host.control.close()

    asyncio.run(scenario())
    assert host.files() == left


def test_until_it_is_opened_the_socket_refuses_who_asks(host):
    async def scenario() -> None:
        host.place.settle(host.control)
        with pytest.raises(ConnectionRefusedError):
            await ask(host.settings.socket)
        await host.control.open()
        assert b'"heard"' in await ask(host.settings.socket)
        await host.control.close()

    asyncio.run(scenario())


def test_where_all_is_in_one_directory_there_is_one_lock(tmp_path):
    host = Host(tmp_path, one=True)

    async def scenario() -> None:
        await host.settle()
        await host.beat()
        await host.control.close()

    asyncio.run(scenario())
    assert host.told == [] and host.place.is_ours()
