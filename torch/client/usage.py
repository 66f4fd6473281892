"""What runs use: processor time and memory of each run's whole process tree.

Owns how /proc is read for it, and its own cost: psutil reads several files a process and the
whole table for the children of each; here one file a process serves all runs, and where a host
has very many processes only those that are known are read, with a look at all now and then.
A process is of a run if it is in its session, or descends from one that is.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch.reaper import processes

_CLOCK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MOST = 400
"""Processes that one look may read, on the average."""


@dataclass(frozen=True, slots=True)
class Process:
    """`seconds` of the processor, those of children that it has waited for included."""

    parent: int
    session: int
    seconds: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """`cpu`: cores in use since the look before, None at the first; `seconds` in all; `memory`
    in bytes, of `count` processes."""

    cpu: float | None
    seconds: float
    memory: int
    count: int


class Looks:
    """One look after the other; each compares with the one before."""

    def __init__(self) -> None:
        self._before: dict[int, float] = {}
        self._members: dict[int, list[int]] = {}
        self._at = 0.0
        self._skip = 0

    def look(self, shims: Collection[int], mono: float) -> dict[int, Usage]:
        """By the pids of the shims, which lead the sessions of their runs."""
        if self._skip > 0 and self._members.keys() >= {*shims}:
            self._skip -= 1
            table = read(pid for members in self._members.values() for pid in members)
        else:
            pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
            self._skip = len(pids) // _MOST
            table = read(pids)
        self._members = trees(table, shims)
        seconds = mono - self._at
        found = {}
        for shim, members in self._members.items():
            used = sum(table[pid].seconds for pid in members)
            before = self._before.get(shim)
            cpu = None if before is None or seconds <= 0 else max(used - before, 0.0) / seconds
            memory = sum(table[pid].memory for pid in members)
            found[shim] = Usage(cpu=cpu, seconds=used, memory=memory, count=len(members))
        self._before = {shim: usage.seconds for shim, usage in found.items()}
        self._at = mono
        return found


def read(pids: Iterable[int]) -> dict[int, Process]:
    """Those that live."""
    seen = ((pid, processes.fields_of(pid)) for pid in pids)
    return {pid: measured(found[1]) for pid, found in seen if found is not None}


def measured(fields: Sequence[str]) -> Process:
    return Process(
        parent=int(fields[1]),
        session=int(fields[3]),
        seconds=sum(map(int, fields[11:15])) / _CLOCK,
        memory=int(fields[21]) * _PAGE,
    )


def trees(table: Mapping[int, Process], shims: Collection[int]) -> dict[int, list[int]]:
    """The processes of each run. A shim that is gone has what is left of its session."""
    children: dict[int, list[int]] = defaultdict(list)
    for pid, process in table.items():
        children[process.parent].append(pid)
    found: dict[int, list[int]] = {shim: [] for shim in shims}
    for pid, process in table.items():
        if process.session in found:
            found[process.session].append(pid)
    for members in found.values():
        known = {*members}
        for pid in members:  # grows while we go through it
            members.extend(new for new in children[pid] if new not in known)
            known.update(children[pid])
    return found
