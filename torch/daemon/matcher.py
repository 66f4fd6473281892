"""Performs `Watch`: a process of its own looks for the patterns, and tells what it finds.

Owns what that process has to follow, and how far it got: one that dies or no longer answers is
followed by another (`sidecar.py`), which goes on behind the last byte that was told of; a run that
ended is kept until its output was looked at to the end. Must not know what a match means.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from torch.daemon.output import Outputs
from torch.daemon.process import NICE, Form, module
from torch.daemon.sidecar import Pace, Sidecar
from torch.event import Event
from torch.run import Run
from torch.schedule.commands import Watch
from torch.schedule.messages import Matched

MOST_ENDED = 1_000
"""Runs that have ended and are still to be looked at. Beyond it the oldest is forgotten."""

SEARCH = Form(argv=module("torch.matching"), nice=NICE, errors=True)


class Matcher:
    def __init__(
        self, *, post: Callable[[Matched], None], outputs: Outputs, tell: Callable[[Event], None],
        pace: Pace = Pace(), sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,  # noqa: B008
    ) -> None:  # fmt: skip
        self._post = post
        self._outputs = outputs
        self._watches: dict[str, Watch] = {}
        self._heard: dict[str, dict[str, int]] = {}  # run id -> pattern -> the byte to go on from
        self._ended: dict[str, int] = {}  # run id -> bytes that were cut off its output
        self._tried: set[str] = set()  # runs whose end a process was told, and died
        self._sidecar = Sidecar(
            SEARCH, part="the search for patterns", owner=self, tell=tell, pace=pace, sleep=sleep
        )

    def watch(self, watch: Watch) -> None:
        run_id = watch.run.id
        heard = self._heard.get(run_id, {})  # of a pattern that stays
        self._heard[run_id] = {
            text: self._size(watch.run) if offset < 0 else max(offset, heard.get(text, 0))
            for text, offset in watch.patterns
        }
        self._watches[run_id] = watch
        order = self._order(watch)
        if not watch.patterns:
            self._forget(run_id)
        self._sidecar.feed(order)

    def complete(self, run_id: str, cut: int) -> None:
        """The run has ended: its output is looked at to its end, and then no longer."""
        if run_id in self._watches:
            self._ended[run_id] = cut
            self._sidecar.feed(_complete(run_id, cut))
            if len(self._ended) > MOST_ENDED:
                self._forget(next(iter(self._ended)))

    async def close(self) -> None:
        """What has ended is looked at to its end, if that takes no more than a moment."""
        await self._sidecar.close()
        await asyncio.sleep(0)  # what was posted is heard, and recorded

    def _forget(self, run_id: str) -> None:
        self._watches.pop(run_id, None)
        self._heard.pop(run_id, None)
        self._ended.pop(run_id, None)
        self._tried.discard(run_id)

    def _size(self, run: Run) -> int:
        with contextlib.suppress(OSError):
            return os.stat(self._outputs.path(run)).st_size
        return 0

    def _order(self, watch: Watch) -> dict[str, Any]:
        path = self._outputs.path(watch.run)
        run = watch.run
        patterns = list(self._heard[run.id].items())
        return {"run": run.id, "task": run.task, "path": path, "patterns": patterns}

    # ── the owner of its process ──────────────────────────────────────────────────────────

    def is_needed(self) -> bool:
        return bool(self._watches)

    def brief(self) -> Iterator[dict[str, Any]]:
        """All that is to be followed, for a new process. What has ended is tried once more: it
        may be what the process dies of."""
        for run_id in self._tried & self._ended.keys():
            self._forget(run_id)
        self._tried = set(self._ended)
        for run_id, watch in self._watches.items():
            yield self._order(watch)
            if run_id in self._ended:
                yield _complete(run_id, self._ended[run_id])

    def hear(self, said: dict[str, Any]) -> None:
        run_id = said["run"]
        if said.get("over"):
            self._forget(run_id)
            return
        found = Matched(
            task=said["task"], run_id=run_id, pattern=said["pattern"],
            lines=tuple(said["lines"]), count=said["count"], offset=said["offset"],
        )  # fmt: skip
        if found.pattern in self._heard.get(run_id, ()):
            self._heard[run_id][found.pattern] = found.offset
        self._post(found)


def _complete(run_id: str, cut: int) -> dict[str, Any]:
    return {"run": run_id, "complete": True, "cut": cut}
