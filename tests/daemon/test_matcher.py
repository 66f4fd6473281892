"""The process that looks for patterns: it lives while it is needed, and comes back if it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from tests.daemon.timing import FakeTime
from torch.daemon import sidecar
from torch.daemon.matcher import Matcher
from torch.daemon.output import Outputs
from torch.daemon.sidecar import Pace
from torch.event import Event, PartFailed
from torch.run import Run, Trigger
from torch.schedule.commands import Watch
from torch.schedule.messages import Matched

DEADLINE = 30.0


class Parts:
    """A matcher with its output folder, and what it posted and told."""

    def __init__(self, folder, pace=Pace(), sleep=asyncio.sleep):  # noqa: B008
        self.found: list[Matched] = []
        self.events: list[Event] = []
        self.outputs = Outputs(str(folder))
        self.matcher = Matcher(
            post=self.found.append, outputs=self.outputs, tell=self.events.append, pace=pace,
            sleep=sleep,
        )  # fmt: skip

    def run(self, number: int) -> Run:
        return Run(id=f"r-{number}", task="talk", trigger=Trigger.SCHEDULE)

    def watch(self, number: int, *patterns: tuple[str, int]) -> None:
        self.matcher.watch(Watch(run=self.run(number), patterns=patterns))

    def write(self, number: int, text: str) -> None:
        path = self.outputs.path(self.run(number))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab") as file:
            file.write(text.encode())

    async def until(self, condition) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.01)


def play(folder, scene, **timing) -> None:
    async def go():
        parts = Parts(folder, **timing)
        try:
            await scene(parts)
        finally:
            await parts.matcher.close()

    asyncio.run(go())


def children() -> list[int]:
    """Processes of ours that search; other tests may have left theirs."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split() if b"torch.matching" in command(pid)]


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def command(pid: str) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_a_line_that_matches_is_posted_with_its_offset(tmp_path):
    async def scene(parts):
        parts.watch(1, ("ERROR", 0))
        parts.write(1, "fine\nERROR here\n")
        await parts.until(lambda: parts.found)
        assert parts.found == [
            Matched(
                task="talk", run_id="r-1", pattern="ERROR", lines=("ERROR here",), count=1,
                offset=16,
            )
        ]  # fmt: skip

    play(tmp_path, scene)


def test_what_a_run_wrote_in_its_last_moment_is_found_after_it(tmp_path):
    async def scene(parts):
        parts.watch(1, ("ERROR", 0))
        parts.write(1, "fine\nERROR without an end")
        parts.matcher.complete("r-1", 0)
        await parts.until(lambda: parts.found)
        assert parts.found[0].lines == ("ERROR without an end",)

    play(tmp_path, scene)


async def kill_it(parts) -> None:
    await parts.until(children)
    with contextlib.suppress(ProcessLookupError):
        os.kill(children()[0], signal.SIGKILL)
    await parts.until(lambda: not children())


def test_a_process_that_dies_comes_back_and_tells_no_line_again(tmp_path):
    async def scene(parts):
        parts.write(1, "ERROR 1\n")
        parts.watch(1, ("ERROR", 0))
        await parts.until(lambda: parts.found)
        await kill_it(parts)
        parts.write(1, "ERROR 2\n")
        await parts.until(lambda: len(parts.found) == 2)
        assert [each.lines for each in parts.found] == [("ERROR 1",), ("ERROR 2",)]
        assert kinds(parts.events) == ["PartFailed", "PartRecovered"]

    play(tmp_path, scene, pace=Pace(again=0.05))


def test_a_search_whose_process_is_stopped_goes_on_in_another_one(tmp_path):
    time = FakeTime()

    async def scene(parts):
        parts.write(1, "ERROR 1\n")
        parts.watch(1, ("ERROR", 0))
        await parts.until(lambda: parts.found)
        (stopped,) = children()
        os.kill(stopped, signal.SIGSTOP)
        parts.write(1, "ERROR 2\n")
        while len(parts.found) < 2:
            await time.go(1)
            await asyncio.sleep(0.001)
        assert [each.lines for each in parts.found] == [("ERROR 1",), ("ERROR 2",)]
        assert stopped not in children()
        assert isinstance(parts.events[0], PartFailed)
        assert "did not answer" in parts.events[0].reason

    play(tmp_path, scene, sleep=time.sleep)


