"""What may be written in one field of an expression, and every refusal with its reason.

Owns the grammar: text of a field -> `Field`, checked, in numbers, nothing expanded yet. Must not
know dates, zones, or how the six fields work together.

Rules of the grammar, where cron's dialects differ:
- `a/n` runs from a to the field's end; a step larger than its range leaves the first value.
- Sunday is 0 and 7; `sun` at the end of a range is 7, so sat-sun is the week-end. Any other
  range that runs backwards is refused: Debian does, and the dialects that wrap disagree.
- `H` is one value and `H/n` a shifted `*/n`, both picked by a digest of the task's name and the
  field, so every host and every version of Python agree (croniter's own H shifts one CRC by a
  bit per field, which ties a task's hour to its minute).
- Only ASCII counts: str.isdigit() and int() take '٣', '1_0' and '+5' for numbers; we do not.

Invariant: in `Field.ranges` low <= high and both are inside the field, so croniter, which reads
backward and equal ranges as the whole field, never sees one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from torch.errors import ExpressionError
from torch.nearest import nearest
from torch.schedule import misplaced

Range = tuple[int, int, int]
"""First value, last value, step."""

Special = tuple[str, int, int]
"""A day that depends on the month: ('L', n, 0) is n days before the last, ('W', n, 0) the weekday
nearest to day n, ('LW', 0, 0) the last weekday; ('#', w, n) the n-th weekday w, n = 0 the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One of the six fields. `names` are three-letter words and their values."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """'0-59', '1-12 or jan-dec'."""
        words = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{words}"


SECOND = Kind("second", 0, 59)
MINUTE = Kind("minute", 0, 59)
HOUR = Kind("hour", 0, 23)
DAY = Kind("day", 1, 31)
MONTH = Kind("month", 1, 12, tuple("jan feb mar apr may jun jul aug sep oct nov dec".split()))
WEEKDAY = Kind("weekday", 0, 7, tuple("sun mon tue wed thu fri sat".split()))
KINDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)

_HASHED = re.compile(r"h(?:\((.*)\))?")
_RHYTHM = re.compile(r"[*/]|-(?!\w+\))")  # the dash in H(0-29) is not a range of values


@dataclass(frozen=True, slots=True)
class Field:
    """One field, read and checked.

    `starred`: the text begins with a star (or `?`, or is `H/n`), cron's test for "not restricted".
    `rhythm`: it holds a star, a range or a step, so it says how often rather than when.
    """

    ranges: tuple[Range, ...]
    specials: tuple[Special, ...]
    starred: bool
    rhythm: bool


@lru_cache(maxsize=8192)
def read_field(kind: Kind, text: str, name: str) -> Field:
    """Read one field; `name` is what H hashes. Raises ExpressionError with the field's name."""
    if not text.isascii():
        strange = next(character for character in text if not character.isascii())
        _refuse(kind, text, f"holds {strange!r} (U+{ord(strange):04X}), which is not ASCII")
    if text == "?" and kind in (DAY, WEEKDAY):
        return Field(((kind.low, kind.high, 1),), (), True, True)
    ranges: list[Range] = []
    specials: list[Special] = []
    for item in text.split(","):
        if special := _read_special(kind, item):
            specials.append(special)
        else:
            ranges.append(_read_range(kind, item, name))
    return Field(
        ranges=tuple(ranges),
        specials=tuple(specials),
        starred=text.startswith(("*", "h/", "H/")),
        rhythm=_RHYTHM.search(text) is not None,
    )


def _read_range(kind: Kind, item: str, name: str) -> Range:
    """`*`, `a`, `a-b`, `H`, `H(a-b)`, each with a step or without."""
    base, slash, step_text = item.lower().partition("/")
    step = _read_step(kind, item, step_text) if slash else 0
    if hashed := _HASHED.fullmatch(base):
        return _pick(kind, item, hashed[1], step, name)
    if base == "*":
        low, high = kind.low, kind.high
    else:
        first, dash, last = base.partition("-")
        low = _read_value(kind, item, first)
        high = _read_value(kind, item, last) if dash else kind.high if slash else low
        if dash and last == "sun" and low:
            high = 7
        if low > high:
            hint = f"write {first}-{kind.high},{kind.low}-{last}"
            if kind is WEEKDAY and not high:
                hint = "Sunday at the end of a range is 7"
            _refuse(kind, item, "runs backwards", hint)
    # Never an equal range, nor a step that leaves one value: croniter widens those.
    return (low, high, step or 1) if low + (step or 1) <= high else (low, low, 1)


