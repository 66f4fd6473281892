"""Facts, in the past tense: one frozen class each. `report/log.py` turns them into sentences.

Owns what may be said of the service; not how it is worded, nor who is told.
Invariant: an event carries values, never live objects, so that it can be kept and compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.clock import FireTime
from torch.errors import Problem
from torch.notice import Notice
from torch.run import Ending, Run, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root. `alarm` marks what a person should look at, `task` and `run` what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReady(Event):
    pid: int
    version: str
    file: str
    tasks: int
    elsewhere: int  # tasks of the file that other hosts own


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksReloaded(Event):
    version: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadRefused(Event):
    """The file has problems: nothing changed, `version` stays in force ('' where none is)."""

    version: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadWaiting(Event):
    """The task file is being saved: it will be read when it is whole."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFileWarned(Event):
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class HostZoneChanged(Event):
    """A reload found the host in another zone: schedules without `timezone`, and all times that
    are shown, are in it from now on. Keys of `torch.zone`."""

    zone: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    run: Run
    pid: int
    lateness: float | None  # seconds after it was to begin, as the service saw it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAdopted(Event):
    """A run that an earlier service started goes on under this one. `pid` None: not known."""

    run: Run
    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlanned(Event):
    """An attempt failed; `run` is the next one, which starts in `delay` seconds."""

    run: Run
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPaused(Event):
    task: str
    until: float | None  # wall seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResumed(Event):
    task: str
    skipped: int  # fires that the pause skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    run: Run
    ending: Ending
    seconds: float  # how long it lived
    usage: Usage | None = None
    tail: tuple[str, ...] = ()  # its last output lines, where somebody reads them


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNotStarted(Event):
    run: Run
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopping(Event):
    run: Run
    reason: str
    by_force: bool = False  # SIGKILL, the grace is over


@dataclass(frozen=True, slots=True, kw_only=True)
class FireQueued(Event):
    run: Run
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FireSkipped(Event):
    run: Run
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FiresMissed(Event):
    task: str
    first: FireTime
    last: FireTime
    count: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonCrashLooping(Event):
    task: str
    run: Run
    failures: int
    retry_in: float
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonHealthy(Event):
    """A daemon task that was crash-looping, or is being replaced, has lived `healthy_after`."""

    task: str
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    seconds: float  # signed: negative is backwards
    watermark: FireTime


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFailed(Event):
    """Nothing starts without its intent on disk; `runs` of this batch did not start."""

    reason: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecovered(Event):
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySetAside(Event):
    """The history's file was damaged or gone: what is left of it lies at `path`, and a new one
    is begun."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReopened(Event):
    """Another process changed the history's file, or put another in its place: it was looked
    through, nothing is wrong with it, and it is used on."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSent(Event):
    """A channel has taken a message: one notice, or several in one."""

    channel: str
    notices: tuple[Notice, ...]
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeUnsent(Event):
    """A channel did not take a message; it is tried again, with whatever waits for it."""

    channel: str
    reason: str
    retry_in: float
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeGivenUp(Event):
    channel: str
    notice: Notice
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesSurvived(Event):
    """Processes of a run that SIGKILL did not end (or that we may not signal), by pid and name."""

    run_id: str
    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFailed(Event):
    """A part beside the core failed and the service goes on without it until it recovers."""

    part: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecovered(Event):
    """It works again. `lost`: what it could not do meanwhile, '' where that is nothing."""

    part: str
    lost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLost(Event):
    """The lock file at `path` is not the one this service holds: it was removed, or another
    service has one of its own there. This service stops its runs and ends."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRestored(Event):
    """Files of the run directory that were gone, and were made again."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfReported(Event):
    """How the service fares. `started`, `failed`, the latenesses (seconds) and the share of one
    processor are those of the last `seconds`; None: there was nothing, or it cannot be read."""

    tasks: int
    running: int
    seconds: float
    started: int
    failed: int
    late_median: float | None
    late_max: float | None
    load: float
    cpu_percent: float
    memory_mib: float | None
    open_files: int | None
    history_mib: float
    state_free_mib: int | None
    log_free_mib: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopping(Event):
    reason: str
    live: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopped(Event):
    ended: int
    killed: int
    left: tuple[str, ...] = field(default=())  # what could not be stopped, by pid and name
    kept: int = 0  # runs left alive on purpose, for the next service
