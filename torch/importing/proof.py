"""The keys of a task as lines, and the proof that the reader of task files takes them.

Owns the order of keys. A task that is refused has its reason from that reader, in its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch.errors import Problem, TaskFileError
from torch.importing import yaml_text
from torch.importing.draft import Value
from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.nodes import ENTRIES
from torch.taskfile.parse import parse
from torch.taskfile.problems import spaced

_FIRST = ("name", "description", "enabled", "type", "schedule", "timezone", "command")
_ORDER = {key: at for at, key in enumerate(dict.fromkeys((*_FIRST, *TASK_KEYS)))}


def task_lines(keys: Mapping[str, Value], indent: str) -> list[str]:
    """Each key with its value, in the order of a file that a person wrote."""
    return [
        line
        for key in sorted(keys, key=_ORDER.__getitem__)
        for line in yaml_text.entry(key, keys[key], indent)
    ]


def group_lines(groups: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The top-level key `groups`; no lines without one."""
    if not groups:
        return []
    return ["groups:", *(each for name in groups for each in yaml_text.entry(
        name, groups[name], "  "))]  # fmt: skip


def refusal(
    keys: Mapping[str, Value], groups: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> str:
    """Why the reader of task files would not take a task of these keys, or ''."""
    lines = [*group_lines(groups), "tasks:", "  - " + "\n".join(task_lines(keys, "    ")).lstrip()]
    try:
        parse("\n".join([*lines, ""]).encode(), file="", host_zone="UTC")
    except TaskFileError as error:
        problem = error.problems[0]
        return problem.message + (f"; {problem.hint}" if problem.hint else "")
    return ""


def too_many(origin: str) -> TaskFileError:
    """More tasks than a task file may have."""
    return too_much(origin, f"more than {spaced(ENTRIES)} tasks")


def too_much(origin: str, why: str) -> TaskFileError:
    """What the reader of task files says of the whole; without a place: nobody has that file."""
    problem = Problem(
        file=origin, line=0, column=0, key="",
        message=f"the task file would be refused: {why}", hint="import fewer files at a time",
    )  # fmt: skip
    return TaskFileError((problem,))
