"""What lives on while no service does: the runs that the next one will adopt.

Owns finding them from outside the service, by the journals of reapers and, for runs that the
version before started, by run files. It only reads: a run file is probed for its lock when it is
old enough that nobody can be about to lock it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import click

from torch.client import journals
from torch.clock import SystemClock, local, rfc3339
from torch.daemon import runfile
from torch.errors import TorchError
from torch.report.text import count, duration
from torch.settings import Settings

_YOUNG = 2.0
"""Seconds: a service that is just starting makes a run file and locks it at once."""
_MOST_SHOWN = 10
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


def tell(settings: Settings) -> list[Left]:
    """Says on stderr what lives on, so that nobody thinks that all is gone."""
    now = SystemClock().now().wall
    left = alive(settings, now)
    if left:
        verb = "lives" if len(left) == 1 else "live"
        click.echo(f"{count(len(left), 'run')} {verb} on; the next service takes over:", err=True)
    for run in left[:_MOST_SHOWN]:
        since = local(run.since)
        pid = f"pid {run.pid}, " if run.pid else ""
        age = duration(now - run.since)
        click.echo(f"  {run.task}  {run.id}, {pid}since {since:%H:%M:%S} ({age})", err=True)
    if len(left) > _MOST_SHOWN:
        click.echo(f"  and {len(left) - _MOST_SHOWN} more", err=True)
    return left


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
