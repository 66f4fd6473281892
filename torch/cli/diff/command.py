"""torch diff: what an edit changes, since a git revision, and what a reload then does.

Owns where the two versions come from, and the document. What differs is `torch.planning`'s, with
the comparison that a reload makes; what becomes of live runs is the running service's answer to
a dry run with the edited file, so that the same code says it and does it.
"""

from __future__ import annotations

import os
from typing import Any

import click

from torch.cli import show
from torch.cli.diff import changes, values
from torch.cli.diff.compared import Compared
from torch.cli.diff.revision import read_revision
from torch.cli.options import json_option, of_running_service, settings_options, timeout_option
from torch.cli.terminal.progress import tracked
from torch.client.asking import ask
from torch.clock import FireTime, SystemClock
from torch.errors import ExitCode, NotRunning, TaskFileError, TorchError, UsageError
from torch.planning.change import HostChange, KeyChange, Version, compare
from torch.planning.load import DAY, expressions, starts
from torch.report.errors import describe
from torch.report.text import harmless
from torch.schedule.expression import Expression
from torch.schedule.reload import Diff
from torch.schedule.reload import diff as reload_diff
from torch.settings import Settings
from torch.taskfile.anywhere import read_anywhere
from torch.taskfile.closed import read_closed
from torch.taskfile.open import Missing
from torch.taskfile.parse import TaskFile, parse
from torch.taskfile.placement import Owner
from torch.taskfile.reading import LONGEST
from torch.taskfile.whole import addresses


@click.command()
@click.argument("revision", metavar="[REV]", required=False)
@click.option(
    "--from", "old_file", metavar="FILE", help="Compare with this file instead of a git revision."
)
@click.option("--exit-code", "by_code", is_flag=True, help="Exit 1 if anything differs.")
@json_option
@timeout_option
@settings_options
def diff(
    settings: Settings, revision: str | None, old_file: str | None, by_code: bool, as_json: bool,
    timeout: float,
) -> int:  # fmt: skip
    """Show what the task file changes since a git revision (HEAD): tasks, keys, starts, hosts.

    If a service is running, also shows what a reload of this file would do to its active runs.
    With '-f -', reads the new file from standard input.
    """
    if revision is not None and old_file is not None:
        raise UsageError("a revision and --from cannot be combined", hint="use one of them")
    settings = of_running_service(settings)
    new = _new(settings)
    origin, old = _old(settings, revision or "HEAD", old_file)
    found = _compare(settings, origin, old, new, timeout)
    if as_json:
        show.document(_document(found))
    else:
        changes.say(found)
    if found.service is not None and not found.service.get("accepted", True):
        return ExitCode.TASK_FILE
    return ExitCode.FOUND if by_code and found.change else ExitCode.OK


def _new(settings: Settings) -> TaskFile:
    """The file as it is now. One that no service would open is compared all the same."""
    try:
        data = read_closed(settings.task_file).data
    except Missing:
        raise
    except TaskFileError as error:
        data = read_anywhere(settings.task_file)
        click.echo("a service would refuse this file in its present place:", err=True)
        show.complaint(describe(error))
    return parse(data, file=settings.task_file)


def _old(
    settings: Settings, revision: str, old_file: str | None
) -> tuple[dict[str, str | None], TaskFile]:
    if old_file is not None:
        name, commit, data = old_file, None, read_anywhere(old_file)
    else:
        found = read_revision(settings.task_file, revision)
        name, commit, data = found.name, found.commit, found.data
    try:
        file = parse(data, file=name)
    except TaskFileError:
        click.echo(harmless(f"{name} has errors and cannot be compared:"), err=True)
        raise
    rev = None if old_file is not None else revision
    return {"revision": rev, "commit": commit, "file": old_file}, file


def _compare(
    settings: Settings, origin: dict[str, str | None], old: TaskFile, new: TaskFile, timeout: float
) -> Compared:
    change = compare(_version(old), _version(new))
    now = FireTime(int(SystemClock().now().wall))
    counted: dict[tuple[Expression, ...], int] = {(): 0}
    for task in tracked((*old.tasks, *new.tasks), "counting starts"):
        schedule = expressions(task)
        if schedule not in counted:
            counted[schedule] = starts(schedule, now, FireTime(now + DAY))
    return Compared(
        origin=origin, file=settings.task_file, change=change, here=_here(settings, old, new),
        starts=counted, service=_ask(settings, timeout), total=new.total,
    )  # fmt: skip


def _version(file: TaskFile) -> Version:
    return Version(tasks=file.tasks, groups=file.groups, channels=file.channels)


def _here(settings: Settings, old: TaskFile, new: TaskFile) -> HostChange:
    mine = addresses(settings.address)
    before, after = (
        tuple(task for task in file.tasks if owner.owns(task.hosts))
        for file, owner in ((file, Owner(file.groups, mine)) for file in (old, new))
    )
    found = reload_diff({task.name: task for task in before}, after)
    return HostChange(label="this host", places=(), diff=found, old=before, new=after)


def _ask(settings: Settings, timeout: float) -> dict[str, Any] | None:
    """What the service here would do with this file; None where none runs."""
    path = os.path.realpath(settings.task_file)
    try:
        answer = ask(
            settings, {"do": "reload", "dry_run": True, "file": path}, timeout=max(timeout, LONGEST)
        )
    except NotRunning:
        return None
    except TorchError as error:
        return {"error": error.message}
    if "runs" not in answer:
        return {"error": "it is of an older version without this function; run: torch restart"}
    return answer


# ── as JSON ───────────────────────────────────────────────────────────────────────────────


def _document(found: Compared) -> dict[str, Any]:
    change = found.change
    return {
        "from": found.origin,
        "file": found.file,
        **_names(change.diff),
        "moved": change.moved,
        "tasks": [
            {"name": name, "keys": [_key(key) for key in keys]}
            for name, keys in change.keys.items()
        ],
        "groups": {
            name: {"added": added, "removed": removed}
            for name, (added, removed) in change.groups.items()
        },
        "channels": change.channels,
        "here": _host(found, found.here),
        "hosts": [
            {"label": host.label, "addresses": host.places} | _host(found, host)
            for host in change.hosts
        ],
        "service": _service(found),
    }


def _names(found: Diff) -> dict[str, Any]:
    return {
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "unchanged": found.unchanged,
    }


def _key(change: KeyChange) -> dict[str, Any]:
    return {
        "key": change.key,
        "what": change.what,
        "old": None if change.hidden else values.plain(change.key, change.old),
        "new": None if change.hidden else values.plain(change.key, change.new),
        "hidden": change.hidden,
    }


def _host(found: Compared, host: HostChange) -> dict[str, Any]:
    return _names(host.diff) | {
        "starts_before": found.starts_of(host.old),
        "starts_after": found.starts_of(host.new),
    }


def _service(found: Compared) -> dict[str, Any] | None:
    answer = found.service
    if answer is None or "error" in answer:
        return answer
    wanted = ("accepted", "problems", "added", "removed", "changed", "unchanged", "runs", "version")
    return {key: answer[key] for key in wanted}