def _pick(kind: Kind, item: str, within: str | None, step: int, name: str) -> Range:
    """H -> one value; H/n -> every n-th from a value among the first n."""
    # Every month has 28 days and a week seven: H must not pick what is skipped or counted twice.
    low, high = kind.low, {DAY: 28, WEEKDAY: 6}.get(kind, kind.high)
    if within is not None:
        first, dash, last = within.partition("-")
        if not dash:
            _refuse(kind, item, "lacks a range in its parentheses", f"write H({low}-{high})")
        low, high = _read_value(kind, item, first), _read_value(kind, item, last)
        if low > high:
            _refuse(kind, item, "runs backwards")
    if not name:
        _refuse(kind, item, "needs a name to pick by", "H belongs to a task; give its name=")
    digest = hashlib.sha256(f"{name}\0{kind.name}".encode()).digest()
    choices = min(step or high - low + 1, high - low + 1)
    value = low + int.from_bytes(digest[:8], "big") % choices
    return (value, high, step) if step and value + step <= high else (value, value, 1)


def _read_special(kind: Kind, item: str) -> Special | None:
    """L, L-3, LW and 15W in day; 5L and 5#2 in weekday; None for anything else."""
    text = item.lower()
    if kind is DAY:
        if text == "l":
            return ("L", 0, 0)
        if text == "lw":
            return ("LW", 0, 0)
        if text.startswith("l-"):
            return ("L", _read_number(kind, item, text[2:], 1, 30), 0)
        if text.endswith("w"):
            return ("W", _read_value(kind, item, text[:-1]), 0)
    elif kind is WEEKDAY:
        day, sharp, nth = text.partition("#")
        if sharp:
            return ("#", _read_value(kind, item, day) % 7, _read_number(kind, item, nth, 1, 5))
        if text == "l":
            hint = "the last Friday is 5L; the last day of the month is L in the day field"
            _refuse(kind, item, "does not say which weekday's last", hint)
        if text.endswith("l"):
            return ("#", _read_value(kind, item, text[:-1]) % 7, 0)
    return None


def _read_step(kind: Kind, item: str, text: str) -> int:
    if not text:
        _refuse(kind, item, "lacks a step after '/'", f"write {item}5")
    if not _is_number(text):
        _refuse(kind, item, "is not a whole number", part=text)
    step = _int(text)
    if not step:
        _refuse(kind, item, "has a step of 0", "a step is 1 or more")
    return step


def _read_value(kind: Kind, item: str, text: str) -> int:
    """A number or a name of this field."""
    if text in kind.names:
        return kind.low + kind.names.index(text)
    return _read_number(kind, item, text, kind.low, kind.high)


def _read_number(kind: Kind, item: str, text: str, low: int, high: int) -> int:
    if not _is_number(text):
        _refuse_word(kind, item, text)
    value = _int(text)
    if not low <= value <= high:
        # The field's own range, with its names, unless a special has one of its own.
        own = "" if (low, high) == (kind.low, kind.high) else f"{low}-{high}"
        _refuse(kind, item, "is out of range", part=text, allowed=own)
    return value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _int(digits: str) -> int:
    """The number, cut to its first four digits: beyond every field either way, and never slow."""
    return int(digits.lstrip("0")[:4] or "0")


def _refuse_word(kind: Kind, item: str, text: str) -> NoReturn:
    """Say what is wrong with `text`, which stands where a number or a name belongs."""
    if not item:
        _refuse(kind, item, "is an empty place in the list")
    if item.startswith("/"):
        _refuse(kind, item, "has nothing before '/'", f"write *{item}")
    if found := misplaced.meant(kind.name, kind.low, kind.high, item):
        _refuse(kind, item, *found)
    if not text:
        _refuse(kind, item, "lacks a value")
    if "-" in text:
        _refuse(kind, item, "has two dashes in one range")
    if "*" in text:
        _refuse(kind, item, "joins a star to something", "write * or */5")
    if "?" in text:
        _refuse(kind, item, "holds '?', which stands alone and in day or weekday", "write *")
    if not text.isalpha() or not kind.names:
        hint = misplaced.LETTERS if text.endswith(("l", "w")) or "#" in text else ""
        _refuse(kind, item, "is not a whole number", hint, part=text)
    hint = misplaced.LETTERS if text in ("l", "w", "lw") else meant(text, kind.names)
    for other in (MONTH, WEEKDAY):
        if not hint and text in other.names:
            hint = f"{text} is a {other.name}; the order is ... day month weekday"
    _refuse(kind, item, "is not a name of this field", hint, part=text)


def meant(word: str, known: tuple[str, ...]) -> str:
    """'did you mean ...?' for a word near one of `known`, '' for none."""
    near = word[:3] if word[:3] in known else nearest(word, known)
    return f"did you mean {near}?" if near else ""


def short(text: str) -> str:
    """The text quoted, cut where it is no longer worth reading."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _refuse(
    kind: Kind, item: str, why: str, hint: str = "", *, part: str = "", allowed: str = ""
) -> NoReturn:
    """'hour '1-24': '24' is out of range; allowed is 0-23'; `part` is what of the item is wrong."""
    at = f": {short(part)}" if part and part != item.lower() else ""
    raise ExpressionError(
        f"{kind.name} {short(item)}{at} {why}; allowed is {allowed or kind.allowed}",
        field=kind.name,
        hint=hint,
    )
