"""The plan of many hosts: a letter for each kind of host, and which tasks each of them owns.

Owns the matrix of `torch plan --all`. Places that own the same tasks are one column, so a fleet
of a thousand hosts is as wide as it is different.
"""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import click

from torch.cli import show
from torch.cli.plan.starts import (
    Span,
    count_all,
    level_as_json,
    load_of,
    rest_as_json,
    row,
    say_rest,
)
from torch.cli.terminal.progress import tracked
from torch.clock import FireTime, local
from torch.planning.load import Load
from torch.planning.places import Fleet
from torch.report.text import count, harmless
from torch.settings import Settings
from torch.task import Task
from torch.taskfile.parse import TaskFile

_LETTERS = ascii_uppercase + ascii_lowercase


def show_fleet(
    settings: Settings, file: TaskFile, found: Fleet, span: Span, *, as_json: bool
) -> None:
    tasks = list(file.tasks)
    counts = count_all(tasks, span)
    loads = _loads_of_columns(file, found, span.first)
    columns: list[dict[str, Any]] = [
        {
            "label": column.label,
            "addresses": list(column.places),
            "tasks": [tasks[at].name for at in column.tasks],
            "fires": sum(counts[tasks[at].name] for at in column.tasks),
            "busiest": [level_as_json(*each) for each in islice(load.busiest(), 1)],
        }
        for column, load in zip(found.columns, loads, strict=True)
    ]
    if as_json:
        rows = [
            row(task, span, counts[task.name]) | {"hosts": list(of)}
            for task, of in zip(tasks, found.of_task, strict=True)
        ]
        rest = rest_as_json(file, tasks, load_of(tasks, span.first), span)
        show.document({"for": span.text, "hosts": columns, "tasks": rows} | rest)
        return
    click.echo(f"{harmless(settings.task_file)}: {count(len(tasks), 'task')}, "
               f"{count(len(columns), 'kind')} of hosts")  # fmt: skip
    click.echo()
    today = local(span.first)
    lettered = len(columns) <= len(_LETTERS)
    show.table(
        ("", "TASKS", f"IN {span.text}", "PEAK", "HOSTS"),
        [
            (
                _LETTERS[at] if lettered else at + 1,
                len(column["tasks"]),
                column["fires"],
                _peak(column["busiest"], today),
                column["label"],
            )
            for at, column in enumerate(columns)
        ],
        empty="no hosts",
    )
    click.echo()
    show.table(
        ("TASK", f"IN {span.text}", "HOSTS", "SCHEDULE"),
        [
            (
                task.name,
                counts[task.name] if task.enabled and task.policy.fires else "-",
                _letters(of, len(columns)),
                _told(task),
            )
            for task, of in zip(tasks, found.of_task, strict=True)
        ],
        empty="no tasks in the file",
    )
    say_rest(file, tasks, load_of(tasks, span.first), span)


def _told(task: Task) -> str:
    if not task.enabled:
        return "disabled"
    return ", ".join(s.text for s in task.schedule) or f"{task.max} kept alive"


def _letters(of: tuple[int, ...], columns: int) -> str:
    """'AB.D': which columns own the task, each in its place; a number where letters run out."""
    if columns > len(_LETTERS):
        return f"{len(of)} of {columns}"
    return "".join(_LETTERS[at] if at in of else "." for at in range(columns))


def _peak(levels: list[dict[str, Any]], today: datetime) -> str:
    return (
        "; ".join(f"{one['starts']} at {show.when(one['at'], today=today)}" for one in levels)
        or "-"
    )


def _loads_of_columns(file: TaskFile, found: Fleet, after: FireTime) -> list[Load]:
    """The load of one host of each column. Tasks with the same `hosts` are added up once."""
    parts: dict[tuple[str, ...], list[Task]] = {}
    for task in file.tasks:
        parts.setdefault(task.hosts, []).append(task)
    of_hosts = {
        hosts: load_of(tasks, after) for hosts, tasks in tracked(list(parts.items()), "adding up")
    }
    loads = []
    for column in tracked(found.columns, "finding the peak of each host"):
        load = Load(after)
        for hosts in dict.fromkeys(file.tasks[at].hosts for at in column.tasks):
            load.merge(of_hosts[hosts])
        loads.append(load)
    return loads
