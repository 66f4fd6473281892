"""What the service says of its tasks: their states in a word, their runs, their newest ends.

Owns the shape of a task in `torch status --json`, which state wins where several hold, and
which tasks come first: those in trouble, then those that run.
Reads the core's state at one instant and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from heapq import nsmallest
from typing import Any

from torch import zone
from torch.clock import Now, rfc3339
from torch.run import Run
from torch.schedule.expression import Expression
from torch.schedule.snapshot import RunView, Snapshot, TaskView
from torch.task import IN_TROUBLE

MOST_TIMES = 100
"""Fire times that one answer gives: the service has more to do."""


def of_all(
    snapshot: Snapshot, now: Now, *, soonest: int | None = None, brief: bool = False
) -> dict[str, Any]:
    """All tasks in a few numbers, and each, in file order; with `soonest` only those that do not
    merely wait for their fire, and of the others the few that are due first. `brief`: less is said
    of those that merely wait, for a reader who shows no more; of a thousand tasks most do."""
    views = [*snapshot.tasks()]
    words = [_word(view) for view in views]
    ahead = [(view.next, view.task.name) for view in views if view.next is not None]
    first = min(ahead, default=None)
    summary = {
        "tasks": len(views),
        "runs": snapshot.running,
        "failing": sum(word in IN_TROUBLE for word in words),
        "paused": words.count("paused"),
        "next": first and {"task": first[1], "at": rfc3339(first[0])},
    }
    still: set[str] = set()
    if brief or soonest is not None:
        still = {view.task.name for view, word in zip(views, words, strict=True)
                 if word in _STILL and _is_still(view)}  # fmt: skip
    if soonest is not None:
        still -= {
            name for _, name in nsmallest(soonest, (each for each in ahead if each[1] in still))
        }
        views = [view for view in views if view.task.name not in still]
    tasks = [_in_brief(view) if view.task.name in still else of_task(view, now) for view in views]
    return {"summary": summary, "tasks": tasks}


_STILL = ("idle", "disabled")


def _is_still(view: TaskView) -> bool:
    """Whether the task does no more than wait for its next fire, if it has one."""
    return not (view.put_off or view.waiting or view.runs)


def upcoming(view: TaskView, now: Now, count: int) -> dict[str, Any]:
    """What a task's expressions mean, and its next fire times."""
    task = view.task
    expressions = [each for each in task.schedule if isinstance(each, Expression)]
    return {
        "schedule": [
            {"text": each.text, "meaning": each.describe(), "timezone": str(each.timezone)}
            for each in expressions
        ],
        "times": list(_times(expressions, now.wall, min(count, MOST_TIMES))),
        "quiet": "disabled" if not task.enabled else "paused" if view.paused is not None else "",
    }


def _times(expressions: Iterable[Expression], wall: float, count: int) -> Iterator[str]:
    at = datetime.fromtimestamp(wall, UTC)
    for _ in range(count):
        found = [t for e in expressions if (t := e.next_after(at)) is not None]
        if not found:
            return
        at = min(found)
        yield at.isoformat()


def of_task(view: TaskView, now: Now) -> dict[str, Any]:
    """`waiting` counts fires that want a slot, `delayed` those that want an instant; `put_off`
    is the earliest such instant, or that of a restart."""
    task = view.task
    return {
        "name": task.name,
        "type": task.type.value,
        "state": _word(view),
        "running": len(view.runs),
        "max": task.max,
        "waiting": len(view.waiting),
        "delayed": len(view.put_off),
        "put_off": _put_off(view, now),
        "paused": _paused(view),
        "last": _last(view),
        "next": rfc3339(view.next),
        "schedule": [schedule.text for schedule in task.schedule],
        "timezone": task.timezone if task.schedule else None,
        "description": task.description,
        "owner": task.owner,
        "labels": dict(task.labels),
        "runs": [_live(run) for run in view.runs],
    }


def _in_brief(view: TaskView) -> dict[str, Any]:
    """Of a task that merely waits for its fire: the same keys, without those that say nothing."""
    task = view.task
    return {
        "name": task.name,
        "type": task.type.value,
        "state": _word(view),
        "running": 0,
        "max": task.max,
        "last": _last(view),
        "next": rfc3339(view.next),
        "schedule": [schedule.text for schedule in task.schedule],
        "runs": [],
        **({"timezone": task.timezone} if task.timezone != zone.current().key else {}),
    }


def of_alerts(snapshot: Snapshot) -> dict[str, Any]:
    """The channels of the file with what waits for them, and what people were told of."""
    return {
        "channels": [
            {
                "name": each.channel.name,
                "way": each.channel.way.value,
                "waiting": each.waiting,
                "problem": each.problem or None,
                "failing_since": rfc3339(each.failing_since),
                "sent_at": rfc3339(each.sent_at),
            }
            for each in snapshot.channels
        ],
        "troubles": [
            {
                "task": trouble.task,
                "kind": trouble.kind,
                "since": rfc3339(trouble.since),
                "told_at": rfc3339(trouble.told_at),
                "count": trouble.count,
            }
            for trouble in snapshot.troubles
        ],
    }


def _word(view: TaskView) -> str:
    """A task's state in one word, the most urgent first."""
    if not view.present:
        return "removed"
    if not view.task.enabled:
        return "disabled"
    if view.paused is not None:
        return "paused"
    if view.crash_looping:
        return "crash-looping"
    if view.task.policy.is_kept and len(view.runs) < view.task.max:
        return "restarting"
    if view.runs:
        return "running"
    return "failing" if view.failing else "idle"


def _put_off(view: TaskView, now: Now) -> dict[str, Any] | None:
    """When the first of what was put off begins, and why it was put off."""
    found: list[tuple[float, str, int]] = [
        (each.at, _reason(each.run), each.run.attempt) for each in view.put_off
    ]
    for restart in view.restarts:
        if restart.at > now.mono:
            found.append((now.wall + restart.at - now.mono, "restart", restart.attempt))
    if not found:
        return None
    at, why, attempt = min(found)
    return {"at": rfc3339(at), "for": why, "attempt": attempt}


def _reason(run: Run) -> str:
    return "retry" if run.attempt > 1 else "jitter"


def _paused(view: TaskView) -> dict[str, Any] | None:
    pause = view.paused
    if pause is None:
        return None
    return {"since": rfc3339(pause.since), "until": rfc3339(pause.until)}


def _last(view: TaskView) -> dict[str, Any] | None:
    if view.last is None:
        return None
    run, ending, at = view.last
    return {
        "run": run.id,
        "fire_time": rfc3339(run.fire_time),
        "outcome": ending.outcome.value,
        "exit_code": ending.exit_code,
        "reason": ending.reason,
        "ended_at": rfc3339(at, milliseconds=True),
    }


def _live(live: RunView) -> dict[str, Any]:
    return {
        "id": live.run.id,
        "pid": live.pid,
        "state": live.state.value,
        "trigger": live.run.trigger.value,
        "fire_time": rfc3339(live.run.fire_time),
        "attempt": live.run.attempt,
        "adopted": live.adopted,
        "started_at": rfc3339(live.started.wall, milliseconds=True) if live.started else None,
    }
