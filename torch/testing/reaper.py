"""A reaper in memory: what it was told to start, what its journal says, and where it may die.

Owns what a look at one reaper would show, and nothing that happens to it: that is
torch/testing/processes.py's. A journal outlives its reaper; what was ordered does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from torch.run import Run
from torch.schedule.evidence import Holder
from torch.task import Task


class Step(StrEnum):
    """Where a reaper is killed, when it next comes there."""

    ORDER = "before the B line"
    SPAWN = "between the B line and the spawn"
    BORN = "between the spawn and the S line"
    END = "between the end and the X line"


@dataclass(slots=True, kw_only=True)
class Order:
    """A start that is asked for. `at` None: at once; else at this monotonic instant."""

    run: Run
    task: Task
    at: float | None = None
    withdrawn: bool = False


@dataclass(slots=True, kw_only=True)
class Said:
    """The lines of one run in a journal: B if it is there at all, S if `pid` is set, X if
    `ended` is. `held`: its reaper, if it lives, is still to hear of its end. `began` is
    monotonic, `ended` wall seconds."""

    run: Run
    task: Task
    began: float
    pid: int | None = None
    code: int | None = None
    ended: float | None = None
    held: bool = True


@dataclass(slots=True, kw_only=True, eq=False)
class FakeReaper:
    alive: bool = True
    silent: bool = False  # stopped by SIGSTOP
    dies_at: Step | None = None
    takes_service: bool = False  # its service dies in the same instant
    orders: dict[str, Order] = field(default_factory=dict)  # nothing of it is written yet
    journal: dict[str, Said] = field(default_factory=dict)
    ended: dict[str, int | None] = field(default_factory=dict)  # zombies, and their codes

    def holds(self, run_id: str) -> Holder:
        """What it says of the run when a new service asks."""
        said = self.journal.get(run_id)
        if not self.alive:
            return Holder.GONE
        if self.silent:
            return Holder.SILENT
        return Holder.ANSWERS if said is not None and said.held else Holder.GONE
