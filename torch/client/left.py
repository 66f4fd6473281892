"""What lives on while no service does: the runs that the next one will adopt.

Owns finding them from outside the service, by the journals of reapers and, for runs that the
version before started, by run files. It only reads: a run file is probed for its lock when it is
old enough that nobody can be about to lock it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from torch.client import journals
from torch.clock import SystemClock, rfc3339
from torch.daemon import runfile
from torch.errors import TorchError
from torch.settings import Settings

_YOUNG = 2.0
"""Seconds: a service that is just starting makes a run file and locks it at once."""
_HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A run whose first process lives. `task` is '?' where the history cannot tell it."""

    id: str
    task: str
    pid: int | None
    since: float

    def as_json(self) -> dict[str, object]:
        since = rfc3339(self.since, milliseconds=True)
        return {"id": self.id, "task": self.task, "pid": self.pid, "started_at": since}


def alive(settings: Settings, now: float) -> list[Left]:
    """The runs that live without a service, the oldest first."""
    found = []
    for name in _listed(settings.runs):
        file = runfile.look(f"{settings.runs}/{name}") if _is_old(settings, name, now) else None
        if file is not None and file.held:
            found.append((name, file))
    of_reapers = journals.alive(settings)
    rows = _rows(settings, [*(name for name, _ in found), *of_reapers])
    left = []
    for name, said in of_reapers.items():
        task, started = rows.get(name, ("?", None))
        since = started or now - SystemClock().now().mono + said.birth / _HERTZ
        left.append(Left(id=name, task=task, pid=said.pid, since=since))
    for name, file in found:
        task, started = rows.get(name, ("?", None))
        left.append(Left(id=name, task=task, pid=file.shim, since=started or file.changed))
    return sorted(left, key=lambda run: run.since)


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))
    return []


def _is_old(settings: Settings, name: str, now: float) -> bool:
    with contextlib.suppress(OSError):
        return now - os.stat(f"{settings.runs}/{name}").st_mtime > _YOUNG
    return False


def _rows(settings: Settings, ids: list[str]) -> dict[str, tuple[str, float | None]]:
    """Task and start of each run; those that the history does not know are absent."""
    from torch.history import query

    found = {}
    for run_id in ids:
        with contextlib.suppress(TorchError):
            row = query.find(settings.history, run_id)
            if row is not None:
                found[run_id] = (row.task, row.started_at)
    return found
