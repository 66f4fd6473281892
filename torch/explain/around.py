"""The fires that a definition names before and after an instant, for `torch explain`.

Owns the look back: an expression knows only what comes next. Bounded, however rare the fires.
"""

from __future__ import annotations

from torch.clock import FireTime
from torch.explain.evidence import Definition
from torch.schedule.timeline import next_fire, previous_fire


def around(definition: Definition, first: int) -> tuple[int | None, int | None]:
    """The fires before `first` and from it on that the definition names in its time."""
    task = definition.task
    if task is None or not task.policy.fires or not task.enabled:
        return None, None
    at = first - 1  # the second itself belongs to what follows
    since = definition.since if definition.since is not None else 0
    following = next_fire(task.schedule, FireTime(max(at, since)))
    if following is not None and definition.until is not None and following > definition.until:
        following = None
    return previous_fire(task.schedule, FireTime(since), FireTime(at)), following
