"""Runs that the version before has started: each has a shell around it, the shim, and a run file.

Owns adopting them during an upgrade: the shim holds a lock on its run file as long as it runs, and
writes the end of its command there. New runs are not started in this way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Mapping

from torch.clock import Clock
from torch.daemon import runfile
from torch.daemon.child import Child
from torch.reaper.output import Output
from torch.schedule.shim_evidence import SHIM_KILLED

LOOK, OFTEN = 1.0, 0.02
"""Seconds between two looks at the size of their output; the second while it is over its cap."""


class Shims:
    def __init__(
        self, runs_dir: str, *, clock: Clock, children: Mapping[str, Child],
        follow: Callable[[Child], None],
    ) -> None:  # fmt: skip
        self._runs_dir = runs_dir
        self._clock = clock
        self._children = children
        self._follow = follow
        self._outputs: dict[str, Output] = {}
        self._looking: asyncio.TimerHandle | None = None

    def adopt(self, child: Child, output: Output | None = None) -> None:
        if output is not None:
            self._outputs[child.run.id] = output
            if self._looking is None:
                self._look()
        loop = asyncio.get_running_loop()
        try:
            child.pidfd = os.pidfd_open(child.pid)
        except OSError:  # it has ended in this very moment
            loop.call_soon(self._reap, child)
            return
        loop.add_reader(child.pidfd, self._reap, child)
        # Only now: a lock that is held still says that the pid was the shim's when we opened it.
        seen = runfile.look(child.run_file)
        if seen is None or not seen.held:
            loop.call_soon(self._reap, child)

    def _reap(self, child: Child) -> None:
        """We are not its parent: how it ended is in its run file."""
        if child.ended_at is not None:
            return
        if child.pidfd >= 0:
            asyncio.get_running_loop().remove_reader(child.pidfd)
            os.close(child.pidfd)
            child.pidfd = -1
        seen = runfile.look(child.run_file)
        child.exit_code = seen.code if seen else None
        child.signal = signal_of(child.exit_code)
        child.ended_at = self._clock.now().wall
        if seen is not None and child.exit_code is not None:
            child.ended_at = seen.changed
        elif seen is not None and seen.shim is None:
            child.begun = False  # it was never released, and nothing began
        else:
            child.reason = SHIM_KILLED
        self._follow(child)

    def _look(self) -> None:
        over = [output.look() for output in self._outputs.values()]
        delay = OFTEN if any(over) else LOOK
        self._looking = asyncio.get_running_loop().call_later(delay, self._look) if over else None

    def close(self, child: Child) -> tuple[int, int]:
        """Its output grows no more; returns the bytes that were cut off its head, and are left."""
        output = self._outputs.pop(child.run.id, None)
        return output.close() if output is not None else (0, 0)

    def forget(self, run_ids: Iterable[str]) -> None:
        if self._runs_dir and os.path.isdir(self._runs_dir):
            for run_id in run_ids:
                with contextlib.suppress(OSError):
                    os.unlink(f"{self._runs_dir}/{run_id}")

    def close_all(self) -> None:
        if self._looking is not None:
            self._looking.cancel()


def signal_of(code: int | None) -> int | None:
    """A shell says 128 + n of a command that died of signal n."""
    return code - 128 if code is not None and 128 < code <= 192 else None
