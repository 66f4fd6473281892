"""What the core hears: one half of its boundary, whose other is commands.py.

Everything that happens reaches the core as one of these messages, with the time as an argument
beside it; everything the core wants done leaves as a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from torch.channel import Channel
from torch.clock import FireTime, Now
from torch.run import Ending, Run, Usage
from torch.schedule.record import Paused, Posted, Trouble, Unsent
from torch.schedule.reload import Diff
from torch.task import Task


@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed; or the clock was stepped; or the host was suspended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A good task file: this host's tasks, in file order. `version` is the file's hash.

    `since` gives, for tasks whose fires were already decided by an earlier service under the
    same definition, the instant up to which they were. Tasks not in it begin now. `diff`: what it
    changes, if that was found out a moment ago (`Scheduler.rehearse`).
    """

    tasks: tuple[Task, ...]
    version: str
    channels: Mapping[str, Channel] = field(default_factory=dict)
    commit: str | None = None  # the git commit of the file, where there is one
    since: dict[str, FireTime] | None = None
    rebooted: bool = False  # first load since the host booted: `@reboot` is due
    diff: Diff | None = None


class Trace(StrEnum):
    """What is left of a run that no end is recorded for, as reapers, journals and /proc say."""

    NEVER_STARTED = "never started"  # proven: no reaper has begun it, or can
    ALIVE = "alive"  # its reaper lives, and has it or does not answer
    ENDED = "ended"  # its exit code is written down
    ORPHANED = "orphaned"  # its reaper was killed, but processes of the run live
    GONE = "gone"  # nothing says how it ended, and nothing of it lives


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """One unfinished run of an earlier service. `task` is the definition it started with.

    `pid` and `started` are set for ALIVE and ORPHANED; `exit_code`, `signal` and `usage` for ENDED,
    as in `Ended`; `at` (wall seconds) is when it ended, as well as that is known.
    """

    run: Run
    trace: Trace
    task: Task
    recorded_at: float  # wall seconds
    not_before: float | None = None  # wall seconds; set: it still waits, it was never offered
    fate: Ending | None = None  # it had been told to stop, and nothing else can have ended it
    stopping_at: float | None = None  # wall seconds; since then its grace runs
    pid: int | None = None
    started: Now | None = None
    exit_code: int | None = None
    signal: int | None = None
    usage: Usage | None = None
    at: float | None = None
    reason: str = ""
    recorded: bool = True  # False: the history does not know it (it was lost); the run file does


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What an earlier service left behind; heard once, before the first `Loaded`.

    `found` is in the order of recording; `last` gives each task's newest end with its wall time.
    `coming`: the tasks of the first `Loaded`, by name. `watermark`: up to where it had looked,
    which may be ahead of a clock that was set back.
    """

    found: tuple[FoundRun, ...] = ()
    in_force: frozenset[str] = frozenset()  # tasks whose definition was in force
    coming: Mapping[str, Task] = field(default_factory=dict)
    paused: Mapping[str, Paused] = field(default_factory=dict)
    last: Mapping[str, tuple[Run, Ending, float]] = field(default_factory=dict)
    watermark: FireTime | None = None
    troubles: tuple[Trouble, ...] = ()
    owed: tuple[Posted, ...] = ()  # notices nobody knows to have been sent, oldest first
    unsent: tuple[Unsent, ...] = ()  # channels that fail


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """`at`: when its process began; None: now."""

    run_id: str
    pid: int
    at: Now | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """The spawn failed, and it is certain that no process exists."""

    run_id: str
    reason: str
    of_host: bool = False  # the fault is not the task's: a full disk, no process left


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run's process is gone. `exit_code` None: nobody knows it. `signal`: the command died of
    it, and `exit_code` is 128 + signal. `reason`: why the code is not known, or is no success."""

    run_id: str
    exit_code: int | None
    at: float  # wall seconds
    signal: int | None = None
    usage: Usage | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survived:
    """SIGKILL went to all of a run again and again, and these (pid and name) are still there."""

    run_id: str
    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecorded:
    """The history could not take these intents (`lost`: for their fires have rows): they must not
    start. All of a batch: a slot that one of them frees must not go to another that waits."""

    run_ids: tuple[str, ...]
    reason: str
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAsked:
    task: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KillAsked:
    run_ids: tuple[str, ...]
    by_force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseAsked:
    """`until`: wall seconds, None for as long as nobody resumes it."""

    task: str
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeAsked:
    task: str


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """The task file may be another: a signal, or whoever watches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOver:
    """A `ReadFile` is done. `again_in`: the file was being saved; it wants a look so many seconds
    from now."""

    again_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReset:
    """The history was set aside and a new one begun: what it must know is recorded again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a `Send`. `problem` '': it was delivered. `permanent`: trying again is no
    use; `retry_after`: the seconds that the receiver asks us to wait."""

    channel: str
    notices: tuple[str, ...]
    problem: str = ""
    permanent: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """`count` lines of a run's output matched a pattern, the first few in `lines`; `offset` is the
    byte behind the last. The run may have ended meanwhile."""

    task: str
    run_id: str
    pattern: str
    lines: tuple[str, ...]
    count: int
    offset: int


class StopMode(StrEnum):
    DRAIN = "drain"  # SIGTERM, grace, SIGKILL
    NOW = "now"  # SIGKILL
    KEEP = "keep"  # leave the runs alive for the next service


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    mode: StopMode = StopMode.DRAIN
    reason: str = "SIGTERM"


Message = (
    Woke
    | Recovered
    | Loaded
    | Started
    | NotStarted
    | Ended
    | Survived
    | Unrecorded
    | RunAsked
    | KillAsked
    | PauseAsked
    | ResumeAsked
    | ReloadAsked
    | ReadOver
    | HistoryReset
    | Sent
    | Matched
    | StopAsked
)
