"""What the service says of one task: its state in a word, its runs, its newest end.

Owns the shape of a task in `torch status --json`, and which state wins where several hold.
Reads the core's state at one instant and changes nothing.
"""

from __future__ import annotations

from typing import Any

from torch.clock import rfc3339
from torch.run import Outcome
from torch.schedule.live import LiveRun
from torch.schedule.offering import TaskState
from torch.schedule.scheduler import Scheduler
from torch.task import TaskType


def of_task(state: TaskState, scheduler: Scheduler) -> dict[str, Any]:
    """`waiting` counts fires that want a slot, `delayed` those that want an instant."""
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
        "paused": _paused(state),
        "last": _last(state),
        "next": rfc3339(scheduler.next_fire(task.name)),
        "schedule": [schedule.text for schedule in task.schedule],
        "description": task.description,
        "owner": task.owner,
        "runs": [_live(run) for run in live],
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
    return state.last is not None and state.last[1].outcome not in (
        Outcome.SUCCEEDED,
        Outcome.KILLED,
    )


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
