"""A shell that could not start a process: its exit code is not that of its command.

Owns detecting that by the last line that the shell printed. If the limit of processes is reached,
dash ends with 2 and bash with 254, before or in the middle of its commands; `success_codes` must
not hide that. Only runs whose code would count as success are checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from torch.task import Task

REASON = "its shell could not start a process: the limit of processes is reached"

_SAID = re.compile(
    r"\S*sh: (?:(?:line )?\d+: )?"
    r"(?:[Cc]an(?:no|')t fork|fork(?: failed)?: .*[Rr]esource temporarily unavailable)"
)


def unforked(code: int | None, task: Task, tail: Callable[[], Sequence[str]]) -> str:
    """The reason why a code of success is none; '' where it is one. `tail`: the last line."""
    if not code or code not in task.success_codes or not isinstance(task.command, str):
        return ""
    return REASON if any(_SAID.match(line) for line in tail()) else ""
