"""The one collector of a file's problems, and how a text is shown inside a message.

Owns order, number and wording frame of problems: reading goes on after the first, the same
problem is said once however often an alias repeats it, and a file that is nothing but problems
ends the reading early (`TooManyProblems`), so that hostile input costs a bounded time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch.channel import Channel, masked
from torch.errors import Problem

SHOWN = 100
"""Problems reported of one file; the rest is a number."""

GIVE_UP = 1000
"""Problems after which nobody reads on, us included."""

SOURCE_WIDTH = 1000
"""Characters kept of a quoted line."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class TooManyProblems(Exception):
    """The file has more than GIVE_UP problems; what is collected so far is the answer."""


@dataclass(slots=True)
class Collector:
    """Gathers the problems of one file. A place is `line << 24 | column`, both from 0; -1: none.

    `spoiled` places already have their problem (a tag, an unknown alias): what the checks find
    there later only follows from it and is not said. `errors` counts what is said, `faults` all
    that was found, so that a check can see whether anything was wrong in its part. `groups` and
    `channels` are what the file defines, known before its tasks are read; `channel_places`:
    where each channel's value stands; `secret_places`: where values stand that are not quoted.
    """

    file: str
    text: str
    errors: int = 0
    faults: int = 0
    spoiled: set[int] = field(default_factory=set)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    channel_places: dict[str, int] = field(default_factory=dict)
    secret_places: set[int] = field(default_factory=set)
    _found: dict[tuple[int, str], Problem] = field(default_factory=dict)
    _lines: list[str] | None = None
    _warnings: int = 0

    def error(self, at: int, key: str, message: str, hint: str = "") -> None:
        """One more problem. Raises TooManyProblems when there are more than anyone reads."""
        self.faults += 1
        if at in self.spoiled or (at, message) in self._found:
            return
        self.errors += 1
        if self.errors <= SHOWN:
            self._found[at, message] = self.problem(at, key, message, hint)
        elif self.errors > GIVE_UP:
            raise TooManyProblems

    def warn(self, at: int, key: str, message: str, hint: str = "") -> None:
        """One doubt, which refuses nothing."""
        if (at, message) in self._found or self._warnings >= SHOWN:
            return
        self._warnings += 1
        self._found[at, message] = self.problem(at, key, message, hint, warning=True)

    def spoil(self, at: int, key: str, message: str, hint: str = "") -> None:
        """An error that explains whatever else is wrong at the same place."""
        self.error(at, key, message, hint)
        self.spoiled.add(at)

    def problem(
        self, at: int, key: str, message: str, hint: str = "", *, warning: bool = False
    ) -> Problem:
        """A Problem of this file with its source line; does not collect it."""
        line, column = (at >> 24, at & 0xFFFFFF) if at >= 0 else (-1, -1)
        return Problem(
            file=self.file,
            line=line + 1,
            column=column + 1,
            key=key,
            message=message,
            hint=hint,
            source=self._source(line),
            warning=warning,
        )

    def problems(self) -> tuple[Problem, ...]:
        """Everything found, in the order of the lines; last, how many more there are."""
        found = sorted(self._found.values(), key=lambda each: (each.line, each.column))
        if self.errors > SHOWN:
            more = self.errors - SHOWN
            count = f"{more} more" if self.errors <= GIVE_UP else f"more than {more - 1} more"
            found.append(self.problem(-1, "", f"and {count} problems"))
        return tuple(found)

    def warnings(self) -> tuple[Problem, ...]:
        return tuple(each for each in self.problems() if each.warning)

    def _source(self, line: int) -> str:
        if self._lines is None:
            self._lines = _LINE_END.split(self.text)
        if not 0 <= line < len(self._lines):
            return ""
        source = self._lines[line][:SOURCE_WIDTH]
        if secret := [at & 0xFFFFFF for at in self.secret_places if at >> 24 == line]:
            source = source[: min(secret)] + "*" * len(source[min(secret) :].rstrip())
        return masked(source)


def visible(text: str) -> str:
    """The text with everything made visible that could move a terminal: \\n, \\x1b, \\u202e."""
    if text.isprintable():
        return text
    return "".join(
        each
        if each.isprintable() or (each != " " and unicodedata.category(each) == "Zs")
        else each.encode("unicode_escape", "backslashreplace").decode("ascii")
        for each in text
    )


def quoted(text: str, limit: int = 40) -> str:
    """'text', visible and cut to `limit` characters."""
    return f"'{visible(text[:limit])}…'" if len(text) > limit else f"'{visible(text)}'"


def spaced(value: int) -> str:
    """20000 -> '20 000'."""
    return f"{value:,}".replace(",", " ")
