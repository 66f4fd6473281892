"""Performs `Watch`: a process of its own looks for the patterns, and tells what it finds.

Owns that process: it lives while a run is followed, and a while after. One that dies is started
again with what it has to follow, from behind the last byte it told of on; a run that ended is
kept until its output was looked at to the end. Must not know what a match means.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable

from torch.daemon.notifier import MOMENT, NICE
from torch.daemon.output import Outputs
from torch.event import Event, PartFailed
from torch.run import Run
from torch.schedule.commands import Watch
from torch.schedule.messages import Matched

AGAIN = 5.0
"""Seconds before a process that died is started again."""

MOST_ENDED = 1_000
"""Runs that have ended and are still to be looked at. Beyond it the oldest is forgotten."""

LINGER = 30.0
"""Seconds that it stays with nothing to do."""


class Matcher:
    def __init__(
        self, *, post: Callable[[Matched], None], outputs: Outputs, tell: Callable[[Event], None]
    ) -> None:
        self._post = post
        self._outputs = outputs
        self._tell = tell
        self._watches: dict[str, Watch] = {}
        self._heard: dict[str, dict[str, int]] = {}  # run id -> pattern -> the byte to go on from
        self._ended: dict[str, int] = {}  # run id -> bytes that were cut off its output
        self._tried: set[str] = set()  # runs whose end a process was told, and died
        self._orders: asyncio.Queue[bytes] = asyncio.Queue()
        self._living: asyncio.Task[None] | None = None
        self._closing = False

    def watch(self, watch: Watch) -> None:
        run_id = watch.run.id
        heard = self._heard.get(run_id, {})  # of a pattern that stays
        self._heard[run_id] = {
            text: self._size(watch.run) if offset < 0 else max(offset, heard.get(text, 0))
            for text, offset in watch.patterns
        }
        self._watches[run_id] = watch
        if self._living is None and watch.patterns:
            self._begin()
        self._orders.put_nowait(self._order(watch))
        if not watch.patterns:
            self._forget(run_id)

    def complete(self, run_id: str, cut: int) -> None:
        """The run has ended: its output is looked at to its end, and then no longer."""
        if run_id in self._watches:
            self._ended[run_id] = cut
            self._orders.put_nowait(_line({"run": run_id, "complete": True, "cut": cut}))
            if len(self._ended) > MOST_ENDED:
                self._forget(next(iter(self._ended)))

    def _forget(self, run_id: str) -> None:
        self._watches.pop(run_id, None)
        self._heard.pop(run_id, None)
        self._ended.pop(run_id, None)
        self._tried.discard(run_id)

    def _size(self, run: Run) -> int:
        with contextlib.suppress(OSError):
            return os.stat(self._outputs.path(run)).st_size
        return 0

    async def close(self) -> None:
        """What has ended is looked at to its end, if that takes no more than a moment."""
        self._closing = True
        if self._living is not None:
            self._orders.put_nowait(b"")
            await asyncio.wait({self._living}, timeout=MOMENT)
        if self._living is not None:
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)
        await asyncio.sleep(0)  # what was posted is heard, and recorded

    def _begin(self) -> None:
        self._living = asyncio.get_running_loop().create_task(self._live())

    def _order(self, watch: Watch) -> bytes:
        path = self._outputs.path(watch.run)
        run = watch.run
        patterns = list(self._heard[run.id].items())
        return _line({"run": run.id, "task": run.task, "path": path, "patterns": patterns})

    async def _live(self) -> None:
        """One process after the other, as long as there is something to follow."""
        try:
            while True:
                if await self._one() and not self._closing:
                    reason = "its process died; it is started again"
                    self._tell(PartFailed(part="the search for patterns", reason=reason))
                    await asyncio.sleep(AGAIN)
                if self._closing or not self._watches:
                    return
                self._order_again()
        finally:
            self._living = None

    def _order_again(self) -> None:
        """All that is to be followed, for a new process. What has ended is tried once more: it
        may be what the process dies of."""
        self._orders = asyncio.Queue()
        for run_id in self._tried & self._ended.keys():
            self._forget(run_id)
        self._tried = set(self._ended)
        for run_id, watch in self._watches.items():
            self._orders.put_nowait(self._order(watch))
            if run_id in self._ended:
                cut = self._ended[run_id]
                self._orders.put_nowait(_line({"run": run_id, "complete": True, "cut": cut}))

    async def _one(self) -> bool:
        """True: it died. False: there was nothing more to do."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "torch.matching", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd="/",
            start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None  # noqa: S101
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        reading = asyncio.create_task(self._read(process.stdout))
        try:
            while not reading.done():
                order = asyncio.ensure_future(self._orders.get())
                await asyncio.wait({order, reading}, timeout=LINGER,
                                   return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
                if order.done():
                    if not order.result():
                        return await self._end(process, reading)
                    process.stdin.write(order.result())
                    with contextlib.suppress(ConnectionError):
                        await process.stdin.drain()
                else:
                    order.cancel()
                    if not reading.done() and not self._watches:
                        return await self._end(process, reading)
            return True
        finally:
            reading.cancel()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    async def _end(self, process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> bool:
        """It is told to end, and heard out."""
        assert process.stdin is not None  # noqa: S101
        process.stdin.close()
        await reading
        return False

    async def _read(self, output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            found = json.loads(line)
            run_id = found["run"]
            if found.get("over"):
                self._forget(run_id)
                continue
            if found["pattern"] in self._heard.get(run_id, ()):
                self._heard[run_id][found["pattern"]] = found["offset"]
            self._post(
                Matched(
                    task=found["task"], run_id=run_id, pattern=found["pattern"],
                    lines=tuple(found["lines"]), count=found["count"], offset=found["offset"],
                )
            )  # fmt: skip


def _line(order: dict[str, object]) -> bytes:
    return json.dumps(order).encode() + b"\n"
