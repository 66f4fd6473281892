"""torch tasks, run, kill: this host's tasks, and runs by hand."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from torch.cli import names, show
from torch.cli.options import (
    json_option,
    place_options,
    say_unused,
    settings_options,
    timeout_option,
)
from torch.cli.targets import ask_about, elsewhere
from torch.cli.terminal.waiting import Waiting, elapsed
from torch.client import tailing
from torch.client.asking import ask
from torch.errors import ExitCode, NotRunning, TorchError, UsageError
from torch.nearest import did_you_mean
from torch.report.text import harmless, last_written
from torch.settings import Settings

_STATES = ("idle", "running", "failing", "restarting", "crash-looping", "paused", "disabled",
           "removed", "not running")  # fmt: skip


@click.command()
@click.argument("globs", nargs=-1, metavar="[NAME|GLOB]...", shell_complete=names.tasks)
@click.option("--state", "states", multiple=True, metavar="STATE",
              help="Only tasks in this state, such as failing; repeatable.")  # fmt: skip
@click.option("--owner", metavar="NAME", help="Only tasks of this owner.")
@click.option("--label", "labels", multiple=True, metavar="KEY[=VALUE]",
              help="Only tasks with this label; repeatable, all must match.")  # fmt: skip
@json_option
@timeout_option
@settings_options
def tasks(
    settings: Settings, globs: tuple[str, ...], states: tuple[str, ...], owner: str | None,
    labels: tuple[str, ...], as_json: bool, timeout: float,
) -> None:  # fmt: skip
    """List this host's tasks, from the service or, if none is running, from the task file."""
    _check(states)
    try:
        answer = ask(settings, {"do": "status"}, timeout=timeout)
        say_unused(settings, answer)
        found = answer["tasks"]
    except NotRunning:
        found = _from_file(settings)
    known = [task["name"] for task in found]
    found = [
        task for task in found
        if _named(task["name"], globs) and (not states or task["state"] in states)
        and (owner is None or task.get("owner") == owner) and _labelled(task, labels)
    ]  # fmt: skip
    if as_json:
        show.document({"tasks": found})
        return
    filtered = bool(globs or states or owner is not None or labels)
    for name in globs:
        if name not in known and not set(name) & set("*?["):
            if other := elsewhere(settings, name):
                raise other
            hint = did_you_mean(name, known, otherwise="to list all tasks: torch tasks")
            line = f"there is no task '{harmless(name)}' on this host ({settings.where})"
            raise UsageError(line, hint=hint)
    columns = ["TASK", "TYPE", "MAX", "STATE", "OWNER", "LABELS", "SCHEDULE", "DESCRIPTION"]
    rows = [_row(task) for task in found]
    for name in ("LABELS", "OWNER"):  # a column that says nothing takes no room
        at = columns.index(name)
        if all(row[at] == "-" for row in rows):
            columns.pop(at)
            rows = [[*row[:at], *row[at + 1 :]] for row in rows]
    empty = "no task matches" if filtered else "no tasks for this host"
    show.table(columns, rows, empty=empty, spare=("LABELS", "MAX", "TYPE", "OWNER", "STATE"))


def _check(states: tuple[str, ...]) -> None:
    for state in states:
        if state not in _STATES:
            hint = did_you_mean(state, _STATES, otherwise="known: " + ", ".join(_STATES))
            raise UsageError(f"--state: '{harmless(state)}' is not a valid state", hint=hint)


def _named(name: str, globs: tuple[str, ...]) -> bool:
    from fnmatch import fnmatchcase

    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _labelled(task: dict[str, Any], wanted: tuple[str, ...]) -> bool:
    labels = task.get("labels", {})
    for each in wanted:
        key, sign, value = each.partition("=")
        if key not in labels or (sign and labels[key] != value):
            return False
    return True


def _row(task: dict[str, Any]) -> list[object]:
    labels = ",".join(f"{key}={value}" for key, value in task.get("labels", {}).items())
    return [
        task["name"],
        task["type"],
        task["max"],
        task["state"],
        task.get("owner") or "-",
        labels or "-",
        ", ".join(task["schedule"]) or "-",
        task.get("description") or "-",
    ]


def _from_file(settings: Settings) -> list[dict[str, Any]]:
    from torch.taskfile.whole import tasks_of_host

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
            "labels": dict(task.labels),
        }
        for task in tasks_of_host(settings)
    ]


@click.command()
@click.argument("task", shell_complete=names.tasks)
@click.option(
    "--wait", is_flag=True, help="Wait for the run, print its output, exit with its code."
)
@json_option
@timeout_option
@place_options
def run(settings: Settings, task: str, wait: bool, as_json: bool, timeout: float) -> int:
    """Run a task now. Refused if all max slots are in use."""
    request = {"do": "run", "task": task, "wait": wait}
    with Waiting(elapsed(f"waiting for {task} to end")) as look:
        patience = None if wait else timeout
        answer = ask_about(settings, task, request, timeout=patience, look=look)
    if as_json:
        show.document(answer)
    if not wait:
        if not as_json:
            click.echo(answer["run"])
        return ExitCode.OK
    ending = answer["ending"]
    if not as_json:
        _print_output(settings, task, answer["run"])
        code = ending["exit_code"]
        said = f", exit code {code}" if code else ""
        if ending["signal"] is not None:
            said = f" by signal {ending['signal']}"
        why = f": {ending['reason']}" if ending["reason"] else ""
        line = f"torch: {task} {_outcome(ending)}{said}{harmless(why)} (run {answer['run']})"
        click.echo(line, err=True)
    code = ending["exit_code"]
    return code if code is not None else ExitCode.FOUND


def _outcome(ending: dict[str, Any]) -> str:
    """A run that failed and has neither a code nor a signal never began."""
    never = ending["outcome"] == "failed" and ending["exit_code"] is ending["signal"] is None
    return "did not start" if never else str(ending["outcome"])


@click.command()
@click.argument("target", metavar="RUN|TASK", shell_complete=names.tasks_and_runs)
@click.option("--now", is_flag=True, help="Send SIGKILL immediately, without the grace period.")
@json_option
@timeout_option
@place_options
def kill(settings: Settings, target: str, now: bool, as_json: bool, timeout: float) -> None:
    """End a run, or all runs of a task: SIGTERM, then SIGKILL after the grace period.

    Does not wait for the end. If nothing is running, exits 0.
    """
    request = {"do": "kill", "target": target, "by_force": now}
    said = f"no active runs of {target}"
    try:
        answer = ask_about(settings, target, request, timeout=timeout)
    except TorchError as error:
        ended = _ended(settings, target) if error.exit_code is ExitCode.USAGE else ""
        if not ended:
            raise
        answer, said = {"runs": []}, f"{target} has ended: {ended}"
    if as_json:
        show.document(answer)
    for run_id in answer["runs"] if not as_json else ():
        click.echo(f"ending {run_id}")
    if not answer["runs"]:
        click.echo(harmless(said), err=True)


def _ended(settings: Settings, run_id: str) -> str:
    """How a run on record ended; '' for one that is not, or has not."""
    from torch.client.outputs import ending
    from torch.history import query

    with contextlib.suppress(TorchError):
        row = query.find(settings.history, run_id)
        return "" if row is None or row.outcome is None else ending(row)
    return ""


def _print_output(settings: Settings, task: str, run_id: str) -> None:
    """All output of one run, to stdout."""
    path = f"{settings.output}/{task}/{run_id}.log"
    terminal = sys.stdout.isatty()
    for line in tailing.forwards(path):
        sys.stdout.write(f"{harmless(last_written(line)) if terminal else line}\n")
    sys.stdout.flush()
