"""The boundary of the core on one page: messages in, commands out.

Everything that happens reaches the core as one of these messages, with the time as an
argument beside it; everything the core wants done leaves as one of these commands. The
shell performs `Record` before any `Start` of the same answer: nothing starts without its
intent on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from torch.clock import FireTime
from torch.event import Event
from torch.run import Ending, Run
from torch.task import Task

# ── messages: what the core hears ────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed; or the clock was stepped; or the host was suspended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A good task file: this host's tasks, in file order. `version` is the file's hash.

    `since` gives, for tasks whose fires were already decided by an earlier service under the
    same definition, the instant up to which they were. Tasks not in it begin now.
    """

    tasks: tuple[Task, ...]
    version: str
    since: dict[str, FireTime] | None = None
    rebooted: bool = False  # first load since the host booted: `@reboot` is due


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    run_id: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """The spawn failed, and it is certain that no process exists."""

    run_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run's process is gone. `exit_code` None: nobody knows it (the shim was killed)."""

    run_id: str
    exit_code: int | None
    at: float  # wall seconds
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survived:
    """SIGKILL went to all of a run again and again, and these (pid and name) are still there."""

    run_id: str
    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecorded:
    """The history could not take these intents: they must not start. `lost`: because their
    fires have rows already, so that there is nothing to record. One message for all of a batch:
    a slot that one of them frees must not go to another that waits."""

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
    | Loaded
    | Started
    | NotStarted
    | Ended
    | Survived
    | Unrecorded
    | RunAsked
    | KillAsked
    | StopAsked
)

# ── commands: what the core asks for ─────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of history: an intent (`ending` None), or a fire that never becomes a run.

    A collapsed row stands for `count` fires from `run.fire_time` to `last`.
    """

    run: Run
    ending: Ending | None = None
    count: int = 1
    last: FireTime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What became of a row that is already recorded: it started, or it ended."""

    run_id: str
    at: float  # wall seconds
    pid: int | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A task's definition in force from `since` on; digest '' when the task is gone."""

    task: str
    digest: str
    since: FireTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """To be committed in one transaction, before anything else of the same answer."""

    entries: tuple[Entry, ...] = ()
    progress: tuple[Progress, ...] = ()
    definitions: tuple[Definition, ...] = ()
    watermark: FireTime | None = None
    rebooted: bool = False  # the `@reboot` fires of this boot are decided with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """`at`: the command begins at this instant and not before it; None: as soon as it can."""

    run: Run
    task: Task
    at: FireTime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """SIGTERM to the run's group; by force: SIGKILL to all of it but the shim."""

    run_id: str
    by_force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The answer to a request that cannot be met; nothing was done."""

    reason: str
    hint: str = ""
    for_now: bool = True  # False: asking again later is no use


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is left to do: the service may end."""


Command = Record | Start | Stop | Tell | Refuse | Leave
