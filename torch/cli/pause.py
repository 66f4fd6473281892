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
@click.option("--for", "span", metavar="DURATION", help="Resume automatically after 30m, 2h, 1d, …")
@json_option
@timeout_option
@place_options
def pause(settings: Settings, task: str, span: str | None, as_json: bool, timeout: float) -> None:
    """Stop scheduling a task until it is resumed.

    Active runs of a cron task continue; those of a daemon task are stopped. Queued runs and
    pending retries are cancelled.
    """
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
        live = count(answer["running"], "run")
        click.echo(f"still active ({live}); to stop: torch kill {task}")
    if answer["stopped"]:
        click.echo(f"sent SIGTERM to {count(answer['stopped'], 'run')}")


def _seconds(span: str) -> float:
    from torch.cli.times import seconds_of

    seconds = seconds_of(span, "--for")
    if seconds < 1:
        raise UsageError("--for must be at least 1s", hint="example: --for 1h")
    return seconds


@click.command()
@click.argument("task", shell_complete=names.tasks)
@json_option
@timeout_option
@place_options
def resume(settings: Settings, task: str, as_json: bool, timeout: float) -> None:
    """Resume scheduling a paused task. Runs skipped by the pause are not run later."""
    answer = ask_about(settings, task, {"do": "resume", "task": task}, timeout=timeout)
    if as_json:
        show.document(answer)
        return
    click.echo(f"{task} is resumed; the pause skipped {count(answer['skipped'], 'run')}")
    if answer["next"]:
        today = datetime.fromtimestamp(SystemClock().now().wall, UTC)
        click.echo(f"next run: {show.when(answer['next'], today=today)}")
