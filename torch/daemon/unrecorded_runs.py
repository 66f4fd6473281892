"""Active runs that are not in the history: their environment names their task.

Owns reading it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime

from torch.clock import FireTime
from torch.reaper import processes
from torch.run import Run, Trigger
from torch.task import Task


def stray(run_id: str, pid: int, tasks: Mapping[str, Task]) -> tuple[Run, Task | None]:
    """The run, and its task where the file still has it."""
    says = processes.environment(pid)
    name = says.get("TORCH_TASK", "unknown")
    task = tasks.get(name)
    fire: FireTime | None = None
    with contextlib.suppress(ValueError, KeyError):
        fire = FireTime(int(datetime.fromisoformat(says["TORCH_FIRE_TIME"]).timestamp()))
    kept = task is not None and task.policy.is_kept
    by_hand = Trigger.DAEMON if kept else Trigger.MANUAL
    attempt = says.get("TORCH_ATTEMPT", "1")
    run = Run(
        id=run_id, task=name, trigger=by_hand if fire is None else Trigger.SCHEDULE,
        fire_time=fire, attempt=int(attempt) if attempt.isdigit() else 1,
    )  # fmt: skip
    return run, task
