"""One active run as the service sees it: its first process, and the progress of its start and end.

Owns nothing but the facts; supervisor.py and stopping.py change them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.daemon.link import Link
from torch.reaper import processes
from torch.reaper.processes import Tie
from torch.run import Run, Usage
from torch.schedule.commands import Start
from torch.task import Task


@dataclass(slots=True, kw_only=True)
class Child:
    run: Run
    task: Task
    start: Start | None = None  # until it has begun: what is to be asked for once more
    link: Link | None = None  # the reaper that has it; None: it is our child, or nobody's
    journal: str = ""  # of a reaper that lives and cannot be spoken with
    run_file: str = ""  # of a shim, the way of the version before
    pid: int = 0  # its first process, which leads its session
    birth: int = 0  # when that began, in clock ticks since boot
    mark: int = 0  # that all of its processes carry
    pidfd: int = -1  # while no reaper waits for it
    adopted: bool = False  # an earlier service started it
    begun: bool = False
    may_begin: bool = True  # False: it is on record as started, so never again
    stopping: bool = False
    group_told: bool = False  # its group has had SIGTERM
    told: bool = False  # so have its processes outside of that
    forced_at: float | None = None
    given_up: bool = False
    seen: dict[int, int] = field(default_factory=dict)  # pid -> start, of the newest look
    empty: int = 0  # looks in a row that found nothing of it
    closed: bool = False  # nobody has its output open any more
    ended_at: float | None = None  # wall; its first process is gone
    exit_code: int | None = None
    signal: int | None = None
    usage: Usage | None = None
    reason: str = ""

    @property
    def in_doubt(self) -> bool:
        """Whether processes of it may live on that the end of the run has to wait for."""
        unknown = self.ended_at is not None and self.exit_code is None
        return self.begun and (self.stopping or unknown)

    @property
    def fronted(self) -> bool:
        """Whether a program in front of the command may have been started in its place."""
        return any(each is not None for each in (self.task.nice, self.task.user, self.task.group))

    def tie(self) -> Tie:
        """By what its processes are found. Once its first process is gone, another may have its
        pid; the kernel allows that only when nothing of the session is left."""
        pid = self.pid
        if self.ended_at is not None and (seen := processes.stat(pid)) is not None:
            same = processes.is_same(seen, self.birth) if self.birth else seen.state in "ZX"
            pid = pid if same else 0
        return Tie(
            pid, mark=self.mark, since=self.birth, spared=bool(self.run_file), seen=self.seen
        )
