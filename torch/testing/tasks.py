"""Tasks in one line, with the defaults of the task file and a digest that stands for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch.schedule.expression import Expression
from torch.task import Task, TaskType


def cron(name: str, *schedule: str, timezone: str = "UTC", **keys: Any) -> Task:
    """A cron task with these expressions, every minute without any; `keys` are Task's fields."""
    parsed = tuple(
        Expression.parse(text, timezone=timezone, name=name) for text in schedule or ("* * * * *",)
    )
    return _digested(Task(name=name, schedule=parsed, timezone=timezone, command="true"), keys)


def daemon(name: str, **keys: Any) -> Task:
    """A daemon task; `keys` are Task's fields."""
    return _digested(Task(name=name, type=TaskType.DAEMON, command="serve"), keys)


def _digested(task: Task, keys: dict[str, Any]) -> Task:
    task = replace(task, **keys)
    return replace(task, digest=repr(task))
