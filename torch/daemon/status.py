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
from torch.run import BAD, Run
from torch.schedule.expression import Expression
from torch.schedule.live import LiveRun
from torch.schedule.offering import TaskState
from torch.schedule.scheduler import Scheduler
from torch.task import TaskType

TROUBLE = ("crash-looping", "failing")
MOST_TIMES = 100
"""Fire times that one answer gives: the service has more to do."""


def of_all(
    scheduler: Scheduler, now: Now, *, soonest: int | None = None, brief: bool = False
) -> dict[str, Any]:
    """All tasks in a few numbers, and each, in file order; with `soonest` only those that do not
    merely wait for their fire, and of the others the few that are due first. `brief`: less is said
    of those that merely wait, for a reader who shows no more; of a thousand tasks most do."""
    states = scheduler.states()
    words = [_word(state, scheduler.live.count(state.task.name)) for state in states]
    ahead = [(at, s.task.name) for s in states if (at := scheduler.next_fire(s.task.name))]
    first = min(ahead, default=None)
    summary = {
        "tasks": len(states),
        "runs": len(scheduler.live),
        "failing": sum(word in TROUBLE for word in words),
        "paused": words.count("paused"),
        "next": first and {"task": first[1], "at": rfc3339(first[0])},
    }
    still: set[str] = set()
    if brief or soonest is not None:
        still = {s.task.name for s, word in zip(states, words, strict=True)
                 if word in _STILL and _is_still(s, scheduler)}  # fmt: skip
    if soonest is not None:
        still -= {
            name for _, name in nsmallest(soonest, (each for each in ahead if each[1] in still))
        }
        states = [state for state in states if state.task.name not in still]
    tasks = [
        _in_brief(s, scheduler) if s.task.name in still else of_task(s, scheduler, now)
        for s in states
    ]
    return {"summary": summary, "tasks": tasks}


_STILL = ("idle", "disabled")


def _is_still(state: TaskState, scheduler: Scheduler) -> bool:
    """Whether the task does no more than wait for its next fire, if it has one."""
    return not (state.delayed or state.waiting or scheduler.live.count(state.task.name))


def upcoming(state: TaskState, now: Now, count: int) -> dict[str, Any]:
    """What a task's expressions mean, and its next fire times."""
    task = state.task
    expressions = [each for each in task.schedule if isinstance(each, Expression)]
    return {
        "schedule": [
            {"text": each.text, "meaning": each.describe(), "timezone": str(each.timezone)}
            for each in expressions
        ],
        "times": list(_times(expressions, now.wall, min(count, MOST_TIMES))),
        "quiet": "disabled" if not task.enabled else "paused" if state.paused is not None else "",
    }


def _times(expressions: Iterable[Expression], wall: float, count: int) -> Iterator[str]:
    at = datetime.fromtimestamp(wall, UTC)
    for _ in range(count):
        found = [t for e in expressions if (t := e.next_after(at)) is not None]
        if not found:
            return
        at = min(found)
        yield at.isoformat()


def of_task(state: TaskState, scheduler: Scheduler, now: Now) -> dict[str, Any]:
    """`waiting` counts fires that want a slot, `delayed` those that want an instant; `put_off`
    is the earliest such instant, or that of a restart."""
    task = state.task
    live = scheduler.live.of(task.name)
    return {
        "name": task.name,
        "type": task.type.value,
        "state": _word(state, len(live)),
        "running": len(live),
        "max": task.max,
        "waiting": len(state.waiting),
        "delayed": len(state.delayed),
        "put_off": _put_off(state, now),
        "paused": _paused(state),
        "last": _last(state),
        "next": rfc3339(scheduler.next_fire(task.name)),
        "schedule": [schedule.text for schedule in task.schedule],
        "timezone": task.timezone if task.schedule else None,
        "description": task.description,
        "owner": task.owner,
        "labels": dict(task.labels),
        "runs": [_live(run) for run in live],
    }


def _in_brief(state: TaskState, scheduler: Scheduler) -> dict[str, Any]:
    """Of a task that merely waits for its fire: the same keys, without those that say nothing."""
    task = state.task
    return {
        "name": task.name,
        "type": task.type.value,
        "state": _word(state, 0),
        "running": 0,
        "max": task.max,
        "last": _last(state),
        "next": rfc3339(scheduler.next_fire(task.name)),
        "schedule": [schedule.text for schedule in task.schedule],
        "runs": [],
        **({"timezone": task.timezone} if task.timezone != zone.current().key else {}),
    }


def of_alerts(scheduler: Scheduler) -> dict[str, Any]:
    """The channels of the file with what waits for them, and what people were told of."""
    return {
        "channels": [
            {
                "name": channel.name,
                "way": channel.way.value,
                "waiting": len(line.queue),
                "problem": line.problem or None,
                "failing_since": rfc3339(line.since),
                "sent_at": rfc3339(line.sent_at),
            }
            for channel, line in scheduler.outbox.lines()
        ],
        "troubles": [
            {
                "task": trouble.task,
                "kind": trouble.kind,
                "since": rfc3339(trouble.since),
                "told_at": rfc3339(trouble.told_at),
                "count": trouble.count,
            }
            for trouble in scheduler.alerts.all()
        ],
    }


def _word(state: TaskState, live: int) -> str:
    """A task's state in one word, the most urgent first."""
    if not state.present:
        return "removed"
    if not state.task.enabled:
        return "disabled"
    if state.paused is not None:
        return "paused"
    if state.keeper is not None and state.keeper.crash_looping:
        return "crash-looping"
    if state.task.type is TaskType.DAEMON and live < state.task.max:
        return "restarting"
    if live:
        return "running"
    return "failing" if _bad(state) else "idle"


def _bad(state: TaskState) -> bool:
    return state.last is not None and state.last[1].outcome in BAD


def _put_off(state: TaskState, now: Now) -> dict[str, Any] | None:
    """When the first of what was put off begins, and why it was put off."""
    found: list[tuple[float, str, int]] = [
        (state.instants[run.id], _reason(run), run.attempt) for run in state.delayed.values()
    ]
    for slot in state.keeper.slots if state.keeper is not None else ():
        if slot.run_id is None and slot.not_before > now.mono:
            tries = slot.failures + slot.unbegun
            found.append((now.wall + slot.not_before - now.mono, "restart", tries + 1))
    if not found:
        return None
    at, why, attempt = min(found)
    return {"at": rfc3339(at), "for": why, "attempt": attempt}


def _reason(run: Run) -> str:
    return "retry" if run.attempt > 1 else "jitter"


def _paused(state: TaskState) -> dict[str, Any] | None:
    pause = state.paused
    if pause is None:
        return None
    return {"since": rfc3339(pause.since), "until": rfc3339(pause.until)}


def _last(state: TaskState) -> dict[str, Any] | None:
    if state.last is None:
        return None
    run, ending, at = state.last
    return {
        "run": run.id,
        "fire_time": rfc3339(run.fire_time),
        "outcome": ending.outcome.value,
        "exit_code": ending.exit_code,
        "reason": ending.reason,
        "ended_at": rfc3339(at, milliseconds=True),
    }


def _live(live: LiveRun) -> dict[str, Any]:
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
