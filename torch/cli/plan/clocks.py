"""Changes of the clocks in words, and as JSON: what becomes of the tasks that name such a time.

Owns the wording of `planning.shifts` for `torch plan`. Times are those of the zone that changes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from torch import zone
from torch.clock import FireTime
from torch.planning.shifts import Shift
from torch.report.text import count, duration
from torch.schedule.counting import Touched

_SHOWN = {True: 20, False: 3}
"""Tasks that are told one by one: of a change within the span, and of one after it."""


def lines(shifts: tuple[Shift, ...], now: FireTime) -> list[str]:
    """What to print, under a heading; nothing where no task's zone changes its clocks."""
    if not shifts:
        return []
    told = [shift for shift in shifts if shift.tasks]
    said = ["changes of the clocks"]
    for shift in told:
        said.append(f"  {_change(shift, now)}")
        most = _SHOWN[shift.within]
        said += [f"    {name} ({text}): {_fate(shift, touched)}"
                 for name, text, touched in shift.tasks[:most]]  # fmt: skip
        if len(shift.tasks) > most:
            said.append(f"    and {len(shift.tasks) - most} more (--json names them)")
    quiet = [shift for shift in shifts if not shift.tasks]
    if quiet:
        said.append(f"  {_change(quiet[0], now)}")
        later = (
            f", nor {'does' if len(quiet) == 2 else 'do'} {count(len(quiet) - 1, 'later change')}"
            if len(quiet) > 1
            else ""
        )
        said.append(f"    affects no task{later}")
    return said


def _change(shift: Shift, now: FireTime) -> str:
    low, high = (_of_day(local) for local in shift.change.local)
    what = "is skipped" if shift.change.forward else "occurs twice"
    ahead = duration(shift.change.at - now)
    return f"{_date(shift)} in {shift.zone}: {low} to {high} {what}, in {ahead}"


def _fate(shift: Shift, touched: Touched) -> str:
    first, last = (_of_day(local) for local in touched.times)
    times = first if touched.count == 1 else f"{touched.count} times from {first} to {last}"
    if touched.fixed:
        if shift.change.forward:
            return f"{times} {_verb(touched, 'is', 'are')} skipped; runs once, at {_after(shift)}"
        return f"{times} {_verb(touched, 'occurs', 'occur')} twice; runs the first time only"
    if shift.change.forward:
        return f"{times} {_verb(touched, 'is', 'are')} skipped and not run later"
    return f"{times} {_verb(touched, 'occurs', 'occur')} twice; runs both times"


def _verb(touched: Touched, one: str, many: str) -> str:
    return one if touched.count == 1 else many


def as_json(shift: Shift) -> dict[str, Any]:
    """`skipped` or `repeated` is [first, end) of the local times."""
    change = shift.change
    span = [_local(at).isoformat(timespec="seconds") for at in change.local]
    return {
        "zone": shift.zone,
        "at": _instant(shift).isoformat(),
        "within": shift.within,
        "skipped": span if change.forward else None,
        "repeated": None if change.forward else span,
        "tasks": [
            {
                "name": name,
                "schedule": text,
                "times": touched.count,
                "first": _local(touched.times[0]).isoformat(timespec="seconds"),
                "last": _local(touched.times[1]).isoformat(timespec="seconds"),
                "becomes": _becomes(shift, touched),
            }
            for name, text, touched in shift.tasks
        ],
    }


def _becomes(shift: Shift, touched: Touched) -> str:
    """In a word: 'once_after', 'once_first', 'skipped', 'twice'."""
    if touched.fixed:
        return "once_after" if shift.change.forward else "once_first"
    return "skipped" if shift.change.forward else "twice"


def _instant(shift: Shift) -> datetime:
    return datetime.fromtimestamp(shift.change.at, zone.of(shift.zone))


def _date(shift: Shift) -> str:
    return f"{_instant(shift):%Y-%m-%d}"


def _after(shift: Shift) -> str:
    return f"{_instant(shift):%H:%M:%S}"


def _local(seconds: int) -> datetime:
    """A local count of seconds as the reading of a clock, without a zone."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _of_day(seconds: int) -> str:
    return f"{_local(seconds):%H:%M:%S}"
