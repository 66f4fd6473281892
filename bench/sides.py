"""Who is measured: one interface for ours and for a peer, and the tasks that both are given.

A row that has both on its list is written once, over `Side`; the same tasks reach each side in
the words of its own task file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from bench.host import Host

MANY = 10_000
"""Tasks of a large file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`schedule` has five fields, or six with the second first; a command that is text goes
    through the shell. `keep` is how many outputs ours keeps (a peer keeps none)."""

    name: str
    schedule: str
    command: str | tuple[str, ...]
    keep: int | None = None


class Side(Protocol):
    """A service of one side in a directory of its own; after the `with` nothing of it is left."""

    folder: str

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...  # fmt: skip

    def give(self, tasks: Sequence[Task]) -> None:
        """Writes the task file, by a rename."""

    def start(self) -> float:
        """Returns the seconds until it was ready."""

    def reload(self) -> None:
        """Asks for the task file to be read again, if it is not watched."""

    def printed(self, task: str) -> list[float]:
        """The numbers that the runs of a task have printed, one a run."""

    def pids(self) -> list[int]: ...
    def processor(self) -> float: ...
    def nanoseconds(self) -> int: ...
    def memory(self) -> float: ...


class Ours(Host):
    def give(self, tasks: Sequence[Task]) -> None:
        self.write("tasks:\n" + "".join(map(_ours, tasks)))

    def reload(self) -> None:
        pass  # the file is watched

    def printed(self, task: str) -> list[float]:
        return self.outputs(task)


def _ours(task: Task) -> str:
    command = task.command if isinstance(task.command, str) else list(task.command)
    keep = f"    output: {{keep: {task.keep}}}\n" if task.keep else ""
    return (
        f"  - name: {task.name}\n"
        f'    schedule: "{task.schedule}"\n'
        f"    command: {json.dumps(command)}\n{keep}"
    )


def far(count: int) -> list[Task]:
    """Tasks that are not due while anything is measured: only in the first night of the year."""
    return [
        Task(name=f"task-{n}", schedule=f"{n % 60} 4 1 1 *", command=("/bin/true",))
        for n in range(count)
    ]
