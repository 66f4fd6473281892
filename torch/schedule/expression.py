"""Expression: the text of a schedule, parsed; what everything else asks for the next fire.

Owns parsing as a whole: macros, `@every`, the number of fields, and the only import of croniter,
which expands ranges with a step. It does so lazily, in `parse` alone: a service unpickles what
another process has parsed, and never pays for croniter's memory. `fields` refuses before it,
because croniter is lax (`5-5` is every value, `22-5` wraps, '٣' is three), and each range is
expanded once and kept, because one expansion costs more than the rest of a parse.

The parts: `fields` reads one field, `stepping` finds the next match on a plain calendar,
`daylight` puts it on a zone's clock and states the daylight-saving rule, `counting` counts the
fires of a span, `english` describes.

Reference: Debian cron, extended to seconds; a difference is a bug.
Invariant: equal text, zone and (where H is used) name mean equal fire times, on every host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache

from torch.errors import ExpressionError
from torch.schedule import counting, daylight, english, fields
from torch.schedule.counting import Touched
from torch.schedule.fields import Field, Kind
from torch.schedule.stepping import Plan, can_fire

MAX_BYTES = 1024
_SECOND = timedelta(seconds=1)
_NAMES = " ".join(kind.name for kind in fields.KINDS)

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""What Debian's crontab(5) says they stand for."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed schedule, made by `Expression.parse`; immutable, hashable and picklable.

    `text` is what was written, `timezone` an IANA name, `name` what H was picked by ('' where
    no H is used): two expressions are equal when these three are.
    """

    text: str
    timezone: str
    name: str
    # Shared between equal texts. An int: every so many seconds. None: at boot, no times.
    _plan: Plan | int | None = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str, *, timezone: str = "UTC", name: str = "") -> Expression:
        """Read an expression of five or six fields, or a macro; `name` is what H picks by.

        Raises ExpressionError with the field at fault ('' for the whole text, 'timezone' for
        the zone), what is wrong and the allowed range.
        """
        text = _checked(text)
        hashed = name if _HASHES.search(text) else ""
        plan = _read_macro(text) if text.startswith("@") else _read_plan(text, hashed)
        try:
            daylight.zone(timezone)
        except (ValueError, OSError, LookupError):
            raise ExpressionError(
                f"{timezone!r} is not a time zone of this host",
                field="timezone",
                hint="use an IANA name such as Europe/Berlin or UTC",
            ) from None
        return cls(text, timezone, hashed, plan)

    @property
    def is_reboot(self) -> bool:
        """Whether this is `@reboot`: once per boot of the host, at no time of its own."""
        return self._plan is None

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire strictly after `instant`, which is aware, in the expression's zone.

        None when it never fires again before the year 9999 ends. TypeError for a naive instant.
        In a repeated hour compare it in UTC: Python finds an ambiguous local time unequal to
        the same instant in any other zone.
        """
        fire = self.next_epoch((instant - daylight.EPOCH) // _SECOND)
        if fire is None:
            return None
        tzinfo = daylight.zone(self.timezone).tzinfo
        return (daylight.EPOCH + timedelta(seconds=fire)).astimezone(tzinfo)

    def next_epoch(self, after: int) -> int | None:
        """The same in whole epoch seconds: the first fire strictly after `after`, or None."""
        plan = self._plan
        if plan is None:
            return None
        if isinstance(plan, int):
            fire = (max(after, daylight.FIRST) // plan + 1) * plan
            return fire if fire <= daylight.LAST else None
        return daylight.next_fire(plan, daylight.zone(self.timezone), after)

    def count(self, after: int, until: int) -> int:
        """How many fires there are in (after, until], epoch seconds; not by stepping."""
        return counting.count(self._plan, daylight.zone(self.timezone), after, until)

    def mask(self, after: int, until: int) -> int:
        """The same fires as bits: bit n stands for the second after + 1 + n."""
        return counting.mask(self._plan, daylight.zone(self.timezone), after, until)

    def touched(self, change: daylight.ClockChange) -> Touched | None:
        """What a change of the clocks in this zone does to its fires; None for nothing odd."""
        return counting.touched(self._plan, change)

    def describe(self) -> str:
        """Plain English: 'every 5 seconds', 'at 03:30:00 every day'."""
        return english.describe(self._plan)


_HASHES = re.compile(r"(?:^|[ \t,])[hH](?![a-zA-Z])")


def _checked(text: str) -> str:
    """The text without blanks around it, or the refusal of one nobody should even split."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise ExpressionError(f"longer than {MAX_BYTES} bytes", hint="split it into several")
    if not (text.isascii() and text.isprintable()):
        for character in text.replace("\t", " "):
            if character != " " and (character.isspace() or not character.isprintable()):
                raise ExpressionError(
                    f"{character!r} (U+{ord(character):04X}) in the expression",
                    hint="only spaces and tabs stand between fields; one expression is one line",
                )
    return text.strip(" \t")


