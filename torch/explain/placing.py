"""Where a task file on disk places a task, and which name was meant by one that is not in it.

Owns the reading of the whole file for `torch explain`: only for a task that is not in force on
this host, since it takes longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch.errors import TorchError, UsageError
from torch.explain.evidence import Placement
from torch.nearest import did_you_mean
from torch.report.text import harmless
from torch.settings import Settings
from torch.task import Task


@dataclass(frozen=True, slots=True)
class Found:
    """`placement` None: the file does not have the task. `names`: the tasks that it has;
    `fault`: why it cannot be read."""

    task: Task | None = None
    placement: Placement | None = None
    names: tuple[str, ...] = ()
    fault: str = ""


def find(settings: Settings, name: str) -> Found:
    """What the file says of a task; nothing, where there is no good one."""
    from torch.taskfile.placement import owns
    from torch.taskfile.whole import addresses, whole_file

    try:
        file = whole_file(settings)
    except TorchError as error:
        return Found(fault=error.message)
    names = tuple(each.name for each in file.tasks)
    task = next((each for each in file.tasks if each.name == name), None)
    if task is None:
        return Found(names=names)
    mine = addresses(settings.address)
    placement = Placement(
        file=settings.task_file,
        here=owns(task.hosts, file.groups, mine),
        hosts=tuple(_entry(entry, file.groups) for entry in task.hosts),
        address=", ".join(sorted(map(str, mine))) or "without an address",
    )
    return Found(task=task, placement=placement, names=names)


_LONGEST = 300


def misplaced(settings: Settings, name: str) -> UsageError | None:
    """What is to be said of a task that the file has for other hosts only; None for all others."""
    placement = find(settings, name).placement
    if placement is None or placement.here:
        return None
    hosts = ", ".join(placement.hosts)
    hosts = hosts if len(hosts) <= _LONGEST else hosts[:_LONGEST] + "…"
    return UsageError(
        f"'{name}' belongs to other hosts: {hosts}; this host is {placement.address}",
        hint="to see the tasks of all hosts: torch plan --all",
    )


def unknown(
    settings: Settings, name: str, recorded: Iterable[str], file: Found, of: str | None = None
) -> UsageError:  # fmt: skip
    """`recorded`: the tasks that the history knows. `of`: the task that a run of this id is of."""
    if of is not None:
        return UsageError(
            f"'{name}' is a run, not a task", hint=f"to explain its task: torch explain {of}"
        )
    unread = f"the task file cannot be read: {file.fault}" if file.fault else "see: torch tasks"
    hint = did_you_mean(name, sorted({*recorded, *file.names}), otherwise=unread)
    return UsageError(f"no task '{harmless(name)}' here ({settings.where})", hint=hint)


def _entry(entry: str, groups: Mapping[str, Sequence[str]]) -> str:
    """A group with what it holds."""
    members = groups.get(entry.removeprefix("!"))
    return entry if members is None else f"{entry} ({', '.join(members)})"
