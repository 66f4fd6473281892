"""The text of `torch diff`: tasks, keys, hosts, and what the running service would do.

Owns the words and the order in which they come: first what was written, then what follows.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click

from torch import zone
from torch.cli import effects, show
from torch.cli.diff import values
from torch.client import answers
from torch.clock import SystemClock
from torch.errors import TaskFileError
from torch.planning.change import HostChange, KeyChange
from torch.report.errors import describe
from torch.report.text import count
from torch.schedule.expression import Expression
from torch.schedule.reload import Diff
from torch.task import Task

if TYPE_CHECKING:
    from torch.cli.diff.compared import Compared

_LINES = 12  # of a command over several lines


def say(found: Compared) -> None:
    change = found.change
    show.prose(f"{found.file} against {_origin(found)}: {_sums(change.diff)}")
    if not change:
        click.echo("no differences")
    _say_tasks(found)
    for name, (added, removed) in change.groups.items():
        parts = [f"+{each}" for each in added] + [f"-{each}" for each in removed]
        show.prose(f"group {name}: {' '.join(parts) or 'added or removed, without members'}")
    for name, what in change.channels.items():
        show.prose(f"channel {name}: {what}")
    if change.moved:
        show.prose(
            f"moved: {', '.join(change.moved)} (tasks due in one second start in file order)"
        )
    _say_hosts(found)
    _say_service(found)


def _origin(found: Compared) -> str:
    origin = found.origin
    if origin["revision"] is None:
        return "standard input" if origin["file"] == "-" else str(origin["file"])
    return f"{origin['revision']} ({str(origin['commit'])[:12]})"


def _sums(found: Diff) -> str:
    counts = {"added": found.added, "removed": found.removed, "changed": found.changed}
    parts = [f"{len(names)} {word}" for word, names in counts.items() if names]
    return ", ".join([*parts, f"{found.unchanged} unchanged"])


# ── tasks and keys ────────────────────────────────────────────────────────────────────────


def _say_tasks(found: Compared) -> None:
    change = found.change
    new = {task.name: task for host in change.hosts for task in host.new}
    old = {task.name: task for host in change.hosts for task in host.old}
    if change.diff.added or change.diff.removed or change.diff.changed:
        click.echo()
    for name in change.diff.added:
        show.prose(f"+ {name}{_when(new.get(name))}")
    for name in change.diff.removed:
        show.prose(f"- {name}{_when(old.get(name))}")
    for name, keys in change.keys.items():
        show.prose(f"~ {name}")
        for key in keys:
            _say_key(key)


def _when(task: Task | None) -> str:
    """When a task runs; nothing of one that no host owns."""
    if task is None:
        return ": assigned to no host"
    if not task.enabled:
        return ": disabled"
    if task.policy.is_kept:
        return f": {task.max} kept alive"
    meanings = [s.describe() for s in task.schedule if isinstance(s, Expression)]
    texts = [s.text for s in task.schedule]
    host, now = zone.current().key, SystemClock().now().wall
    in_zone = show.in_zone(task.timezone, texts, host=host, at=now)
    return f": {', '.join(texts)} ({'; '.join(meanings)}){in_zone}"


def _say_key(change: KeyChange) -> None:
    if change.hidden:
        show.prose(f"    {change.key}: {change.what}, values are not shown")
        return
    if change.key == "command" and any("\n" in str(each) for each in (change.old, change.new)):
        _say_lines(change)
        return
    old, new = (values.written(change.key, each) for each in (change.old, change.new))
    show.prose(f"    {change.key}: {old} -> {new}")


def _say_lines(change: KeyChange) -> None:
    old, new = (values.written("command", each).splitlines() for each in (change.old, change.new))
    show.prose("    command:")
    compared = difflib.unified_diff(old, new, n=0, lineterm="")
    differing = [line for line in compared if not line.startswith(("---", "+++", "@@"))]
    for line in differing[:_LINES]:
        show.prose(f"      {line}")
    if len(differing) > _LINES:
        click.echo(f"      and {len(differing) - _LINES} more lines")


# ── hosts ─────────────────────────────────────────────────────────────────────────────────


def _say_hosts(found: Compared) -> None:
    rows = [_row(found, host) for host in found.change.hosts if _is_touched(host)]
    if not rows and not _is_touched(found.here):
        return
    click.echo("\nstarts in the next 24 h, and changed tasks, on each kind of host")
    show.table(
        ("BEFORE", "AFTER", "ADDED", "REMOVED", "CHANGED", "HOSTS"),
        [*rows, _row(found, found.here)],
        empty="",
    )
    others = len(found.change.hosts) - len(rows)
    if others:
        click.echo(f"{count(others, 'other kind')} of hosts unchanged")


def _is_touched(host: HostChange) -> bool:
    return bool(host.diff.added or host.diff.removed or host.diff.changed)


def _row(found: Compared, host: HostChange) -> tuple[object, ...]:
    return (
        found.starts_of(host.old),
        found.starts_of(host.new),
        len(host.diff.added),
        len(host.diff.removed),
        len(host.diff.changed),
        host.label,
    )


# ── the service ───────────────────────────────────────────────────────────────────────────


def _say_service(found: Compared) -> None:
    answer = found.service
    if answer is None:
        click.echo("\nno service is running here, so no active run is affected")
        return
    click.echo()
    if "error" in answer:
        show.prose(f"not checked with the service here: {answer['error']}")
        return
    if not answer["accepted"]:
        click.echo("the service here would refuse this file; nothing would change:", err=True)
        problems = answers.problems(answer)
        show.complaint(describe(TaskFileError(problems)))
        return
    _say_reload(found, answer)


def _say_reload(found: Compared, answer: dict[str, Any]) -> None:
    parts = {word: list(answer[word]) for word in ("added", "removed", "changed")}
    here = found.here.diff
    same = list(parts.values()) == [list(here.added), list(here.removed), list(here.changed)]
    if not any(parts.values()):
        click.echo("the service here has already loaded these tasks; a reload changes nothing")
    elif same:
        click.echo("effect of a reload on the service here:")
    else:
        show.prose("the service here has loaded another version; effect of a reload of this file:")
        for word, names in parts.items():
            if names:
                show.prose(f"  {word}: {', '.join(names)}")
    said = effects.lines(answer["runs"])
    for line in said or (["affects no active run"] if any(parts.values()) else []):
        show.prose(f"  {line}")
