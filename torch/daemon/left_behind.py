"""Processes left behind by runs that ended without being stopped: they keep running, as in cron.

Owns naming them on request. They are never signalled, so the only thing that is kept of them is
the marks of the newest runs that ended. A reaper and a service are subreapers, so a process that
lost its parent is a child of one of these, and not the first process of a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch.daemon.child import Child
from torch.daemon.lost_reaper import is_torch
from torch.reaper import marks, processes
from torch.reaper.processes import Stat
from torch.run import Run

MOST_MARKS = 1_000
"""Runs that ended whose marks are remembered. A process that an older run left is assigned to it
by its environment, or else to no run."""

MOST = 1_000
"""Most processes that one answer names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """`run` and `task` None: it is not known whose it is."""

    run: str | None
    task: str | None
    pid: int
    name: str

    def as_json(self) -> dict[str, Any]:
        return {"run": self.run, "task": self.task, "pid": self.pid, "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the loop knows at one instant. `parents`: us and the reapers; `first`: pids of live
    runs; `live`: their ids; `marked`: (run, task) by mark, of live runs too."""

    parents: tuple[int, ...]
    first: frozenset[int]
    live: frozenset[str]
    marked: Mapping[int, tuple[str, str]]


class Leftovers:
    def __init__(
        self, children: Mapping[str, Child], *, parents: Callable[[], Iterable[int]]
    ) -> None:
        """`children`: the live runs; `parents`: who gets what lost its parent."""
        self._children = children
        self._parents = parents
        self._ended: dict[int, tuple[str, str]] = {}  # mark -> run, task; the oldest first

    def remember(self, run: Run, mark: int) -> None:
        """The run has ended by itself or not; something of it may be left."""
        if not mark:
            return
        self._ended[mark] = (run.id, run.task)
        if len(self._ended) > MOST_MARKS:
            del self._ended[next(iter(self._ended))]

    async def find(self) -> list[dict[str, Any]]:
        """Beside the loop: the look goes over all of /proc."""
        children = [*self._children.values()]
        live = {child.mark: (child.run.id, child.run.task) for child in children if child.mark}
        known = Known(
            parents=tuple(self._parents()),
            first=frozenset(child.pid for child in children),
            live=frozenset(child.run.id for child in children),
            marked=self._ended | live,
        )
        return [each.as_json() for each in await asyncio.to_thread(look, known)]


def look(known: Known, seen: dict[int, Stat] | None = None) -> list[Left]:
    """Every process that no live run has, by pid; those of one run are together."""
    seen = processes.table() if seen is None else seen
    below: dict[int, list[int]] = {}
    for pid, each in seen.items():
        below.setdefault(each.parent, []).append(pid)
    found: list[Left] = []
    for parent in known.parents:
        for pid in below.get(parent, []):
            if pid not in known.first and pid not in known.parents and not is_torch(pid):
                _gather(pid, (None, None), known, seen, below, found)
    found.sort(key=lambda left: (left.run is None, left.run or "", left.pid))
    return found[:MOST]


def _gather(
    pid: int, above: tuple[str | None, str | None], known: Known, seen: Mapping[int, Stat],
    below: Mapping[int, list[int]], found: list[Left],
) -> None:  # fmt: skip
    """One process and its descendants, which are whose their parent is where nothing else says."""
    waiting = [(pid, above)]
    while waiting:
        pid, above = waiting.pop()
        each = seen[pid]
        whose = _whose(pid, known.marked) or above
        if each.state not in "ZX" and not _is_live(whose, known.live):
            found.append(Left(run=whose[0], task=whose[1], pid=pid, name=each.name))
        waiting += [(child, whose) for child in below.get(pid, [])]


def _is_live(whose: tuple[str | None, str | None], live: Container[str]) -> bool:
    return whose[0] is not None and whose[0] in live


def _whose(pid: int, marked: Mapping[int, tuple[str, str]]) -> tuple[str, str] | None:
    """Its mark first: an environment can say what it likes."""
    if (mark := marks.of(pid)) and (run := marked.get(mark)) is not None:
        return run
    says = processes.environment(pid)
    run_id = says.get("TORCH_RUN_ID")
    return None if not run_id else (run_id, says.get("TORCH_TASK", "unknown"))
