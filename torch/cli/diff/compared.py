"""All that `torch diff` has found, before it is said in words or as JSON.

Owns its shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch.planning.change import Change, HostChange
from torch.planning.load import expressions
from torch.schedule.expression import Expression
from torch.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """All that was found. `starts`: of each schedule in the next 24 h; `service`: its answer to
    a dry run, None where none runs, or {"error": …}."""

    origin: dict[str, str | None]
    file: str
    change: Change
    here: HostChange
    starts: dict[tuple[Expression, ...], int]
    service: dict[str, Any] | None
    total: int

    def starts_of(self, tasks: Iterable[Task]) -> int:
        return sum(self.starts[expressions(task)] for task in tasks)
