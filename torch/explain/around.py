"""The fires that a definition names before and after an instant, for `torch explain`.

Owns the look back: an expression knows only what comes next. Bounded, however rare the fires.
"""

from __future__ import annotations

from torch.clock import FireTime
from torch.explain.evidence import Definition
from torch.schedule.timeline import due, next_fire
from torch.task import Task, TaskType

_BACK = (60, 3600, 86_400, 40 * 86_400, 400 * 86_400, 9 * 366 * 86_400)
"""How far back the fire before an instant is looked for: ever further, and leap years too."""


def around(definition: Definition, first: int) -> tuple[int | None, int | None]:
    """The fires before `first` and from it on that the definition names in its time."""
    task = definition.task
    if task is None or task.type is not TaskType.CRON or not task.enabled:
        return None, None
    at = first - 1  # the second itself belongs to what follows
    since = definition.since if definition.since is not None else 0
    following = next_fire(task.schedule, FireTime(max(at, since)))
    if following is not None and definition.until is not None and following > definition.until:
        following = None
    return _previous(task, since, at), following


def _previous(task: Task, since: int, until: int) -> int | None:
    for back in _BACK:
        start = max(since, until - back)
        found = due(task.schedule, FireTime(start), FireTime(until)) if start < until else None
        if found is not None:
            return found.times[-1]
        if start == since:
            break
    return None
