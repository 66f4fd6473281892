"""torch next: the fire times to come, of a task or of an expression.

Owns where a task's expressions come from: the service, which has them read, when it lives and
knows the task; else the task file, which takes longer. Nothing slow is imported before it is
needed.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from torch import zone
from torch.cli import names, options, show
from torch.cli.options import in_its_zone, json_option, of_running_service, settings_options
from torch.client.asking import ask
from torch.clock import SystemClock
from torch.errors import (
    ExpressionError,
    NotPermitted,
    ServiceUnreachable,
    TorchError,
    UsageError,
)
from torch.explain.placing import misplaced
from torch.nearest import did_you_mean
from torch.settings import Settings

if TYPE_CHECKING:
    from torch.schedule.expression import Expression
    from torch.task import Task

_MOST_ASKED = 100
"""Times that the service gives; for more the file is read."""


@click.command(name="next")
@click.argument("what", metavar="TASK|EXPRESSION", shell_complete=names.tasks)
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=5, show_default=True,
              metavar="N", help="Number of times to show.")  # fmt: skip
@click.option(
    "--tz", metavar="ZONE", help="Time zone (IANA name) of the expression.  [default: the host's]"
)
@json_option
@settings_options
def next_(settings: Settings, what: str, count: int, tz: str | None, as_json: bool) -> None:
    """Show the next fire times of a task or of an expression: the times the schedule names.

    For a task, asks the running service; if there is none, or with -f or --tz, reads the file.
    """
    found = _asked(settings, what, count, tz) or _read(settings, what, count, tz)
    if as_json:
        meaning = [each["meaning"] for each in found["schedule"]]
        show.document({"what": what, "meaning": meaning, "times": found["times"]})
        return
    for each in found["schedule"]:
        click.echo(f"{each['text']}  ({each['meaning']}, {each['timezone']})")
    for time in found["times"]:
        click.echo(time)
    if quiet := found.get("quiet"):
        click.echo(f"{what} is {quiet}: it will not be scheduled until that changes", err=True)


def _is_expression(what: str) -> bool:
    return " " in what.strip() or what.startswith("@")


def _asked(settings: Settings, what: str, count: int, tz: str | None) -> dict[str, Any] | None:
    """What the service says; None where it cannot be asked, or does not know the task."""
    named = click.get_current_context().params.get("task_file")
    if tz or named or count > _MOST_ASKED or _is_expression(what):
        return None
    try:
        return ask(settings, {"do": "next", "task": what, "count": count}, timeout=options.PATIENCE)
    except (NotPermitted, ServiceUnreachable):  # it may have another file in force
        raise
    except TorchError:
        return None


def _read(settings: Settings, what: str, count: int, tz: str | None) -> dict[str, Any]:
    """The same, from the file or the expression itself. Raises ExpressionError, TaskFileError
    and UsageError."""
    expressions, quiet = _expressions(settings, what, tz)
    at = datetime.fromtimestamp(SystemClock().now().wall, UTC)
    times: list[str] = []
    while len(times) < count:
        found = [t for e in expressions if (t := e.next_after(at)) is not None]
        if not found:
            break
        at = min(found)
        times.append(at.isoformat())
    schedule = [
        {"text": e.text, "meaning": e.describe(), "timezone": e.timezone} for e in expressions
    ]
    return {"schedule": schedule, "times": times, "quiet": quiet}


def _expressions(
    settings: Settings, what: str, tz: str | None
) -> tuple[tuple[Expression, ...], str]:
    """With why they fire nothing, '' for no reason."""
    from torch.schedule.expression import Expression

    if tz is not None and not zone.is_zone(tz):
        hint = did_you_mean(tz, sorted(zone.names()), otherwise="example: Europe/Berlin")
        raise UsageError(f"unknown zone '{tz}'", hint=hint)
    if _is_expression(what):
        if tz is None:
            in_its_zone(settings)
        return (Expression.parse(what.strip(), timezone=tz or zone.current().key),), ""
    settings = of_running_service(settings, needed=("task_file",))
    tasks = {task.name: task for task in _all_tasks(settings, what)}
    if what not in tasks:
        hint = "quote an expression: torch next '*/5 * * * *'"
        hint = did_you_mean(what, tasks, otherwise=hint)
        raise UsageError(f"no task '{what}' in {settings.task_file}", hint=hint)
    with contextlib.suppress(TorchError):  # with -f no answer is no condition for the times
        settings = of_running_service(settings)
    if other := misplaced(settings, what):
        click.echo(f"torch: {other.message}", err=True)
    found = tuple(s for s in tasks[what].schedule if isinstance(s, Expression))
    if tz:
        found = tuple(Expression.parse(e.text, timezone=tz, name=what) for e in found)
    return found, "" if tasks[what].enabled else "disabled"


def _all_tasks(settings: Settings, what: str) -> tuple[Task, ...]:
    if not Path(settings.task_file).exists():
        raise ExpressionError(
            f"'{what}' is not an expression, and there is no task file {settings.task_file}",
            hint="an expression has five or six fields: torch next '*/5 * * * *'",
        )
    from torch.taskfile.whole import whole_file

    return whole_file(settings).tasks
