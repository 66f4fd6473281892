"""What the comment lines above a crontab's entry are: its description, or something else.

Owns the guess. A description is the last paragraph directly above an entry. Headings of columns,
drawings and entries that somebody commented out describe nothing; they stay where they are.
"""

from __future__ import annotations

import re

from torch.importing import cron_time

_HEADING = re.compile(r"m\w*\s+h\w*\s+(?:d\w*|day of month)\b", re.IGNORECASE)
_ENTRY = re.compile(r"((?:@\w+|(?:[\w*/,-]+[ \t]+){4}[\w*/,-]+))[ \t]+\S")
_WORD = re.compile(r"[^\W_]{2}")


def text_of(line: str) -> str:
    """What a comment line says: without its # and one blank."""
    return line.lstrip(" \t").removeprefix("#").removeprefix(" ").rstrip()


def split(lines: list[str]) -> tuple[list[str], str]:
    """(lines that stay comments, the description) of the comment lines above an entry."""
    at = len(lines)
    while at and (not lines[at - 1].strip() or _HEADING.match(lines[at - 1].strip())):
        at -= 1
    end = at
    while at and _describes(lines[at - 1]):
        at -= 1
    description = " ".join(" ".join(line.lstrip("# ") for line in lines[at:end]).split())
    return lines[:at] + lines[end:], description


def _describes(line: str) -> bool:
    text = line.strip()
    drawn = not _WORD.search(text) or text.startswith(("|", ".-"))
    return not (drawn or _HEADING.match(text) or is_entry(text))


def is_entry(text: str) -> bool:
    """Whether a comment is an entry that somebody took out of force."""
    found = _ENTRY.match(text)
    return found is not None and cron_time.is_time(found[1])
