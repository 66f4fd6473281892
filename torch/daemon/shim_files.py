"""The run files of the version before: their content, and which shims are running.

Owns reading them, which is needed only during an upgrade. Without such files it costs one listing
of a directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Set
from dataclasses import dataclass

from torch.clock import Clock
from torch.daemon import runfile
from torch.daemon.runfile import RunFile
from torch.reaper import processes

PATIENCE = 2.0
"""Seconds a shim that holds its run file has to say that it began its command."""

_LOOK = 0.01


@dataclass(slots=True, kw_only=True)
class ShimFile:
    path: str
    seen: RunFile
    pid: int | None = None  # the shim's, while it lives
    birth: int = 0  # its start time


class ShimFiles:
    def __init__(self, runs_dir: str, *, clock: Clock) -> None:
        self._runs_dir = runs_dir
        self._clock = clock
        self._files: dict[str, ShimFile] = {}

    def of(self, run_id: str) -> ShimFile | None:
        return self._files.get(run_id)

    async def look(self, here: Set[str]) -> None:
        """`here`: runs that the history knows, of this boot."""
        for name in self._listed():
            if (seen := runfile.look(f"{self._runs_dir}/{name}")) is not None:
                self._files[name] = ShimFile(path=f"{self._runs_dir}/{name}", seen=seen)
        until = self._clock.now().mono + PATIENCE
        while self._silent(here) and self._clock.now().mono < until:
            await asyncio.sleep(_LOOK)
            for name in self._silent(here):
                self._look_again(name)
        held = {name for name, file in self._files.items() if file.seen.held}
        for name, (pid, birth) in shims(held).items():
            self._files[name].pid, self._files[name].birth = pid, birth
            # Seen alive, and the lock is held still: it is that shim, and not a pid used again.
            self._look_again(name)

    def _silent(self, here: Set[str]) -> list[str]:
        """Held, and about to begin or to end."""
        return [
            name
            for name, file in self._files.items()
            if name in here and file.seen.held and file.seen.shim is None
        ]

    def _look_again(self, name: str) -> None:
        file = self._files[name]
        if (seen := runfile.look(file.path)) is not None:
            file.seen = seen

    def strays(self) -> dict[str, tuple[int, int]]:
        """Those whose shim lives: pid and start time."""
        return {n: (f.pid, f.birth) for n, f in self._files.items() if f.pid and f.seen.held}

    def clear(self, known: Set[str]) -> None:
        """What is only left of a run that is recorded goes; so do files of what never began."""
        for name, file in self._files.items():
            seen = file.seen
            if not seen.held and (name not in known or seen.empty):
                with contextlib.suppress(OSError):
                    os.unlink(file.path)

    def _listed(self) -> list[str]:
        with contextlib.suppress(OSError):
            return sorted(os.listdir(self._runs_dir))
        return []


def shims(run_ids: Set[str]) -> dict[str, tuple[int, int]]:
    """Run id -> pid and start time (clock ticks) of its living shim: it carries the mark, leads its
    session, and has the run file open."""
    found: dict[str, tuple[int, int]] = {}
    for pid, each in (processes.table() if run_ids else {}).items():
        if each.session != pid or each.state in "ZX":
            continue
        run_id = processes.environment(pid).get("TORCH_RUN_ID")
        if run_id in run_ids and run_id is not None and _has_open(pid, f"/{run_id}"):
            found[run_id] = (pid, each.started)
    return found


def _has_open(pid: int, name: str) -> bool:
    """While its command runs, the shim's standard input is the command's, and the run file waits on
    another descriptor."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        return any(os.readlink(f"{folder}/{fd}").endswith(name) for fd in os.listdir(folder))
    return False
