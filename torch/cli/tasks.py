"""torch tasks, run, kill: this host's tasks, and runs by hand."""

from __future__ import annotations

from typing import Any

import click

from torch.cli import show
from torch.cli.client import ask
from torch.cli.options import json_option, place_options, settings_options, timeout_option
from torch.errors import ExitCode, NotRunning
from torch.report.text import harmless
from torch.settings import Settings


@click.command()
@json_option
@timeout_option
@settings_options
def tasks(settings: Settings, as_json: bool, timeout: float) -> None:
    """List this host's tasks: from the service, or from the file when none is running."""
    try:
        found = ask(settings, {"do": "status"}, timeout=timeout)["tasks"]
    except NotRunning:
        found = _from_file(settings)
    if as_json:
        show.document({"tasks": found})
        return
    rows = [
        (
            task["name"],
            task["type"],
            task["max"],
            task["state"],
            ", ".join(task["schedule"]) or "-",
            task["description"] or "-",
        )
        for task in found
    ]
    columns = ("TASK", "TYPE", "MAX", "STATE", "SCHEDULE", "DESCRIPTION")
    show.table(columns, rows, empty="no tasks for this host")


def _from_file(settings: Settings) -> list[dict[str, Any]]:
    from torch.cli.file import tasks_of_host

    return [
        {
            "name": task.name,
            "type": task.type.value,
            "state": "not running" if task.enabled else "disabled",
            "running": 0,
            "max": task.max,
            "schedule": [schedule.text for schedule in task.schedule],
            "description": task.description,
            "owner": task.owner,
        }
        for task in tasks_of_host(settings)
    ]


@click.command()
@click.argument("task")
@click.option("--wait", is_flag=True, help="Wait for its end, show its output, exit as it did.")
@json_option
@timeout_option
@place_options
def run(settings: Settings, task: str, wait: bool, as_json: bool, timeout: float) -> int:
    """Run a task now. Its max holds: with no slot free it is refused."""
    request = {"do": "run", "task": task, "wait": wait}
    answer = ask(settings, request, timeout=None if wait else timeout)
    if as_json:
        show.document(answer)
    if not wait:
        if not as_json:
            click.echo(answer["run"])
        return ExitCode.OK
    ending = answer["ending"]
    if not as_json:
        from torch.cli.logs import print_output

        print_output(settings, task, answer["run"])
        why = f": {ending['reason']}" if ending["reason"] else ""
        click.echo(f"torch: {task} {ending['outcome']}{harmless(why)}", err=True)
    code = ending["exit_code"]
    return code if code is not None else ExitCode.FOUND


@click.command()
@click.argument("target", metavar="RUN|TASK")
@click.option("--now", is_flag=True, help="SIGKILL at once, without the task's grace.")
@json_option
@timeout_option
@place_options
def kill(settings: Settings, target: str, now: bool, as_json: bool, timeout: float) -> None:
    """End a run, or all runs of a task: SIGTERM, then SIGKILL after the task's grace."""
    answer = ask(settings, {"do": "kill", "target": target, "by_force": now}, timeout=timeout)
    if as_json:
        show.document(answer)
    else:
        for run_id in answer["runs"]:
            click.echo(f"ending {run_id}")
