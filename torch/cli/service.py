"""torch start, stop, reload: the life of the service; `torch restart` is in restart.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from torch.cli import effects, show
from torch.cli.lifecycle import live_runs, say_ready, start_service, stop_service
from torch.cli.options import (
    Seconds,
    json_option,
    place_options,
    settings_options,
    timeout_option,
)
from torch.client import answers
from torch.client.asking import ask
from torch.daemon import launch
from torch.errors import (
    ExitCode,
    NotRunning,
    TaskFileError,
    UsageError,
)
from torch.report.errors import describe
from torch.settings import LOG_FORMATS, Settings
from torch.taskfile.reading import LONGEST


@click.command()
@click.option("--foreground", is_flag=True, help="Stay in the foreground and print events.")
@click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Format of log lines.")
@click.option("--log-file", is_flag=True, help="With --foreground: log to torch.log instead.")
@settings_options
def start(settings: Settings, foreground: bool, log_format: str | None, log_file: bool) -> None:
    """Start the service, wait until it is ready, and print its pid."""
    if log_format:
        settings = replace(settings, log_format=log_format)
    if log_file and not foreground:
        raise UsageError("--log-file needs --foreground", hint="background mode always uses it")
    if foreground:
        launch.in_foreground(settings, log_file=log_file)
    say_ready(start_service(settings))


@click.command()
@click.option("--now", is_flag=True, help="Send SIGKILL immediately, without the grace period.")
@click.option("--keep-runs", is_flag=True,
              help="Keep active runs; the next service adopts them.")  # fmt: skip
@click.option("--timeout", type=Seconds(), metavar="SECONDS",
              help="Seconds to wait.  [default: 15 s more than the longest grace]")  # fmt: skip
@place_options
def stop(settings: Settings, now: bool, keep_runs: bool, timeout: float | None) -> None:
    """Stop the service and all active runs, and wait until they have ended.

    Runs get SIGTERM, then SIGKILL after the grace period of their task.
    """
    if now and keep_runs:
        raise UsageError("--now and --keep-runs cannot be combined", hint="use one of them")
    mode = "keep" if keep_runs else "now" if now else "drain"
    try:
        kept = stop_service(settings, mode=mode, timeout=timeout)
    except NotRunning as error:
        from torch.cli import left

        if left.tell(settings):
            error.hint = "to end the active runs: torch start && torch stop"
        raise
    click.echo("torch is stopped" + (f"; {live_runs(kept)} kept" if kept else ""))


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would change; change nothing.")
@json_option
@timeout_option
@place_options
def reload(settings: Settings, dry_run: bool, as_json: bool, timeout: float) -> int:
    """Reload the task file. Active cron runs continue; a file with errors changes nothing.

    The service also reloads the file automatically when it changes.
    """
    ask(settings, {"do": "file"}, timeout=timeout)  # one that hangs is not waited for longer
    answer = ask(settings, {"do": "reload", "dry_run": dry_run}, timeout=max(timeout, LONGEST))
    problems = answers.problems(answer)
    waits = not answer["accepted"] and answer["version"].get("waiting") is not None
    if as_json:
        show.document(answer)
    elif problems and not answer["accepted"]:
        outcome = "not loaded yet" if waits else "refused; nothing changed"
        click.echo(f"the task file is {outcome}:", err=True)
        show.complaint(describe(TaskFileError(problems)))
    else:
        _say_diff(answer, dry_run)
    if waits:
        return ExitCode.TRY_AGAIN
    return ExitCode.OK if answer["accepted"] else ExitCode.TASK_FILE


def _time_of(text: str) -> str:
    return f"{datetime.fromisoformat(text):%H:%M:%S}"


def _say_diff(answer: dict[str, Any], dry_run: bool) -> None:
    verb = "would be " if dry_run else ""
    for word in ("added", "removed", "changed"):
        for name in answer[word]:
            click.echo(f"{verb}{word}: {name}")
    for line in effects.lines(r for r in answer["runs"] if r["becomes"] not in effects.QUIET):
        click.echo(line)
    if not any(answer[word] for word in ("added", "removed", "changed")):
        loaded = answer["version"]["loaded_at"]
        at = "" if loaded is None else f" since it was loaded at {_time_of(loaded)}"
        since = "" if dry_run else at
        click.echo(f"nothing {'would change' if dry_run else 'changed'}{since}")
    else:
        click.echo(f"{answer['unchanged']} unchanged")
