"""torch check, plan, next, schema: what a task file says, without a service.

Owns reading the file for a person: the same opening, parsing and host checks as the service's.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import click

from torch.cli import show
from torch.cli.options import json_option, of_running_service, settings_options
from torch.clock import FireTime, SystemClock, host_timezone, is_zone, rfc3339, zones
from torch.errors import ExitCode, ExpressionError, Problem, TaskFileError, UsageError
from torch.report.errors import describe
from torch.report.problems import render_github
from torch.schedule.expression import Expression
from torch.schedule.timeline import fires, next_fire
from torch.settings import Settings
from torch.task import Task, TaskType
from torch.taskfile.host_checks import check_host
from torch.taskfile.open import read_task_file
from torch.taskfile.parse import TaskFile, parse
from torch.taskfile.placement import BadEntry, host_addresses
from torch.taskfile.problems import nearest

_PLAN_LIMIT = 31 * 86400
_COUNT_LIMIT = 3_000_000  # a task of every second in the longest plan


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text")
@settings_options
def check(settings: Settings, files: tuple[str, ...], form: str) -> int:
    """Check task files; every problem at once. Exits 65 if one is refused."""
    files = files or (of_running_service(settings).task_file,)
    results = [(file, *_check(settings, file)) for file in files]
    problems = [problem for _, found, _ in results for problem in found]
    refused = any(not problem.warning for problem in problems)
    if form == "json":
        show.document({"ok": not refused, "problems": [_as_json(p) for p in problems]})
    elif form == "github":
        for problem in problems:
            click.echo(render_github(problem))
    else:
        if problems:
            click.echo(describe(TaskFileError(tuple(problems))), err=True)
        for file, found, count in results:
            if all(problem.warning for problem in found):
                click.echo(f"{file}: ok, {count} task{'' if count == 1 else 's'}")
    return ExitCode.TASK_FILE if refused else ExitCode.OK


def _check(settings: Settings, path: str) -> tuple[tuple[Problem, ...], int]:
    """The problems of one file on this host, and how many tasks it has."""
    try:
        opened = read_task_file(path)
        file = parse(opened.data, file=path)
    except TaskFileError as error:
        return error.problems, 0
    here = _placed(settings, path, opened.data)
    return (*opened.warnings, *file.problems, *check_host(here, here.tasks)), file.total


def _placed(settings: Settings, path: str, data: bytes) -> TaskFile:
    try:
        return parse(data, file=path, only_for=host_addresses(settings.address))
    except BadEntry as error:
        raise UsageError(error.message, hint=error.hint) from error


def tasks_of_host(settings: Settings, host: str | None = None) -> tuple[Task, ...]:
    """The tasks that this host, or the host with address `host`, owns. Raises TaskFileError."""
    data = read_task_file(settings.task_file).data
    try:
        addresses = host_addresses(host or settings.address)
    except BadEntry as error:
        raise UsageError(error.message, hint=error.hint) from error
    return parse(data, file=settings.task_file, only_for=addresses).tasks


def whole_file(settings: Settings) -> TaskFile:
    """The task file with the tasks of all hosts. Raises TaskFileError."""
    return parse(read_task_file(settings.task_file).data, file=settings.task_file)


def _as_json(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "severity": "warning" if problem.warning else "error",
        "message": problem.message,
        "hint": problem.hint,
    }


@click.command()
@click.option("--host", metavar="IP", help="Another host's plan.")
@click.option("--for", "span", metavar="DURATION", default="24h", show_default=True)
@json_option
@settings_options
def plan(settings: Settings, host: str | None, span: str, as_json: bool) -> None:
    """Show what runs on a host, and when: next start, and how often within a span."""
    from torch.cli.history import seconds_of

    now = SystemClock().now().wall
    seconds = min(seconds_of(span, "--for"), _PLAN_LIMIT)
    tasks = tasks_of_host(of_running_service(settings), host)
    rows = [_planned(task, now, seconds) for task in tasks]
    if as_json:
        show.document({"host": host or settings.address, "for": span, "tasks": rows})
        return
    today = datetime.fromtimestamp(now).astimezone()
    show.table(
        ("TASK", "NEXT", f"IN {span}", "SCHEDULE", "MEANING"),
        [
            (
                row["name"],
                show.when(row["next"], today=today),  # type: ignore[arg-type]
                "-" if row["fires"] is None else row["fires"],
                row["schedule"],
                row["meaning"],
            )
            for row in rows
        ],
        empty="no tasks for this host",
    )


def _planned(task: Task, now: float, seconds: float) -> dict[str, object]:
    start, end = FireTime(int(now)), FireTime(int(now + seconds))
    at = next_fire(task.schedule, start) if task.enabled else None
    found = fires(task.schedule, start, end) if task.enabled else iter(())
    count = sum(1 for _ in islice(found, _COUNT_LIMIT))
    daemon = task.type is TaskType.DAEMON
    meanings = [s.describe() for s in task.schedule if isinstance(s, Expression)]
    return {
        "name": task.name,
        "type": task.type.value,
        "enabled": task.enabled,
        "next": rfc3339(at),
        "fires": None if daemon else count,
        "schedule": ", ".join(s.text for s in task.schedule) or "-",
        "meaning": "disabled" if not task.enabled else _meaning(task, daemon, meanings),
    }


def _meaning(task: Task, daemon: bool, meanings: list[str]) -> str:
    return f"{task.max} kept alive" if daemon else "; ".join(meanings)


@click.command(name="next")
@click.argument("what", metavar="TASK|EXPRESSION")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=5, show_default=True)
@click.option("--tz", metavar="ZONE", help="IANA zone of the expression.  [default: the host's]")
@json_option
@settings_options
def next_(settings: Settings, what: str, count: int, tz: str | None, as_json: bool) -> None:
    """Show the next fire times of a task of the file, or of an expression."""
    expressions = _expressions(settings, what, tz)
    at = datetime.fromtimestamp(SystemClock().now().wall, UTC)
    times: list[datetime] = []
    for _ in range(count):
        found = [t for e in expressions if (t := e.next_after(at)) is not None]
        if not found:
            break
        times.append(min(found))
        at = times[-1] + timedelta(0)
    if as_json:
        meaning = [e.describe() for e in expressions]
        document = {"what": what, "meaning": meaning, "times": [t.isoformat() for t in times]}
        show.document(document)
        return
    for expression in expressions:
        click.echo(f"{expression.text}  ({expression.describe()}, {expression.timezone})")
    for time in times:
        click.echo(time.isoformat())


def _expressions(settings: Settings, what: str, tz: str | None) -> tuple[Expression, ...]:
    if tz is not None and not is_zone(tz):
        raise UsageError(f"unknown zone '{tz}'{nearest(tz, tuple(sorted(zones())))}")
    if " " in what.strip() or what.startswith("@"):
        return (Expression.parse(what.strip(), timezone=tz or host_timezone()),)
    settings = of_running_service(settings)
    tasks = {task.name: task for task in _all_tasks(settings, what)}
    if what not in tasks:
        hint = "an expression goes in quotes: torch next '*/5 * * * *'"
        known = nearest(what, tuple(tasks))
        raise UsageError(f"no task '{what}' in {settings.task_file}{known}", hint=hint)
    found = tuple(s for s in tasks[what].schedule if isinstance(s, Expression))
    return tuple(Expression.parse(e.text, timezone=tz, name=what) for e in found) if tz else found


def _all_tasks(settings: Settings, what: str) -> tuple[Task, ...]:
    if not Path(settings.task_file).exists():
        raise ExpressionError(
            f"'{what}' is no expression, and there is no task file {settings.task_file}",
            hint="an expression has five or six fields: torch next '*/5 * * * *'",
        )
    return whole_file(settings).tasks


@click.command()
def schema() -> None:
    """Print the JSON Schema of the task file, for editors and CI."""
    from torch.taskfile.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
