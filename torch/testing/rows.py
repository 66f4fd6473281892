"""What the history in memory keeps of a run and of a definition."""

from __future__ import annotations

from dataclasses import dataclass

from torch.clock import FireTime
from torch.run import Ending, Outcome, Run, State, Usage


@dataclass(slots=True)
class Row:
    """One disposition. `count` fires from `run.fire_time` to `last` in a collapsed one."""

    run: Run
    state: State
    ending: Ending | None = None
    count: int = 1
    last: FireTime | None = None
    pid: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    recorded_at: float = 0.0
    not_before: float | None = None
    fate: Ending | None = None
    stopping_at: float | None = None
    boot_id: str = ""
    digest: str = ""
    definition: str | None = None  # the text it started under
    usage: Usage | None = None
    due: float | None = None  # it was to begin then, and not at its fire time

    @property
    def outcome(self) -> Outcome | None:
        return self.ending.outcome if self.ending else None


@dataclass(frozen=True, slots=True)
class InForce:
    """A definition in force from `since` on; a digest of '': the task had left the file."""

    since: FireTime
    digest: str
