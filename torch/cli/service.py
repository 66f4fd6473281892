"""torch start, stop, restart, reload: the life of the service."""

from __future__ import annotations

import os
import select
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from torch.cli import show
from torch.cli.client import ask
from torch.cli.options import (
    Seconds,
    file_of_service,
    json_option,
    place_options,
    settings_options,
    timeout_option,
)
from torch.clock import SystemClock
from torch.daemon import launch
from torch.daemon.lock import holder
from torch.errors import (
    ExitCode,
    NotPermitted,
    NotRunning,
    Problem,
    TaskFileError,
    TorchError,
    TryAgain,
    UsageError,
)
from torch.report.errors import describe
from torch.settings import LOG_FORMATS, Settings


@click.command()
@click.option("--foreground", is_flag=True, help="Stay here and show what starts and ends.")
@click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Form of the log lines.")
@settings_options
def start(settings: Settings, foreground: bool, log_format: str | None) -> None:
    """Start the service; returns when it is ready, and prints its pid."""
    if log_format:
        settings = replace(settings, log_format=log_format)
    if foreground:
        launch.in_foreground(settings)
    _start(settings)


def _start(settings: Settings) -> None:
    pid = launch.in_background(settings, SystemClock())
    click.echo(f"torch is ready, pid {pid}")


@click.command()
@click.option("--now", is_flag=True, help="SIGKILL at once, without a grace.")
@click.option("--keep-runs", is_flag=True,
              help="Leave what runs alone; the next service takes it over.")  # fmt: skip
@click.option("--timeout", type=Seconds(), metavar="SECONDS",
              help="Wait no longer than this.  [default: the longest grace and 15 s]")  # fmt: skip
@place_options
def stop(settings: Settings, now: bool, keep_runs: bool, timeout: float | None) -> None:
    """Stop the service and everything it runs; returns when it is gone."""
    if now and keep_runs:
        raise UsageError("--now and --keep-runs exclude each other", hint="choose one of them")
    kept = _stop(settings, mode="keep" if keep_runs else "now" if now else "drain", timeout=timeout)
    click.echo("torch is stopped" + (f", {_live(kept)} left alone" if kept else ""))


def _stop(settings: Settings, *, mode: str, timeout: float | None) -> int:
    """Returns how many live runs were left alone."""
    kept = 0
    try:
        answer = ask(settings, {"do": "stop", "mode": mode}, timeout=5)
        pid, grace, live, kept = (answer[key] for key in ("pid", "grace", "runs", "kept"))
    except NotRunning:
        raise
    except TorchError:
        if mode == "keep":  # a signal would end what is to be kept
            raise
        pid, grace, live = _stop_by_signal(settings), 60.0, 0
    if live:
        click.echo(f"waiting for {_live(live)} to end", err=True)
    _await_end(pid, timeout or grace + 15)
    return kept


def _live(count: int) -> str:
    return f"{count} live run{'s' if count != 1 else ''}"


def _stop_by_signal(settings: Settings) -> int:
    """The socket does not answer: the holder of the lock is asked by SIGTERM."""
    pid = holder(settings.lock)
    if not pid:
        raise NotRunning("the torch service is not running")
    launch.terminate(pid)
    return pid


def _await_end(pid: int, timeout: float) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise NotPermitted(f"process {pid} belongs to another user") from error
    try:
        if not select.select([fd], [], [], timeout)[0]:
            raise TryAgain(
                f"the service (pid {pid}) is still stopping after {timeout:g} s",
                hint="wait longer (--timeout), or: torch stop --now",
            )
    finally:
        os.close(fd)


@click.command()
@click.option("--timeout", type=Seconds(), metavar="SECONDS",
              help="Wait no longer than this for the old service.")  # fmt: skip
@settings_options
def restart(settings: Settings, timeout: float | None) -> None:
    """Start the service anew with the same task file. What runs is not touched."""
    try:
        status = ask(settings, {"do": "status"}, timeout=5)
        settings = file_of_service(settings, status["version"]["file"])
        if status["address_given"]:
            settings = replace(settings, address=status["address"])
        _check_file(settings)
        _stop(settings, mode="keep", timeout=timeout)
    except NotRunning:
        pass
    _start(settings)


def _check_file(settings: Settings) -> None:
    """A file that would not start must not leave the host without a service. Raises."""
    answer = ask(settings, {"do": "reload", "dry_run": True}, timeout=30)
    if not answer["accepted"]:
        raise TaskFileError(tuple(Problem(**problem) for problem in answer["problems"]))


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
@timeout_option
@place_options
def reload(settings: Settings, dry_run: bool, as_json: bool, timeout: float) -> int:
    """Read the task file again. What runs is left alone; a bad file changes nothing."""
    answer = ask(settings, {"do": "reload", "dry_run": dry_run}, timeout=max(timeout, 30.0))
    problems = tuple(Problem(**problem) for problem in answer["problems"])
    if as_json:
        show.document(answer)
    elif problems and not answer["accepted"]:
        click.echo("the task file is refused, nothing changed:", err=True)
        click.echo(describe(TaskFileError(problems)), err=True)
    else:
        _say_diff(answer, dry_run)
    return ExitCode.OK if answer["accepted"] else ExitCode.TASK_FILE


def _say_diff(answer: dict[str, Any], dry_run: bool) -> None:
    verb = "would be " if dry_run else ""
    for word in ("added", "removed", "changed"):
        for name in answer[word]:
            click.echo(f"{verb}{word}: {name}")
    if not any(answer[word] for word in ("added", "removed", "changed")):
        loaded = datetime.fromisoformat(answer["version"]["loaded_at"])
        since = "" if dry_run else f" since it was loaded at {loaded:%H:%M:%S}"
        click.echo(f"nothing {'would change' if dry_run else 'changed'}{since}")
    else:
        click.echo(f"{answer['unchanged']} unchanged")
