"""What is to be on disk: the one command that comes before all others of an answer.

Owns the shapes that the core and the history share, and nothing else of either: facts, each of a
type that has one writer in torch/history/facts.py and one in torch/testing/history.py. A `Record`
is committed in one transaction, or not at all, its facts in their order. `durable`: to lose the
fact with the power would start something twice, or forget what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, TypeVar

from torch.clock import FireTime
from torch.notice import Notice
from torch.run import Ending, Run, Usage
from torch.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of history: an intent (`ending` None), or a fire that never becomes a run.

    A collapsed row stands for `count` fires from `run.fire_time` to `last`; `early` are the oldest
    of them. `digest` names the definition of an intent. `not_before` (wall seconds): it waits, for
    that instant at the least, and has not been offered a slot.
    """

    durable: ClassVar[bool] = True
    run: Run
    ending: Ending | None = None
    count: int = 1
    last: FireTime | None = None
    early: tuple[FireTime, ...] = ()
    digest: str = ""
    not_before: float | None = None

    def shorter(self) -> Entry | None:
        """What is left of a collapsed row whose first fire has a row of its own: without it the
        others would have none. None: nothing is."""
        last, first = self.last, self.run.fire_time
        if last is None or first is None or first >= last or self.count < 2:
            return None
        left = tuple(at for at in self.early if at > first)
        begins = left[0] if left else last
        # Of those between `early` and `last` none is known by its instant: they stay counted.
        return replace(
            self, run=replace(self.run, fire_time=begins), count=self.count - 1, early=left[1:],
            last=None if self.count == 2 else last,
        )  # fmt: skip


class Step(StrEnum):
    """What became of a row that is already recorded."""

    OFFERED = "offered"  # it waits no longer: from here on it may have started
    STARTED = "started"
    STOPPING = "stopping"  # it was told to stop; `ending` is what its end will be called
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a run. With the run itself, so that a row that was lost can be made anew.
    `digest`, of an offer: the definition that it starts under, which may be a newer one;
    `started_at` (wall seconds), of an end: when it began; `usage`, of an end: what it used, None
    where nobody knows; `due` (wall seconds), of a start: when it was to begin, if it had been put
    off; `never_began`, of an end: its command did not, though it may have been said
    to have started, which is taken back."""

    run: Run
    step: Step
    at: float  # wall seconds
    pid: int | None = None
    ending: Ending | None = None
    digest: str = ""
    started_at: float | None = None
    usage: Usage | None = None
    due: float | None = None
    never_began: bool = False

    @property
    def durable(self) -> bool:
        """An offer is: after it nobody may say that the run still waits."""
        return self.step in (Step.OFFERED, Step.ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """A task's definition in force from `since` on; `task` None when it left the file."""

    durable: ClassVar[bool] = True
    name: str
    since: FireTime
    task: Task | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """A task is paused: every fire after `since` is skipped, until `until` (wall seconds)."""

    since: FireTime
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pausing:
    """A task is paused from now on, or (`pause` None) no longer."""

    durable: ClassVar[bool] = True
    task: str
    pause: Paused | None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """The task file that is in force from now on."""

    durable: ClassVar[bool] = False
    version: str
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What somebody was told of and is still so, or may not be told again yet.

    `kind`: `failing`, `crash_looping`, `missed`, or `matched ` and a pattern. `count`: how often
    since `since` (of a pattern: since it was told). `seen`, of a pattern: (run id, byte) of live
    runs, up to where the matches in their output are known. Instants are wall seconds.
    """

    task: str
    kind: str
    since: float
    told_at: float
    count: int = 1
    seen: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubling:
    """A trouble as it is from now on, or (`trouble` None) that it is over."""

    durable: ClassVar[bool] = False
    task: str
    kind: str
    trouble: Trouble | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A notice that is to go to a channel: owed until a `Delivery` says what became of it."""

    durable: ClassVar[bool] = True
    notice: Notice
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a notice on a channel: it was sent, or (`sent` False) given up."""

    durable: ClassVar[bool] = False
    notice: str
    channel: str
    sent: bool
    tries: int
    at: float  # wall seconds
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A channel takes no message since `since` (wall seconds); `problem`: why, in words."""

    channel: str
    since: float
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A channel that fails, as it is from now on, or (`unsent` None) that it does no longer."""

    durable: ClassVar[bool] = False
    channel: str
    unsent: Unsent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Every fire up to `at` has its disposition."""

    durable: ClassVar[bool] = False
    at: FireTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebooted:
    """The `@reboot` fires of this boot are decided."""

    durable: ClassVar[bool] = True


Fact = (
    Entry
    | Progress
    | Defined
    | Pausing
    | File
    | Troubling
    | Posted
    | Delivery
    | Failing
    | Watermark
    | Rebooted
)

_F = TypeVar("_F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Record:
    """To be committed in one transaction, before anything else of the same answer."""

    facts: tuple[Fact, ...] = ()

    def of(self, kind: type[_F]) -> tuple[_F, ...]:
        """Its facts of this type."""
        return tuple(fact for fact in self.facts if isinstance(fact, kind))


def withheld(batch: Sequence[Record]) -> tuple[frozenset[str], list[Record]]:
    """(the runs that must not start because the batch could not be written, what of it is to be
    written later). These are its intents, and what it offers: a run whose row says that it waits
    would be started once more by the next service. An end is kept even so: it is the disposition
    of a fire that was given up in the same breath."""
    facts = [fact for record in batch for fact in record.facts]
    begun = {fact.run.id for fact in facts if isinstance(fact, Entry) and fact.ending is None}
    begun |= {f.run.id for f in facts if isinstance(f, Progress) and f.step is Step.OFFERED}

    def is_owed(fact: Fact) -> bool:
        if isinstance(fact, Entry):
            return fact.ending is not None
        if isinstance(fact, Progress):
            return fact.run.id not in begun or fact.step is Step.ENDED
        return not isinstance(fact, Rebooted)

    owed = [Record(tuple(filter(is_owed, record.facts))) for record in batch]
    return frozenset(begun), [record for record in owed if record.facts]
