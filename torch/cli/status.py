"""torch status: is it running, which file is in force, what do the tasks do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from torch.cli import show
from torch.cli.client import ask
from torch.cli.options import json_option, place_options, timeout_option
from torch.clock import SystemClock
from torch.errors import ExitCode
from torch.report.text import duration, harmless
from torch.settings import Settings

_TROUBLE = ("crash-looping", "failing")


@click.command()
@click.option("--strict", is_flag=True, help="Exit 1 if a task fails or the file is refused.")
@json_option
@timeout_option
@place_options
def status(settings: Settings, strict: bool, as_json: bool, timeout: float) -> int:
    """Show the service, its task file and its tasks. Exits 3 if the service is not running."""
    answer = ask(settings, {"do": "status"}, timeout=timeout)
    if as_json:
        show.document(answer)
    else:
        _show(answer)
    trouble = answer["version"]["problem"] or any(
        task["state"] in _TROUBLE for task in answer["tasks"]
    )
    return ExitCode.FOUND if strict and trouble else ExitCode.OK


def _show(answer: dict[str, Any]) -> None:
    version = answer["version"]
    now = datetime.fromtimestamp(SystemClock().now().wall).astimezone()
    up = duration((now - datetime.fromisoformat(answer["since"])).total_seconds())
    word = "stopping" if answer["stopping"] else "running"
    click.echo(f"torch is {word}, pid {answer['pid']}, for {up}, as {answer['address']}")
    commit = f", commit {version['commit']}" if version["commit"] else ""
    loaded = show.when(version["loaded_at"], today=now)
    click.echo(f"{harmless(version['file'])}{commit}, loaded {loaded}")
    if version["problem"]:
        click.echo(f"the file on disk is refused: {harmless(version['problem'])}")
    click.echo()
    show.table(
        ("TASK", "STATE", "RUNNING", "LAST", "NEXT", "SCHEDULE"),
        [
            (
                task["name"],
                _state(task, now),
                _running(task),
                _last(task["last"], now),
                show.when(task["next"], today=now),
                "daemon" if task["type"] == "daemon" else ", ".join(task["schedule"]),
            )
            for task in answer["tasks"]
        ],
        empty="no tasks for this host",
    )


def _state(task: dict[str, Any], now: datetime) -> str:
    """With the end of a pause, where it has one."""
    paused = task.get("paused")  # a service of the version before does not say it
    until = paused["until"] if paused else None
    return f"{task['state']} until {show.when(until, today=now)}" if until else str(task["state"])


def _running(task: dict[str, Any]) -> str:
    adopted = sum(run["adopted"] for run in task["runs"])
    return f"{task['running']}/{task['max']}" + (f", {adopted} adopted" if adopted else "")


def _last(last: dict[str, Any] | None, now: datetime) -> str:
    if last is None:
        return "-"
    return f"{last['outcome']} {show.when(last['ended_at'], today=now)}"
