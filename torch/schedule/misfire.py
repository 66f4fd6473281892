"""Which of several due fires of one task start, and which are missed. Pure functions.

Source of the rules: docs/semantics.md, Late fires. A fire may start up to `start_within`
seconds after its time. Invariant: every due fire is in exactly one of the parts of a Split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.clock import FireTime
from torch.schedule.timeline import Due
from torch.task import CatchUp

CATCH_UP_LIMIT = 100
"""Most fires that `catch_up: all` starts after one absence; older ones are missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """One collapsed row: `count` fires from `first` to `last`. `early`: the oldest of them."""

    first: FireTime
    last: FireTime
    count: int
    reason: str
    early: tuple[FireTime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`late` of the fires in `start` are past their `start_within` (their trigger is catch_up)."""

    start: tuple[FireTime, ...] = ()  # oldest first
    late: frozenset[FireTime] = frozenset()
    missed: Missed | None = None


def plan(
    due: Due, *, now: float, start_within: float, catch_up: CatchUp,
    spread: Callable[[FireTime], float] = lambda _: 0.0,
) -> Split:  # fmt: skip
    """Splits the due fires of one task by its catch-up policy. `spread` gives the seconds by
    which a fire's start is put off (jitter); it is late only after that."""
    times = due.times
    late = frozenset(t for t in times if now - t > start_within + spread(t))
    if catch_up is CatchUp.ALL:
        start = times[-CATCH_UP_LIMIT:]
    elif times[-1] not in late or catch_up is CatchUp.LAST:
        start = times[-1:]
    else:
        start = ()
    missed = _missed(due, started=len(start), reason=_why(start, start_within, catch_up))
    return Split(start=start, late=late & frozenset(start), missed=missed)


def _missed(due: Due, *, started: int, reason: str) -> Missed | None:
    count = due.count - started
    if not count:
        return None
    last = due.times[-started - 1] if len(due.times) > started else due.first
    if not due.exact:
        reason = f"{reason}; the count is a lower bound"
    early = tuple(at for at in due.early if at <= last)
    return Missed(first=due.first, last=last, count=count, reason=reason, early=early)


def _why(start: tuple[FireTime, ...], start_within: float, catch_up: CatchUp) -> str:
    if not start:
        return f"later than start_within ({start_within:g} s)"
    if catch_up is CatchUp.ALL:
        return f"catch_up: all starts at most {CATCH_UP_LIMIT}"
    return "a newer fire of the task was due too"
