"""Task files for tests: parsed, refused, and their problems by message."""

from __future__ import annotations

from textwrap import dedent

import pytest

from torch.errors import Problem, TaskFileError
from torch.task import Task
from torch.taskfile.parse import TaskFile, parse

NEEDS_ROOT = "needs root: run the tests with sudo"

TASK = """\
  - name: t
    command: /bin/true
    schedule: "* * * * *"
"""


def read(text: str | bytes, **options) -> TaskFile:
    """The task file that a text is; a text is dedented."""
    data = text if isinstance(text, bytes) else dedent(text).encode()
    return parse(data, file="tasks.yaml", **{"host_zone": "UTC", **options})


def only_task(text: str, **options) -> Task:
    """The one task of a file."""
    (task,) = read(text, **options).tasks
    return task


def task_with(lines: str, **options) -> Task:
    """A good task with more keys, one a line."""
    return only_task(file_with(lines), **options)


def file_with(lines: str) -> str:
    """A file of one good task with more keys, one a line."""
    return "tasks:\n" + TASK + "".join(f"    {line}\n" for line in dedent(lines).splitlines())


def refused(text: str | bytes, **options) -> tuple[Problem, ...]:
    """The problems of a text that must be refused, warnings among them."""
    with pytest.raises(TaskFileError) as caught:
        read(text, **options)
    return caught.value.problems


def told(problems: tuple[Problem, ...]) -> list[str]:
    """'line:column message' of each, in their order."""
    return [f"{each.line}:{each.column} {each.message}" for each in problems]
