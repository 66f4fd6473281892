"""Telling an anacrontab from a crontab.

Owns the form of its lines (anacrontab(5)): a period in days, a delay in minutes, a name, a
command. Read as a crontab each of them would be refused for a reason that helps nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch.errors import Problem, TaskFileError
from torch.importing import cron_entry, cron_time

_LINE = re.compile(
    r"(?:\d+|@\w+)[ \t]+\d+[ \t]+[\w.-]*[A-Za-z][\w.-]*[ \t]+"
    r"(?![\d*?]|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\b)\S",  # 0 0 jan * * x
    re.IGNORECASE,
)
_SETTING = re.compile(r"\s*(?:#|\w+\s*=|$)")


def refuse(lines: Iterable[str], file: str) -> None:
    """Raises TaskFileError for an anacrontab: by the file's name, else by all of its lines."""
    entries = [
        (number, line.strip()) for number, line in enumerate(lines, 1) if not _SETTING.match(line)
    ]
    named = file.rpartition("/")[2] == "anacrontab"
    if not named and not (entries and all(_is_line(text) for _, text in entries)):
        return
    problem = Problem(
        file=file,
        line=entries[0][0] if entries else 0,
        column=1 if entries else 0,
        key="",
        message="this is an anacrontab, not a crontab: its lines are days, delay, name, command",
        hint="write each line as a task: 'schedule: \"@daily\"' for 1 day, \"@weekly\" for 7, "
        "\"@monthly\" for @monthly; add 'catch_up: last', because anacron runs missed jobs later, "
        "and 'jitter' for its delay",
    )  # fmt: skip
    raise TaskFileError((problem,))


def _is_line(text: str) -> bool:
    if not _LINE.match(text):
        return False
    entry = cron_entry.read(text)  # 0 5 L * * is a time
    return text.startswith("@") or not (entry and cron_time.is_time(entry.time, entry.form))
