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
    changes = [f"'max: {task.max + 1}' lets one more run at a time"]
    if task.overlap is not Overlap.QUEUE:
        changes.append("'overlap: queue' lets one fire wait for a slot")
    if task.overlap is not Overlap.REPLACE:
        changes.append("'overlap: replace' ends the oldest run for a newer fire")
    if task.timeout is None:
        changes.append("'timeout' ends a run that takes too long")
    return Known("no slot was free, and nobody more may wait", tuple(changes))


def _too_late(task: Task) -> Known:
    changes = [f"'start_within' longer than {task.start_within:g}s lets it start that late"]
    if task.catch_up is CatchUp.NONE:
        changes.append("'catch_up: last' starts the newest of what was missed once")
    return Known("", tuple(changes))


def _newer_due(task: Task) -> Known:
    means = "several fires were due at once, and the newest of them stands for all"
    changes = () if task.catch_up is CatchUp.ALL else ("'catch_up: all' starts each in turn",)
    return Known(means, changes)


def _fixed(means: str, *changes: str) -> Callable[[Task], Known]:
    return lambda _: Known(means, changes)


def _died(task: Task) -> Known:
    return Known(
        "it was on record, and its command had not begun", _too_late(task).changes
    )  # fmt: skip


_SLOTS_MORE = "a higher 'max' lets both run"
_REASONS: tuple[tuple[str, Callable[[Task], Known]], ...] = (
    (r"\d+ live and \d+ waiting, max is", _slots),
    (
        r"replaced by a newer fire",
        _fixed(
            "'overlap: replace' gives the slot to the newest fire",
            "'overlap: queue' lets the newer fire wait", _SLOTS_MORE,
        ),
    ),
    (
        r"replaced: its definition changed",
        _fixed("a daemon task's runs are replaced one by one when its definition changes"),
    ),
    (
        r"a newer fire of the task came first",
        _fixed(
            "a retry gives way to the next fire, which does the same work",
            "a shorter 'retry.delay' or 'retry.max_delay' lets it start before the next fire",
        ),
    ),
    (r"its task (was|is) paused", _fixed("it waited, and a pause takes what waits")),
    (
        r"paused from",
        _fixed(
            "a paused task fires nothing, and nothing is made up for",
            "'torch pause TASK --for 1h' ends a pause by itself",
            "'torch run TASK' does the work now",
        ),
    ),
    (r"its task was disabled", _fixed("it waited, and the file disabled its task",
                                      "'enabled: true' in the task file")),
    (r"its task left the file", _fixed("it waited, and its task was taken out of the file",
                                       "put the task back into the file")),
    (r"it became a daemon task", _fixed("a daemon task has no fires")),
    (r"it became a cron task", _fixed("a cron task keeps no run alive")),
    (r"max was lowered", _fixed("the task file wants fewer runs of it here", "a higher 'max'")),
    (
        r"the service stopped",
        _fixed(
            "'torch stop' ends what runs and gives up what waits",
            "'torch restart' and 'torch stop --keep-runs' leave both to the next service",
        ),
    ),
    (r"torch kill", _fixed("somebody ended it by 'torch kill'")),
    (
        r"the service died before it was started; a newer fire",
        _newer_due,
    ),
    (r"the service died before it was started", _died),
    (r"later than start_within", _too_late),
    (r"a newer fire of the task was due too", _newer_due),
    (
        r"catch_up: all starts at most",
        _fixed("the older ones of a long absence are not made up for",
               "run it by hand where they matter: 'torch run TASK'"),
    ),
    (
        r"the history could not be written",
        _fixed(
            "nothing starts without its row on disk",
            "free the disk, or end what locks the history; the service goes on by itself",
        ),
    ),
    (r"timeout \(", _fixed("", "a longer 'timeout'")),
    (
        r"the host restarted while it ran",
        _fixed("its processes ended with the host, and nothing says how",
               "look at what it did; it is never run again by itself",
               "'torch run TASK' runs it now"),
    ),
    (
        r"its shim was killed",
        _fixed("the process that writes down the exit code was killed from outside",
               "look at what it did; it is never run again by itself"),
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
               "leave the folder 'runs' of the state directory to the service"),
    ),
    (r"stopped before it started", _fixed("it was ended in the moment of its start")),
)  # fmt: skip
