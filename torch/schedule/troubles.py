"""What is a trouble of a task, by its definition and the clock. Pure functions.

Owns the kinds, and when one is worth telling (again); not who is told, nor what is still so.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch.clock import Now
from torch.event import Event, RetryPlanned
from torch.run import Run
from torch.schedule.record import Trouble
from torch.task import Task

FAILING, CRASH_LOOPING, MISSED, MATCHED = "failing", "crash_looping", "missed", "matched"


def wanted(task: Task) -> frozenset[str]:
    """The troubles that somebody is told of."""
    recovery = bool(task.on_recovery)
    known = {
        FAILING: bool(task.on_failure) or recovery,
        CRASH_LOOPING: bool(task.on_crash_loop) or recovery,
        MISSED: bool(task.on_missed),
    }
    patterns = {f"{MATCHED} {alert.pattern}" for alert in task.alert_on}
    return frozenset({kind for kind, wanted in known.items() if wanted} | patterns)


def reminds(trouble: Trouble, task: Task, now: Now) -> bool:
    return now.wall - trouble.told_at >= task.remind_after


def is_tried_again(run: Run, events: Sequence[Event]) -> bool:
    """Whether the same answer plans the next attempt: then nothing has failed for good yet."""
    return any(
        isinstance(event, RetryPlanned)
        and event.run.task == run.task
        and event.run.fire_time == run.fire_time
        and event.run.attempt == run.attempt + 1
        for event in events
    )
