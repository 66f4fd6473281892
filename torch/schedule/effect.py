"""What a changed file does to what runs and waits, told before it is done.

Owns the words of a dry run: for each live run and waiting fire of a task that the file touches,
what becomes of it. Changes nothing. The rules are not here a second time: whether a daemon task
is wanted, and whether two definitions launch alike, is asked where the reload asks it; that the
rest agrees is held by `tests/schedule/test_effect.py`, which reloads and compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from torch.run import State
from torch.schedule.keepalive import unwanted
from torch.schedule.live import LiveRun, LiveRuns
from torch.schedule.reload import Diff, launches_alike
from torch.schedule.state import TaskState
from torch.task import Task


class Becomes(StrEnum):
    """What becomes of a run or a waiting fire. The values are words of the JSON."""

    GOES_ON = "goes_on"  # to its end, under the definition it started with
    REPLACED = "replaced"  # stopped in its turn: one by one, the next when the last is healthy
    STOPPED = "stopped"
    STOPPING = "stopping"  # it was told to before
    GIVEN_UP = "given_up"  # a fire that waits: it is skipped, with a row
    WAITS_ON = "waits_on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Of one run, or of one fire that waits. `reason` is the one that its row will have."""

    task: str
    run: str
    becomes: Becomes
    reason: str = ""


def effects(
    states: Mapping[str, TaskState], live: LiveRuns, found: Diff, tasks: Iterable[Task]
) -> tuple[Effect, ...]:
    """Of each live run and waiting fire of the tasks that `found` names, `tasks` being the new
    ones; those that left the file first."""
    new = {task.name: task for task in tasks}
    said: list[Effect] = []
    for name in (*found.removed, *found.added, *found.changed):
        state = states.get(name)
        if state is not None:
            said += [_of_run(state, run, new.get(name)) for run in live.of(name)]
            said += _of_waiting(state, new.get(name))
    return tuple(said)


def _of_run(state: TaskState, live: LiveRun, new: Task | None) -> Effect:
    def becomes(what: Becomes, reason: str = "") -> Effect:
        return Effect(task=live.run.task, run=live.run.id, becomes=what, reason=reason)

    if live.state is State.STOPPING:
        return becomes(Becomes.STOPPING, live.fate.reason if live.fate else "")
    slots = state.keeper.slots if state.keeper is not None else []
    at = next((at for at, slot in enumerate(slots) if slot.run_id == live.run.id), None)
    if at is None:  # a cron task's, or of the time when the task was one
        return becomes(Becomes.GOES_ON)
    why = unwanted(new, paused=state.paused is not None)
    if new is None or why:
        return becomes(Becomes.STOPPED, why)
    if at >= new.max:
        return becomes(Becomes.STOPPED, f"max was lowered to {new.max}")
    if not launches_alike(live.task, new):
        return becomes(Becomes.REPLACED, "replaced: its definition changed")
    return becomes(Becomes.GOES_ON)


def _of_waiting(state: TaskState, new: Task | None) -> list[Effect]:
    why = gives_up(new, paused=state.paused is not None)
    what = Becomes.GIVEN_UP if why else Becomes.WAITS_ON
    runs = (*state.waiting, *state.delayed.values())
    return [Effect(task=run.task, run=run.id, becomes=what, reason=why) for run in runs]


def gives_up(new: Task | None, *, paused: bool) -> str:
    """Why an edit to this definition (None: it left the file) gives up the fires that wait."""
    if new is None:
        return "its task left the file"
    if not new.enabled:
        return "its task was disabled"
    if new.policy.is_kept:
        return new.policy.became
    return "its task is paused" if paused else ""
