"""The file in force, what a reload answers, and from where a following service decides.

Owns the shape of `torch reload --json`; pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from operator import eq
from typing import Any

from torch.clock import FireTime
from torch.errors import Problem
from torch.schedule.effect import Effect
from torch.schedule.reload import Diff
from torch.task import Task
from torch.taskfile.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFile:
    """The file in force. `at` is when it was loaded, in wall seconds; the reading is without its
    `order`, which the tasks have themselves."""

    reading: Reading
    at: float

    def is_of(self, reading: Reading, tasks: Mapping[str, Task]) -> bool:
        """Whether nothing is new: the same bytes, and the same tasks of them for this host."""
        if self.reading.hash != reading.hash or len(tasks) != len(reading.order):
            return False
        return all(map(eq, ((n, task.digest) for n, task in tasks.items()), reading.order))


def answer(
    reading: Reading, found: Diff, then: tuple[Effect, ...] = (), *, version: dict[str, Any]
) -> dict[str, Any]:
    """`version`: that of the file in force, as in `torch status`."""
    return {
        "accepted": not reading.refused,
        "problems": [asdict(problem) for problem in reading.problems],
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "unchanged": found.unchanged,
        "runs": [asdict(effect) for effect in then],
        "hash": reading.hash,
        "version": version,
    }


def unchanged(
    problems: tuple[Problem, ...], tasks: int, *, version: dict[str, Any]
) -> dict[str, Any]:
    """The file is not taken: so many tasks stay as they are."""
    refused = Reading(problems=problems, refused=True)
    return answer(refused, Diff(unchanged=tasks), version=version)


def decided(
    known: Mapping[str, tuple[str, FireTime]], tasks: tuple[Task, ...]
) -> dict[str, FireTime]:
    """Up to where an earlier service decided each task's fires, if it had the same definition."""
    found = ((task.name, task.digest, known.get(task.name)) for task in tasks)
    return {name: last[1] for name, digest, last in found if last and last[0] == digest}
