"""One line of a crontab -> the text of its time, and what follows it.

Owns how many fields the time has. Debian's cron reads five. supercronic tries seven (a second in
front, a year behind), then six (a year behind), then five; six with a second in front are what
other schedulers write. A line has more than five only if its sixth word can be no command: a
field of stars and numbers, or a range of weekdays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

_MACRO = re.compile(r"(@every[ \t]+[^ \t]+|@[^ \t]*)[ \t]*(.*)", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"([^ \t]+)[ \t]*")
_FIVE = 5

_NUMBERS = r"[0-9*?,/-]+"
_DAY = r"[0-9*?,/LWlw-]+"
_MONTH = r"[0-9A-Za-z*?,/-]+"
_WEEKDAY = r"[0-9A-Za-z*?,/#-]+"
_ONE_YEAR = r"(?:[*?](?:/\d+)?|(?:19[7-9]\d|20\d\d)(?:-(?:19[7-9]\d|20\d\d))?(?:/\d+)?)"
_YEAR = re.compile(rf"{_ONE_YEAR}(?:,{_ONE_YEAR})*", re.ASCII)
_SEVEN = [re.compile(each) for each in (*[_NUMBERS] * 3, _DAY, _MONTH, _WEEKDAY)]
_NO_COMMAND = re.compile(
    r"[0-7*?][0-7*?,/#Ll-]*|(?:[0-7]|[a-z]{3})(?:[,-](?:[0-7]|[a-z]{3}))+", re.IGNORECASE
)


class Form(Enum):
    """What the words of a time are."""

    CRON = auto()  # five fields, or a macro
    YEAR = auto()  # five fields and a year
    SECOND_AND_YEAR = auto()
    SECOND = auto()  # a second and five fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CronEntry:
    """`rest` is all behind the time: the command, in a system crontab with the user before it."""

    time: str
    rest: str
    form: Form = Form.CRON
    quiet: bool = False  # a leading - : some crons do not log the line


def read(line: str) -> CronEntry | None:
    """The entry that a line is, None if it has fewer words than a time has."""
    text = line.lstrip(" \t")
    quiet = text.startswith("-")
    text = text[quiet:]
    if text.startswith("@"):
        found = _MACRO.match(text)
        return CronEntry(time=found[1], rest=found[2], quiet=quiet) if found else None
    words, ends = _words(text)
    if len(words) < _FIVE:
        return None
    form = _form(words, bool(text[ends[-1] :]))
    count = {Form.CRON: 5, Form.YEAR: 6, Form.SECOND: 6, Form.SECOND_AND_YEAR: 7}[form]
    time = text[: ends[count - 1]].rstrip(" \t")
    return CronEntry(time=time, rest=text[ends[count - 1] :], form=form, quiet=quiet)


def _words(text: str) -> tuple[list[str], list[int]]:
    """The first seven words, and where the text goes on behind each."""
    words: list[str] = []
    ends: list[int] = []
    at = 0
    while len(words) < 7 and (found := _WORD.match(text, at)):
        words.append(found[1])
        at = found.end()
        ends.append(at)
    return words, ends


def _form(words: list[str], more: bool) -> Form:
    def stars(word: str) -> bool:
        return not word.strip("*?")

    if (
        len(words) == 7
        and (more or stars(words[6]))
        and _YEAR.fullmatch(words[6])
        and all(each.fullmatch(word) for each, word in zip(_SEVEN, words, strict=False))
    ):
        return Form.SECOND_AND_YEAR
    if len(words) > _FIVE:
        follows = len(words) > _FIVE + 1
        if _YEAR.fullmatch(words[5]) and (follows or stars(words[5])):
            return Form.YEAR
        if follows and _NO_COMMAND.fullmatch(words[5]):
            return Form.SECOND
    return Form.CRON
