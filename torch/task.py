"""A task and its policies: what the task file says, checked, frozen, nothing more.

Owns the shape of a task. Must not know YAML, placement on a host, or what is running.
Durations are seconds (float); times of day and zones live inside the schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Schedule(Protocol):
    """What a task needs of `torch.schedule.expression.Expression` (nouns import nothing above)."""

    @property
    def text(self) -> str: ...
    @property
    def is_reboot(self) -> bool: ...
    def next_epoch(self, after: int) -> int | None: ...


class TaskType(StrEnum):
    CRON = "cron"
    DAEMON = "daemon"


IN_TROUBLE = ("crash-looping", "failing")
"""The states of a task, in a word, for one with which something is wrong. The worse first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypePolicy:
    """What follows from a task's type. It is asked, and no type is compared."""

    fires: bool  # its schedule names fires
    is_kept: bool  # `max` runs of it are kept alive; its ends are no news, and nobody runs it
    became: str  # why an edit to this type gives up what the task did before


POLICIES = {
    TaskType.CRON: TypePolicy(fires=True, is_kept=False, became="it became a cron task"),
    TaskType.DAEMON: TypePolicy(fires=False, is_kept=True, became="it became a daemon task"),
}


class Overlap(StrEnum):
    """What a fire does when `max` runs are live."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class Via(StrEnum):
    """What standard output and error of a run are."""

    PIPE = "pipe"  # a FIFO that is read into the file: the cap is kept exactly, late words too
    FILE = "file"  # the file itself: the run never waits for a reader


class Privileges(StrEnum):
    """Whether the programs of a task with `user` may gain privileges, as set-uid programs do."""

    DROP = "drop"  # no_new_privs
    KEEP = "keep"  # for sudo, and for a mailer that is set-gid


class CatchUp(StrEnum):
    """What becomes of fires that could not start in time."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Attempts after a failed one; the n-th waits delay * backoff**n, at most max_delay."""

    attempts: int
    delay: float = 30.0
    backoff: float = 2.0
    max_delay: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """How a daemon task comes back: delay doubles up to max_delay until it lives healthy_after."""

    delay: float = 1.0
    max_delay: float = 60.0
    healthy_after: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Output files kept per task, the size in bytes that one may take, and how it gets there."""

    keep: int = 50
    max_size: int = 16 * 1024 * 1024
    via: Via = Via.PIPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A pattern that, seen on an output line, tells the channels in `notify`."""

    pattern: str
    notify: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One entry of the task file. Every field is a key of docs/task-file.md.

    `digest` stands for the whole definition: equal digests, equal tasks. `line` is where the
    task begins in its file, from 1; it is not part of the definition.
    """

    name: str
    command: str | tuple[str, ...]
    type: TaskType = TaskType.CRON
    schedule: tuple[Schedule, ...] = ()
    hosts: tuple[str, ...] = ()
    max: int = 1
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.NONE
    start_within: float = 60.0
    timeout: float | None = None
    grace: float = 10.0
    retry: Retry | None = None
    restart: Restart = field(default=Restart())
    success_codes: frozenset[int] = frozenset({0})
    timezone: str = "UTC"
    jitter: float = 0.0
    user: str | None = None
    group: str | None = None
    privileges: Privileges = Privileges.DROP
    cwd: str | None = None
    umask: int | None = None
    nice: int | None = None
    shell: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    env_file: str | None = None
    enabled: bool = True
    description: str = ""
    owner: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    output: Output = field(default=Output())
    on_failure: tuple[str, ...] = ()
    on_recovery: tuple[str, ...] | None = None  # None: whoever was told of the trouble
    on_missed: tuple[str, ...] = ()
    on_crash_loop: tuple[str, ...] = ()
    remind_after: float = 14_400.0
    alert_on: tuple[Alert, ...] = ()
    digest: str = ""
    line: int = field(default=0, compare=False)

    @property
    def policy(self) -> TypePolicy:
        return POLICIES[self.type]
