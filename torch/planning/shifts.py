"""What the next changes of the clocks will do to the tasks of a file.

Owns which changes are worth telling: those within a span, and of each zone the next one ahead.
The rule itself is `schedule.daylight`'s. Must not know how it is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from torch.clock import FireTime
from torch.planning.load import expressions
from torch.schedule import daylight
from torch.schedule.counting import Touched
from torch.schedule.daylight import ClockChange
from torch.task import Task

AHEAD = 366 * 86_400
"""Seconds ahead of now in which a zone's next change is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One change of a zone's clocks. `within`: it lies in the span that was asked about;
    `tasks`: (name, expression, what becomes of it), in file order."""

    zone: str
    change: ClockChange
    within: bool
    tasks: tuple[tuple[str, str, Touched], ...]


def shifts(tasks: Iterable[Task], after: FireTime, until: FireTime) -> tuple[Shift, ...]:
    """The changes in (after, until], and the next one of a zone that has none there."""
    of_zone: dict[str, list[Task]] = {}
    for task in tasks:
        if found := expressions(task):
            of_zone.setdefault(found[0].timezone, []).append(task)
    ahead = max(until, after + AHEAD)
    seen = [
        _shift(zone, change, change.at <= until, of_zone[zone])
        for zone in of_zone
        for change in _worth_telling(zone, after, until, ahead)
    ]
    return tuple(sorted(seen, key=lambda shift: (shift.change.at, shift.zone)))


def _worth_telling(zone: str, after: int, until: int, ahead: int) -> Iterable[ClockChange]:
    changes = daylight.changes(daylight.zone(zone), after, ahead)
    first = next(changes, None)
    if first is None or first.at > until:
        return () if first is None else (first,)
    return chain([first], (change for change in changes if change.at <= until))


def _shift(zone: str, change: ClockChange, within: bool, tasks: list[Task]) -> Shift:
    found = (
        (task.name, each.text, touched)
        for task in tasks
        for each in expressions(task)
        if (touched := each.touched(change))
    )
    return Shift(zone=zone, change=change, within=within, tasks=tuple(found))
