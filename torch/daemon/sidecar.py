"""A child process that works beside the service for long, and is there while it is needed.

Owns its life: it is started when there is something to tell it, told to end when there is nothing
left to do, and started again if it dies, says what nobody understands, does not read, or does not
answer. What is told it, and what is made of its words, is its owner's. **The owner holds all that
a new process has to know** (`Owner.brief`), so any process may be ended at any time.

Both sides speak lines, each a JSON object. `{"ping": N}` asks for a sign of life; any line is one,
and `{"pong": N}` is nothing else. The child ends when its input does: with the service.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from torch.daemon.process import MOMENT, Form, Process
from torch.event import Event, PartFailed, PartRecovered

MOST_UNREAD = 16 * 2**20
"""Bytes beyond the first ones that wait for a process to read them, before it counts as hung."""

_SLICE = 50
"""Lines that are heard before others have their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds. `again`: before a process that died is started again; twice as long after each
    further death, at most `again_most`. `beat`: between two pings; after `deaf` of them without a
    word it is ended, after as many with one the next death counts as the first. `linger`: how long
    it stays with nothing to do."""

    again: float = 5.0
    again_most: float = 300.0
    beat: float = 20.0
    deaf: int = 3
    linger: float = 30.0

    def wait(self, deaths: int) -> float:
        """Seconds after so many deaths in a row, from 1."""
        return float(min(self.again * 2 ** min(deaths - 1, 63), self.again_most))


class Owner(Protocol):
    """Whose child it is."""

    def brief(self) -> Iterable[dict[str, Any]]:
        """All that a process has to be told which was not told anything yet."""

    def hear(self, said: dict[str, Any]) -> None:
        """One line. Raises KeyError, TypeError or ValueError for one that makes no sense."""

    def is_needed(self) -> bool:
        """Whether there is something to do for it."""


class Sidecar:
    def __init__(
        self, form: Form, *, part: str, owner: Owner, tell: Callable[[Event], None],
        pace: Pace, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        """`part`: what the log calls it, as in 'the search for patterns'."""
        self._form = form
        self._part = part
        self._owner = owner
        self._tell = tell
        self._pace = pace
        self._sleep = sleep
        self._living: asyncio.Task[None] | None = None
        self._process: Process | None = None  # the one that may be told more
        self._resting = False
        self._closing = False
        self._room = 0
        self._stuck = asyncio.Event()
        self._fed = False
        self._heard = False
        self._deaths = 0  # in a row
        self._failed = False  # the log says so

    def feed(self, order: dict[str, Any]) -> None:
        """Tells it one thing more. The owner knows it already: if no process is there, it is part
        of what the next one is told first."""
        self._fed = True
        if self._process is not None:
            if self._process.unread > self._room:
                self._stuck.set()  # and the next process is told this too
            else:
                self._process.write(_line(order))
        elif self._living is None and not self._closing and self._owner.is_needed():
            self._living = asyncio.get_running_loop().create_task(self._live())

    async def close(self) -> None:
        """It is told to end, and heard out if that takes no more than a moment."""
        self._closing = True
        living = self._living
        if living is None:
            return
        if self._process is not None:
            self._process.close_input()
        if not self._resting:
            await asyncio.wait({living}, timeout=MOMENT)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)

    # ── one process after the other ───────────────────────────────────────────────────────

    async def _live(self) -> None:
        try:
            while self._owner.is_needed() and not self._closing:
                try:
                    reason = await self._one()
                except Exception as error:  # noqa: BLE001  # of ours: it must not be the last one
                    reason = f"internal error in Torch: {error!r}"
                if reason and not self._closing:
                    await self._rest(reason)
        finally:
            self._living = None

    async def _rest(self, reason: str) -> None:
        self._deaths += 1
        wait = self._pace.wait(self._deaths)
        self._failed = True
        self._tell(
            PartFailed(part=self._part, reason=f"{reason}; it will be restarted in {wait:g} s")
        )
        self._resting = True
        try:
            await self._sleep(wait)
        finally:
            self._resting = False

    async def _one(self) -> str:
        """One process to its end: why it is to be started again, '' if it was not needed."""
        try:
            process = await Process.start(self._form)
        except OSError as error:
            return f"its process could not be started: {error.strerror or error}"
        try:
            return await self._follow(process)
        finally:
            self._process = None
            await process.end(0 if self._closing else MOMENT)

    async def _follow(self, process: Process) -> str:
        first = b"".join(_line(order) for order in self._owner.brief())
        process.write(first)
        self._room = MOST_UNREAD + len(first)
        self._heard = False
        self._stuck.clear()
        self._process = process
        if self._closing:
            process.close_input()
        hearing = asyncio.create_task(self._hear(process))
        watching = [
            asyncio.create_task(each)
            for each in (self._beat(process), self._until_idle(), self._until_stuck())
        ]
        try:
            ends: set[asyncio.Future[Any]] = {hearing, process.exited, *watching}
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._process = None
            for each in watching:
                if each in done and (reason := each.result()):
                    return reason
            idle = bool(done.intersection(watching))
            if idle:
                process.close_input()
            # What it said before its end is heard; so is the end behind its last word.
            await asyncio.wait({hearing}, timeout=MOMENT)
            reason = hearing.result() if hearing.done() else ""
            if reason or idle or self._closing:
                return "" if idle or self._closing else reason
            await asyncio.wait({process.exited}, timeout=MOMENT)
            return await _how_it_ended(process)
        finally:
            for task in (hearing, *watching):
                task.cancel()

    async def _hear(self, process: Process) -> str:
        """To the end of its output: '', or what was wrong with it."""
        count = 0
        while True:
            try:
                line = await process.output.readline()
            except ValueError:
                return "its process wrote a line that is too long"
            if not line.endswith(b"\n"):
                return ""  # half a line is the last of one that died
            try:
                said = json.loads(line)
                if not isinstance(said, dict):
                    raise ValueError("no object")
                if "pong" not in said:
                    self._owner.hear(said)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                return "its process wrote output that is not valid"
            self._is_alive()
            count += 1
            if count % _SLICE == 0:
                await asyncio.sleep(0)  # a flood keeps nothing else from its turn

    def _is_alive(self) -> None:
        self._heard = True
        if self._failed:
            self._failed = False
            self._tell(PartRecovered(part=self._part))

    # ── what ends it ──────────────────────────────────────────────────────────────────────

    async def _beat(self, process: Process) -> str:
        """Beats are counted and not seconds: what stopped the service itself, as a suspended host
        does, is one beat without an answer."""
        silent = answered = count = 0
        while silent < self._pace.deaf:
            count += 1
            process.write(_line({"ping": count}))
            await self._sleep(self._pace.beat)
            silent = 0 if self._heard else silent + 1
            answered = answered + 1 if self._heard else 0
            self._heard = False
            if answered >= self._pace.deaf:
                self._deaths = 0
        return f"its process did not answer for {silent * self._pace.beat:g} s"

    async def _until_idle(self) -> str:
        while True:
            self._fed = False
            await self._sleep(self._pace.linger)
            if not self._fed and not self._owner.is_needed():
                return ""

    async def _until_stuck(self) -> str:
        await self._stuck.wait()
        return "its process did not read its input"


async def _how_it_ended(process: Process) -> str:
    code = process.code
    if code is None:
        return "its process closed its output"
    if code < 0:
        return f"its process was ended by {_name(-code)}"
    last = await process.last_words()
    return f"its process ended with exit code {code}" + (f": {last}" if last else "")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _line(order: dict[str, Any]) -> bytes:
    return json.dumps(order).encode() + b"\n"
