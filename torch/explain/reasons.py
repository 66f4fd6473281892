"""What stands behind the reason of a row, and what would change it: one line for each reason.

Owns the meaning of the reasons that the core and the service record. A reason that is not known
here is shown as it stands, with no advice: tests hold that those of today are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from torch.task import CatchUp, Overlap, Task


@dataclass(frozen=True, slots=True)
class Known:
    """`means`: the reason in a sentence of its own, '' where it is clear as it stands."""

    means: str = ""
    changes: tuple[str, ...] = ()


def known(reason: str, task: Task) -> Known | None:
    """What a reason means for a task with this definition (the one that a change would edit)."""
    for pattern, of in _REASONS:
        if re.match(pattern, reason):
            return of(task)
    return None


def _slots(task: Task) -> Known:
    changes = [f"'max: {task.max + 1}' allows one more run at a time"]
    if task.overlap is not Overlap.QUEUE:
        changes.append("'overlap: queue' queues one run")
    if task.overlap is not Overlap.REPLACE:
        changes.append("'overlap: replace' ends the oldest run and starts the new one")
    if task.timeout is None:
        changes.append("'timeout' ends a run that takes too long")
    return Known("no slot was free, and no more runs can queue", tuple(changes))


def _too_late(task: Task) -> Known:
    changes = [f"a 'start_within' longer than {task.start_within:g}s lets it start later"]
    if task.catch_up is CatchUp.NONE:
        changes.append("'catch_up: last' runs the newest missed run once")
    return Known("", tuple(changes))


def _newer_due(task: Task) -> Known:
    means = "several runs were due, and only the newest of them starts"
    changes = () if task.catch_up is CatchUp.ALL else ("'catch_up: all' runs each of them",)
    return Known(means, changes)


def _fixed(means: str, *changes: str) -> Callable[[Task], Known]:
    return lambda _: Known(means, changes)


def _died(task: Task) -> Known:
    return Known(
        "it was recorded, but its command had not started", _too_late(task).changes
    )  # fmt: skip


_SLOTS_MORE = "a higher 'max' lets both run"
_REASONS: tuple[tuple[str, Callable[[Task], Known]], ...] = (
    (r"\d+ active, \d+ queued, max is", _slots),
    (r"\d+ live and \d+ waiting, max is", _slots),  # as older versions recorded it
    (
        r"replaced by a newer fire",
        _fixed(
            "'overlap: replace' gives the slot to the newest run",
            "'overlap: queue' queues the newer run", _SLOTS_MORE,
        ),
    ),
    (
        r"replaced: its definition changed",
        _fixed("a daemon task's runs are replaced one by one when its definition changes"),
    ),
    (
        r"a newer fire of the task came first",
        _fixed(
            "the next scheduled run cancels a pending retry, as it does the same work",
            "a shorter 'retry.delay' or 'retry.max_delay' lets it start before the next run",
        ),
    ),
    (r"its task (was|is) paused", _fixed("a pause cancels queued runs and pending retries")),
    (
        r"paused from",
        _fixed(
            "a paused task is not scheduled, and skipped runs are not run later",
            "'torch pause TASK --for 1h' pauses for a limited time",
            "'torch run TASK' runs it now",
        ),
    ),
    (r"its task was disabled", _fixed("it had not started when its task was disabled",
                                      "set 'enabled: true' in the task file")),
    (r"its task left the file", _fixed("it had not started when its task was removed from the file",
                                       "put the task back into the file")),
    (r"it became a daemon task", _fixed("a daemon task has no schedule")),
    (r"it became a cron task", _fixed("a cron task is not kept running")),
    (r"max was lowered", _fixed("the task file now allows fewer runs", "set a higher 'max'")),
    (
        r"the service stopped",
        _fixed(
            "'torch stop' ends active runs and cancels waiting ones",
            "'torch restart' and 'torch stop --keep-runs' leave both to the next service",
        ),
    ),
    (r"torch kill", _fixed("it was ended with 'torch kill'")),
    (
        r"the service died before it was started; a newer fire",
        _newer_due,
    ),
    (r"the service died before it was started", _died),
    (r"later than start_within", _too_late),
    (r"a newer fire of the task was due too", _newer_due),
    (
        r"catch_up: all starts at most",
        _fixed("the older runs are not caught up",
               "if they matter, run it manually: 'torch run TASK'"),
    ),
    (
        r"the history could not be written",
        _fixed(
            "a run that cannot be recorded does not start",
            "free disk space, or end the process that locks the history; then it works again",
        ),
    ),
    (r"timeout \(", _fixed("", "set a longer 'timeout'")),
    (
        r"the host restarted while it ran",
        _fixed("its processes ended with the host; how is not known",
               "check what the run did; it is not run again automatically",
               "'torch run TASK' runs it now"),
    ),
    (
        r"its shim was killed",
        _fixed("the process that records the exit code was killed",
               "check what the run did; it is not run again automatically"),
    ),
    (
        r"the process that started it was killed",
        _fixed("the reaper, which records the exit codes, was killed",
               "check what the run did; it is not run again automatically"),
    ),
    (
        r"nothing says how it ended",
        _fixed("the reaper was killed while it started the run, or its journal was removed",
               "check what the run did; it is not run again automatically"),
    ),
    (
        r"its run file is gone",
        _fixed("the file with its exit code was removed",
               "do not change the directory 'runs' in the state directory"),
    ),
    (r"stopped before it started", _fixed("it was stopped while it was starting")),
)  # fmt: skip