def test_a_search_that_cannot_be_started_is_tried_again(tmp_path, monkeypatch):
    real = asyncio.base_events.BaseEventLoop.subprocess_exec
    failing = [OSError(11, "Resource temporarily unavailable")]

    async def exec_if_there_is_room(*args, **kwargs):
        if failing:
            raise failing.pop()
        return await real(*args, **kwargs)

    async def scene(parts):
        monkeypatch.setattr(
            asyncio.base_events.BaseEventLoop, "subprocess_exec", exec_if_there_is_room
        )
        parts.write(1, "ERROR 1\n")
        parts.watch(1, ("ERROR", 0))
        parts.matcher.complete("r-1", 0)
        await parts.until(lambda: parts.found)
        assert kinds(parts.events) == ["PartFailed", "PartRecovered"]

    play(tmp_path, scene, pace=Pace(again=0.05))


def test_a_run_that_ends_while_the_process_is_dead_is_looked_at_all_the_same(tmp_path):
    async def scene(parts):
        parts.watch(1, ("ERROR", 0))
        await kill_it(parts)
        parts.write(1, "ERROR of its last moment\n")
        parts.matcher.complete("r-1", 0)
        await parts.until(lambda: parts.found)
        assert parts.found[0].lines == ("ERROR of its last moment",)

    play(tmp_path, scene, pace=Pace(again=0.2))


def test_what_was_there_before_a_pattern_stays_untold_when_the_process_dies(tmp_path):
    async def scene(parts):
        parts.write(1, "ERROR of long ago\n")
        parts.watch(1, ("ERROR", -1))
        await kill_it(parts)
        parts.write(1, "ERROR while it was dead\n")
        await parts.until(lambda: parts.found)
        assert parts.found[0].lines == ("ERROR while it was dead",)

    play(tmp_path, scene, pace=Pace(again=0.2))


def test_a_pattern_that_stays_tells_no_line_again_when_another_is_added(tmp_path):
    async def scene(parts):
        parts.write(1, "ERROR 1\n")
        parts.watch(1, ("ERROR", 0))
        await parts.until(lambda: parts.found)
        parts.watch(1, ("ERROR", 0), ("panic", -1))
        parts.write(1, "ERROR 2, panic\n")
        await parts.until(lambda: len(parts.found) == 3)
        assert {each.lines for each in parts.found[1:]} == {("ERROR 2, panic",)}

    play(tmp_path, scene)


def test_a_run_that_the_process_dies_of_is_not_tried_for_ever(tmp_path):
    async def scene(parts):
        parts.watch(1, ("ERROR", 0))
        parts.write(1, "fine\n")
        for _ in range(2):  # before it can say that it is done
            await parts.until(children)
            os.kill(children()[0], signal.SIGSTOP)
            parts.matcher.complete("r-1", 0)
            await kill_it(parts)
        await parts.until(lambda: len(asyncio.all_tasks()) == 1)
        assert kinds(parts.events).count("PartFailed") == 2

    play(tmp_path, scene, pace=Pace(again=0.05, linger=0.1))


def test_it_ends_when_there_is_nothing_left_to_follow(tmp_path):
    async def scene(parts):
        parts.watch(1, ("ERROR", 0))
        await parts.until(children)
        parts.matcher.complete("r-1", 0)
        await parts.until(lambda: not children())
        assert parts.events == []
        parts.watch(2, ("ERROR", 0))
        parts.write(2, "ERROR again\n")
        await parts.until(lambda: parts.found)

    play(tmp_path, scene, pace=Pace(linger=0.2))


def test_what_has_ended_is_looked_at_to_its_end_when_the_service_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "MOMENT", DEADLINE)
    found = []

    async def scene(parts):
        found.append(parts.found)
        parts.write(1, "ERROR 1\n")
        parts.watch(1, ("ERROR", 0))
        await parts.until(lambda: parts.found)
        parts.write(1, "ERROR\n" * 100_000)
        parts.matcher.complete("r-1", 0)

    play(tmp_path, scene)
    assert sum(each.count for each in found[0]) == 100_001


def test_a_flood_of_matches_is_counted_and_not_told_line_by_line(tmp_path):
    async def scene(parts):
        parts.write(1, "ERROR\n" * 100_000)
        parts.watch(1, ("ERROR", 0))
        parts.matcher.complete("r-1", 0)
        await parts.until(lambda: sum(each.count for each in parts.found) == 100_000)
        assert len(parts.found) < 10

    play(tmp_path, scene)


def test_a_run_without_patterns_starts_no_process(tmp_path):
    async def scene(parts):
        parts.watch(1)
        parts.matcher.complete("r-1", 0)
        assert len(asyncio.all_tasks()) == 1

    play(tmp_path, scene)
