"""How often tasks start, when most of them do, and what else a plan says of any set of tasks.

Owns what the plan of one host and that of the fleet have in common; what is computed is
`torch.planning`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import click

from torch import zone
from torch.cli import show
from torch.cli.plan import clocks
from torch.cli.terminal.progress import tracked
from torch.clock import FireTime, local, rfc3339
from torch.planning.load import DAY, Load, expressions, fires_at, starts
from torch.planning.places import fleet
from torch.planning.shifts import shifts
from torch.schedule.expression import Expression
from torch.schedule.timeline import next_fire
from torch.task import Task
from torch.taskfile.parse import TaskFile

LEVELS = 3
"""Busiest seconds that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What `--for` asks for. `first` exclusive, `last` inclusive."""

    text: str
    first: FireTime
    last: FireTime


def row(task: Task, span: Span, fires: int) -> dict[str, Any]:
    at = next_fire(task.schedule, span.first) if task.enabled else None
    return {
        "name": task.name,
        "type": task.type.value,
        "enabled": task.enabled,
        "next": rfc3339(at),
        "fires": None if task.policy.is_kept else fires,
        "schedule": ", ".join(s.text for s in task.schedule) or "-",
        "meaning": _meaning(task, span),
    }


def _meaning(task: Task, span: Span) -> str:
    if not task.enabled:
        return "disabled"
    if task.policy.is_kept:
        return f"{task.max} kept alive"
    texts = [schedule.text for schedule in task.schedule]
    in_zone = show.in_zone(task.timezone, texts, host=zone.current().key, at=span.first)
    said = "; ".join(s.describe() for s in task.schedule if isinstance(s, Expression))
    return f"{said}{in_zone}"


def count_all(tasks: list[Task] | tuple[Task, ...], span: Span) -> dict[str, int]:
    """Starts of each task; equal schedules are counted once."""
    known: dict[tuple[Expression, ...], int] = {}
    found = {}
    for task in tracked(tasks, "counting starts"):
        schedule = expressions(task)
        if schedule not in known:
            known[schedule] = starts(schedule, span.first, span.last)
        found[task.name] = known[schedule]
    return found


def load_of(tasks: list[Task], after: FireTime) -> Load:
    """The starts of each second of the next day."""
    alike: dict[tuple[Expression, ...], int] = {}
    for task in tasks:
        schedule = expressions(task)
        alike[schedule] = alike.get(schedule, 0) + 1
    load = Load(after)
    for schedule, times in tracked(list(alike.items()), "finding the busiest seconds"):
        load.add(schedule, times)
    return load


def rest_as_json(file: TaskFile, tasks: list[Task], load: Load, span: Span) -> dict[str, Any]:
    busiest = [
        level_as_json(starting, seconds, at) | {"tasks": _names(tasks, at)}
        for starting, seconds, at in islice(load.busiest(), LEVELS)
    ]
    return {
        "busiest": busiest,
        "changes": [clocks.as_json(shift) for shift in shifts(tasks, span.first, span.last)],
        "nowhere": [file.tasks[at].name for at in fleet(file.tasks, file.groups).nowhere],
    }


def level_as_json(starting: int, seconds: int, at: FireTime) -> dict[str, Any]:
    return {"at": rfc3339(at), "starts": starting, "seconds": seconds}


def _names(tasks: list[Task], at: FireTime) -> list[str]:
    """Who starts in this second, the rare ones first: those of every second say little."""
    found = [task for task in tasks if fires_at(expressions(task), at)]
    seldom = {task.name: starts(expressions(task), FireTime(at - DAY), at) for task in found}
    return sorted(seldom, key=lambda name: seldom[name])


def say_rest(file: TaskFile, tasks: list[Task], load: Load, span: Span) -> None:
    today = local(span.first)
    levels = list(islice(load.busiest(), LEVELS))
    if levels:
        click.echo("\nthe busiest seconds of the next 24 h")
        show.table(
            ("STARTS", "SECONDS", "FIRST", "TASKS"),
            [
                (starting, seconds, show.when(rfc3339(at), today=today), _folded(_names(tasks, at)))
                for starting, seconds, at in levels
            ],
            empty="",
        )
    said = clocks.lines(shifts(tasks, span.first, span.last), span.first)
    if said:
        click.echo()
    for line in said:
        show.prose(line)
    nowhere = [file.tasks[at] for at in fleet(file.tasks, file.groups).nowhere]
    if nowhere:
        click.echo("\ntasks that no host can own")
    for task in nowhere:
        show.prose(f"  {task.name} (hosts: {', '.join(task.hosts)})")


def _folded(names: list[str]) -> str:
    """As many names as the line has room for, and how many more there are."""
    room = (show.room() or 80) - 34
    said, left = "", len(names)
    for name in names:
        more = f" and {left - 1} more" if left > 1 else ""
        if said and len(said) + len(name) + len(more) > room:
            break
        said, left = f"{said}{name}, ", left - 1
    return said.removesuffix(", ") + (f" and {left} more" if left else "")
