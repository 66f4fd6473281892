"""What is known of one task around one instant: all that `torch explain` answers from.

Owns the shape of this evidence. It is gathered by torch/explain/gathering.py from the history,
the task file and the service, and judged by `answer`; nothing here looks anything up. Instants
are epoch seconds, None where there is none or it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch.task import Task


class Row(Protocol):
    """A row of the history, as torch/history/query.py reads it."""

    @property
    def id(self) -> str: ...
    @property
    def fire_time(self) -> int | None: ...
    @property
    def last_fire(self) -> int | None: ...
    @property
    def count(self) -> int: ...
    @property
    def trigger(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def signal(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def started_at(self) -> float | None: ...
    @property
    def ended_at(self) -> float | None: ...
    @property
    def not_before(self) -> float | None: ...
    @property
    def fate(self) -> str | None: ...
    @property
    def max_rss(self) -> int | None: ...
    @property
    def cpu_seconds(self) -> float | None: ...
    def as_json(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The TIME that was asked for: the seconds from `first` to `last`."""

    first: int
    last: int
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A definition of the task, in force over (since, until]. `task` None: it was not in this
    host's part of the file, it left (`left`), or `unread`. `means`: its schedule in
    words."""

    task: Task | None
    since: int | None = None
    until: int | None = None
    left: bool = False
    unread: bool = False  # it was in force, but what it said is not known
    means: str = ""
    file: str = ""  # the version of the task file then in force, and its commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time without a service. `how` tells how the one before it ended: '' not known."""

    since: float | None
    until: float | None
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What the task file on disk says of where the task belongs. `here`: this host owns it."""

    file: str
    here: bool
    hosts: tuple[str, ...]  # the entries, groups with what they hold
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    since: int
    until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What only the service knows: the task's state in a word, its live runs, what waits."""

    state: str
    runs: tuple[str, ...] = ()
    adopted: frozenset[str] = frozenset()
    refused: str = ""  # why the file on disk is not in force


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`rows` are the attempts of the fire, or a row that says why it never ran. `fire` is the
    instant in question, `previous` and `next` what the definition names around it."""

    name: str
    zone: str
    now: float
    asked: Asked | None = None
    definition: Definition
    current: Definition
    fire: int | None = None
    previous: int | None = None
    next: int | None = None
    rows: tuple[Row, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)  # fires of the span, by outcome
    previous_outcome: str = ""
    holders: tuple[Row, ...] = ()  # runs that had the slots when the fire was decided
    outputs: Mapping[str, str] = field(default_factory=dict)  # run id -> output file
    adopted: Mapping[str, float] = field(default_factory=dict)  # run id -> by a service since
    alone: frozenset[str] = frozenset()  # runs that ended while no service lived
    left_behind: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # run id -> processes
    gap: Gap | None = None
    alive: bool = False  # a service lives now
    live: Live | None = None
    pause: Pause | None = None
    placement: Placement | None = None
    oldest: float | None = None
    runs: tuple[Row, ...] = ()  # of a daemon task, newest first, recorded by then


NEAR = 600
"""A fire within so many seconds of the TIME that was asked for is what was meant."""


def asked_at(e: Evidence) -> float:
    """The instant that the question is about."""
    return e.now if e.asked is None else e.asked.first


def is_near(e: Evidence) -> bool:
    """Whether the fire in question is what was asked for, or near enough to it."""
    if e.asked is None or e.fire is None:
        return True
    covered = any((row.last_fire or 0) >= e.asked.first for row in e.rows)
    near = e.asked.first - NEAR <= e.fire <= e.asked.last + NEAR
    return near or (covered and e.fire <= e.asked.last)
