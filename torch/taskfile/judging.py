"""All that is wrong with a file for a host, in one go: what is written, and what the host lacks.

Owns the joining of the two, for the service's reader and for `torch check` alike. Whoever mends
a typo must not learn of the missing user only after it: tasks that are fine are checked on the
host though others are not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from torch.errors import Problem
from torch.task import Task
from torch.taskfile.host_checks import check_host
from torch.taskfile.parse import TaskFile
from torch.taskfile.placement import Address, Owner
from torch.taskfile.problems import SHOWN


def judge(
    file: TaskFile, addresses: Collection[Address] | None, *more: Problem
) -> tuple[Problem, ...]:
    """The problems of `file` on a host with these addresses, and `more` of the same file.
    Without addresses all its tasks are the host's: it was read for it alone."""
    return joined(file, *more, *check_host(file, _placed(file, addresses)))


def joined(file: TaskFile, *more: Problem) -> tuple[Problem, ...]:
    """The problems of `file` and `more` of it, in the order of the lines."""
    if sum(not problem.warning for problem in file.problems) > SHOWN:
        return file.problems  # the last of them says how many more there are
    return tuple(sorted((*file.problems, *more), key=lambda p: (p.line, p.column)))


def _placed(file: TaskFile, addresses: Collection[Address] | None) -> Iterable[Task]:
    """The tasks of the host. Where groups are wrong, nobody knows whose a task with hosts is."""
    if any(p.key.startswith("groups") for p in file.problems if not p.warning):
        return [task for task in file.tasks if not task.hosts]
    if addresses is None:
        return file.tasks
    owner = Owner(file.groups, addresses)
    return [task for task in file.tasks if owner.owns(task.hosts)]
