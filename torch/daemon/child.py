"""One live run as the shell sees it: its shim, and how far its start and its end have come.

Owns nothing but the facts; supervisor.py and stopping.py change them.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.run import Run
from torch.task import Task


@dataclass(slots=True, kw_only=True)
class Child:
    run: Run
    task: Task
    pid: int  # the shim's: it leads the session of the run
    pidfd: int = -1  # of the shim, until its end was seen
    go: int = -1  # the pipe that releases it, until that is closed
    adopted: bool = False  # an earlier service started it: we are not its parent
    released: bool = False  # the command may have begun
    stopping: bool = False
    told: bool = False  # the processes outside its group have had their SIGTERM
    forced_at: float | None = None
    given_up: bool = False
    ended_at: float | None = None  # wall; the shim is gone
    exit_code: int | None = None
    reason: str = ""

    @property
    def in_doubt(self) -> bool:
        """Whether processes of it may live on that the end of the run has to wait for."""
        unknown = self.ended_at is not None and self.exit_code is None
        return self.released and (self.stopping or unknown)
