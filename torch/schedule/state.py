"""What the core knows of a task beyond its definition.

Owns the shape of this state, and nothing that changes it. It is mutable, and so seen by this part
of the house alone; whoever else wants to know takes a snapshot (snapshot.py).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch.clock import FireTime
from torch.run import Ending, Run
from torch.schedule.record import Pause
from torch.task import Task

if TYPE_CHECKING:
    from torch.schedule.keepalive import Keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The fires that a gate has held back one after the other: one row, which grows with each."""

    run: Run  # of the first
    count: int
    reason: str


@dataclass(slots=True, kw_only=True)
class TaskState:
    task: Task
    order: int
    since: FireTime  # every fire up to here has its disposition
    present: bool = True  # False: gone from the file, but a run of it still lives
    waiting: deque[Run] = field(default_factory=deque)  # recorded fires that want a slot
    delayed: dict[str, Run] = field(default_factory=dict)  # by run id; they want an instant
    instants: dict[str, float] = field(default_factory=dict)  # which one, by run id; wall seconds
    keeper: Keeper | None = None
    paused: Pause | None = None
    held: Held | None = None
    last: tuple[Run, Ending, float] | None = None  # newest end, with its wall time