@lru_cache(maxsize=4096)
def _read_plan(text: str, name: str) -> Plan:
    """Five or six fields -> Plan; cached, so that equal schedules share one."""
    texts = text.split()
    if len(texts) not in (5, 6):
        raise _wrong_count(len(texts))
    six = len(texts) == 6
    if not six:
        texts = ["0", *texts]
    read = [
        # The name only where it matters: the rest is cached for all tasks alike.
        fields.read_field(kind, part, name if _HASHES.search(part) else "")
        for kind, part in zip(fields.KINDS, texts, strict=True)
    ]
    second, minute, hour, day, _, weekday = read
    masks = [_mask(kind, part) for kind, part in zip(fields.KINDS, read, strict=True)]
    plan = Plan(
        seconds=masks[0],
        minutes=masks[1],
        hours=masks[2],
        days=masks[3],
        months=masks[4],
        weekdays=masks[5] & 0x7F | masks[5] >> 7,
        specials=day.specials + weekday.specials,
        either=not (day.starred or weekday.starred),
        fixed=daylight.is_fixed(second, minute, hour, seconds=masks[0].bit_count(), six=six),
    )
    if not can_fire(plan):
        raise _never_fires(*texts[3:])
    return plan


def _never_fires(day: str, month: str, weekday: str) -> ExpressionError:
    day, month, weekday = map(fields.short, (day, month, weekday))
    also = "" if weekday in ("'*'", "'?'") else f" that is also weekday {weekday}"
    return ExpressionError(
        f"it can never fire: month {month} has no day {day}{also}",
        field="day",
        hint="day and weekday must both match when either begins with *"
        if also
        else "April, June, September and November have 30 days, February 28 or 29",
    )


def _wrong_count(count: int) -> ExpressionError:
    if not count:
        return ExpressionError("the expression is empty", hint=f"six fields are {_NAMES}")
    year = " (a year is not supported)" if count == 7 else ""
    return ExpressionError(
        f"{count} field{'s' * (count != 1)}{year}; an expression has 5 or 6",
        hint=f"six are {_NAMES}; five begin at the minute, and the second is 0",
    )


def _mask(kind: Kind, part: Field) -> int:
    mask = 0
    for low, high, step in part.ranges:
        mask |= 1 << low if low == high else _expand(kind, low, high, step)
    return mask


@cache  # every range there can be is some thousands
def _expand(kind: Kind, low: int, high: int, step: int) -> int:
    """A range as a bit mask, expanded by croniter."""
    from croniter import croniter  # see the module's docstring

    # croniter's order is minute hour day month weekday second, and '*' is what it calls all.
    place = (fields.KINDS.index(kind) - 1) % 6
    columns = ["*"] * 6
    columns[place] = f"{low}-{high}/{step}"
    values = croniter.expand(" ".join(columns))[0][place]
    whole = range(kind.low, kind.high + 1)
    return sum(1 << value for value in (whole if values == ["*"] else values))


_EVERY = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_LONGEST = 366 * 86_400


def _read_macro(text: str) -> Plan | int | None:
    """`@daily` and its like, `@reboot`, `@every <duration>`."""
    word, *rest = text.lower().split()
    if word == "@every":
        return _read_every(rest)
    known = (*MACROS, "@reboot", "@every")
    if word not in known:
        raise ExpressionError(
            f"unknown macro {fields.short(word)}",
            hint=fields.meant(word, known) or f"known are {', '.join(known)}",
        )
    if rest:
        raise ExpressionError(f"{word} stands alone", hint="remove what follows it")
    return None if word == "@reboot" else _read_plan(MACROS[word], "")


def _read_every(rest: list[str]) -> int:
    """The duration of `@every` in seconds. Its fires are the multiples since the epoch."""
    hint = "write a duration such as 90s, 5m or 1h30m"
    shown = fields.short(" ".join(rest))
    match = _EVERY.fullmatch(rest[0]) if len(rest) == 1 else None
    if match is None or len(rest[0]) > 32:
        raise ExpressionError(f"@every {shown} is not a duration in whole seconds", hint=hint)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not 1 <= total <= _LONGEST:
        raise ExpressionError(f"@every {shown} is out of range; allowed is 1s to 366d", hint=hint)
    return total
