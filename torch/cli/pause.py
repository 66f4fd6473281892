"""torch pause, resume: a task that fires nothing for a while."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from torch.cli import names, show
from torch.cli.options import json_option, place_options, timeout_option
from torch.cli.targets import ask_about
from torch.clock import SystemClock
from torch.errors import UsageError
from torch.report.text import count
from torch.settings import Settings


@click.command()
@click.argument("task", shell_complete=names.tasks)
@click.option("--for", "span", metavar="DURATION", help="Resume by itself after 30m, 2h, 1d, …")
@json_option
@timeout_option
@place_options
def pause(settings: Settings, task: str, span: str | None, as_json: bool, timeout: float) -> None:
    """Let a task fire nothing until it is resumed. Runs of a cron task go on to their end."""
    now = SystemClock().now().wall
    until = None if span is None else now + _seconds(span)
    answer = ask_about(
        settings, task, {"do": "pause", "task": task, "until": until}, timeout=timeout
    )
    if as_json:
        show.document(answer)
        return
    today = datetime.fromtimestamp(now, UTC)
    end = answer["paused"]["until"]
    how_long = f"until {show.when(end, today=today)}" if end else "until you resume it"
    click.echo(f"{task} is paused {how_long}")
    if answer["running"]:
        live = count(answer["running"], "live run")
        click.echo(f"what runs of it goes on ({live}); to end that too: torch kill {task}")
    if answer["stopped"]:
        click.echo(f"what runs of it gets SIGTERM ({count(answer['stopped'], 'live run')})")


def _seconds(span: str) -> float:
    from torch.cli.times import seconds_of

    seconds = seconds_of(span, "--for")
    if seconds < 1:
        raise UsageError("--for: a pause lasts a second at the least", hint="example: --for 1h")
    return seconds


@click.command()
@click.argument("task", shell_complete=names.tasks)
@json_option
@timeout_option
@place_options
def resume(settings: Settings, task: str, as_json: bool, timeout: float) -> None:
    """Let a paused task fire again. What the pause skipped is not made up for."""
    answer = ask_about(settings, task, {"do": "resume", "task": task}, timeout=timeout)
    if as_json:
        show.document(answer)
        return
    click.echo(f"{task} is resumed; the pause skipped {count(answer['skipped'], 'fire')}")
    if answer["next"]:
        today = datetime.fromtimestamp(SystemClock().now().wall, UTC)
        click.echo(f"next fire: {show.when(answer['next'], today=today)}")
