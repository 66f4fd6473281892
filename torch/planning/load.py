"""How often tasks start, and in which seconds most of them do.

Owns the union of a task's expressions, and the sum over tasks. Must not know hosts, or how a
result is shown. Jitter is left aside: a start is counted at its fire time.

Why counters of bits: a day has 86 400 seconds, and each wants the number of its tasks. `Load`
keeps the n-th binary digit of all these numbers in one int, so that adding a task is a few
operations on whole days (a carry from digit to digit) and not one for each of its starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch.clock import FireTime
from torch.schedule.expression import Expression
from torch.task import Schedule, Task

DAY = 86_400


def expressions(task: Task) -> tuple[Expression, ...]:
    """The expressions by which a task fires at times: none when it is disabled or a daemon."""
    if not task.enabled or not task.policy.fires:
        return ()
    return tuple(s for s in task.schedule if isinstance(s, Expression) and not s.is_reboot)


def starts(schedule: Sequence[Expression], after: FireTime, until: FireTime) -> int:
    """The fires in (after, until]; an instant that two expressions name is one."""
    if len(schedule) == 1:
        return schedule[0].count(after, until)
    spans = ((at, min(at + DAY, until)) for at in range(after, until, DAY))
    return sum(_union(schedule, first, last).bit_count() for first, last in spans)


def _union(schedule: Sequence[Expression], after: int, until: int) -> int:
    bits = 0
    for each in schedule:
        bits |= each.mask(after, until)
    return bits


class Load:
    """How many starts fall into each second of (after, after + a day]."""

    def __init__(self, after: FireTime) -> None:
        self.after = after
        self._digits: list[int] = []  # [n]: the seconds whose count has binary digit n

    def add(self, schedule: Sequence[Expression], times: int = 1) -> int:
        """Counts each fire of a task `times` over; returns how many seconds it fires in."""
        bits = _union(schedule, self.after, self.after + DAY)
        digit = 0
        while times:
            if times & 1:
                self._carry(bits, digit)
            times >>= 1
            digit += 1
        return bits.bit_count()

    def merge(self, other: Load) -> None:
        """Adds all that another one of the same day has counted."""
        for digit, bits in enumerate(other._digits):
            self._carry(bits, digit)

    def _carry(self, bits: int, digit: int) -> None:
        while bits:
            while len(self._digits) <= digit:
                self._digits.append(0)
            before = self._digits[digit]
            self._digits[digit], bits = before ^ bits, before & bits
            digit += 1

    def busiest(self) -> Iterator[tuple[int, int, FireTime]]:
        """(starts, how many seconds have as many, the first of them), most starts first."""
        left = 0
        for bits in self._digits:
            left |= bits
        while left:
            most, found = 0, left
            for digit in reversed(range(len(self._digits))):
                more = found & self._digits[digit]
                if more:
                    most, found = most | 1 << digit, more
            first = (found & -found).bit_length() - 1
            yield most, found.bit_count(), FireTime(self.after + 1 + first)
            left &= ~found


def fires_at(schedule: Sequence[Schedule], at: FireTime) -> bool:
    """Whether one of the expressions names this second."""
    return any(each.next_epoch(at - 1) == at for each in schedule)
