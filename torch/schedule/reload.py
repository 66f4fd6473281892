"""Old tasks, new tasks -> Diff. Pure comparison; what follows from it is the scheduler's.

Two questions that a reload must not mix up: has the definition changed at all (then its next
fire is found anew), and has what a live process was started with changed (then a daemon
task's runs are replaced). A new description is the first and not the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch.task import Task

_LAUNCH = (
    "type",
    "command",
    "shell",
    "user",
    "group",
    "privileges",
    "cwd",
    "umask",
    "nice",
    "env",
    "env_file",
)
"""The fields that decide how a process comes to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Names in file order (removed: in the old file's order)."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: int = 0


def diff(old: Mapping[str, Task], new: Iterable[Task]) -> Diff:
    """Compares by digest, which stands for the whole definition."""
    added, changed, seen = [], [], set()
    for task in new:
        seen.add(task.name)
        before = old.get(task.name)
        if before is None:
            added.append(task.name)
        elif before.digest != task.digest:
            changed.append(task.name)
    return Diff(
        added=tuple(added),
        removed=tuple(name for name in old if name not in seen),
        changed=tuple(changed),
        unchanged=len(seen) - len(added) - len(changed),
    )


def launches_alike(one: Task, other: Task) -> bool:
    """Whether a process started by one definition is what the other would start."""
    return all(getattr(one, field) == getattr(other, field) for field in _LAUNCH)
