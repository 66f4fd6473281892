"""What somebody meant who joined L, W, # or ~ to what it cannot be joined to.

Owns these refusals: the reason and the way out of each, so that none gets the message of another
mistake. Must not know dates, nor how a field is read.
"""

from __future__ import annotations

import re

LETTERS = "L, L-3, LW and 15W stand in day, 5L and 5#2 in weekday"

_TILDE = re.compile(r"([0-9]*|[a-z]{3})~([0-9]*|[a-z]{3})((?:/[0-9]+)?)")
_ONE = r"(?:[0-9]+|sun|mon|tue|wed|thu|fri|sat)"
_SPECIAL = re.compile(rf"l|w|lw|wl|{_ONE}[lw]|[lw][0-9]+|{_ONE}?#[0-9]*")
_LISTED = 6
"""Most days that a hint names one by one."""


def meant(field: str, low: int, high: int, item: str) -> tuple[str, str] | None:
    """(what is wrong, what to write) of an item of a field, whose values are from `low` to `high`;
    None for another mistake."""
    text = item.lower()
    if "~" in text:
        return "holds '~', a random value in cronie and OpenBSD", _hashed(low, high, text)
    base, slash, _ = text.partition("/")
    parts = base.split("-")
    special = [part for part in parts if _SPECIAL.fullmatch(part)]
    if not special or field not in ("day", "weekday"):
        return None
    if field == "day" and re.fullmatch("l-[0-9-]+", base) and not slash:
        return None  # L-40 or L-3-5: it is the number that is wrong
    if field == "weekday" and any("w" in part and "wed" not in part for part in special):
        return "holds W, which is not a weekday", LETTERS
    if field == "weekday" and parts[0] == "l" and len(parts) > 1:
        return "holds L without a weekday", LETTERS
    if slash:
        return "has a step, which L, W and # cannot have", _list_of(parts)
    if base == "l-w":
        return "is not how the last weekday is written", "write LW"
    if len(parts) > 1:
        return "is a range of L, W or #, which each name one day", _list_of(parts)
    return _alone(field, base)


def _hashed(low: int, high: int, text: str) -> str:
    generic = "H picks one value for each task: write H, or H(A-B) for one from A to B"
    match = _TILDE.fullmatch(text)
    if match is None:
        return generic
    first, last, step = match.groups()
    if not first and not last:
        return f"H picks one value for each task: write H{step}"
    numbers = [int(each[:4]) for each in (first or str(low), last or str(high)) if each.isdigit()]
    wrong = not all(low <= number <= high for number in numbers) or numbers != sorted(numbers)
    if wrong or step.startswith("/0"):
        return generic
    return f"H picks one value for each task: write H({first or low}-{last or high}){step}"


def _list_of(parts: list[str]) -> str:
    """15w, 20w -> 15W,16W,…: whatever can be told of a range; else an example."""
    ends = [re.fullmatch(r"((?:\w+#)?)([0-9]+)([wl]?)", part) for part in parts]
    if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
        (before, first, after), (other, last, behind) = ends[0].groups(), ends[1].groups()
        days = range(int(first[:4]), int(last[:4]) + 1)
        if (before, after) == (other, behind) and 1 < len(days) <= _LISTED:
            return "write each: " + ",".join(f"{before}{n}{after.upper()}" for n in days)
    return "write a list, such as 15W,16W in day or 5L,6L and 5#2,5#3 in weekday"


def _alone(field: str, text: str) -> tuple[str, str] | None:
    number = text.strip("lw#")
    if text == "w":
        return "lacks its day", "15W is the weekday nearest to the 15th, LW the last weekday"
    if text == "wl":
        return "is not how the last weekday is written", "write LW"
    if re.fullmatch("w[0-9]+", text):
        return "has W before its day", f"write {number}W"
    if re.fullmatch("l[0-9]+", text):
        if field == "day":
            return "has L before a number", f"{number} days before the last one is L-{number}"
        return "has L before its weekday", f"the last weekday {number} of the month is {number}L"
    if field == "weekday" and (text.startswith("#") or text.endswith("#")):
        what = "its weekday" if text.startswith("#") else "its number"
        return f"lacks {what}", "5#2 is the second Friday of the month"
    return None
