"""A line of the service's log, as the foreground says it.

Owns reading back what `torch/report/log.py` wrote, in both of its forms. A line that is not its
own (half of one, or another program's) is shown as it is.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from typing import Any

from torch.clock import local
from torch.report.log import MARKS, indented
from torch.report.text import harmless

_PAIR = re.compile(r'([a-z_0-9]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?: |\Z)')


def read(line: str) -> dict[str, Any]:
    """Names and values of a line of logfmt or JSON; {} for one that is neither. A list is a text
    of lines in logfmt."""
    try:
        if line.startswith("{"):
            found = json.loads(line)
            return found if isinstance(found, dict) else {}
        values: dict[str, Any] = {}
        at = 0
        while match := _PAIR.match(line, at):
            name, value = match.groups()
            values[name] = json.loads(value) if value.startswith('"') else value
            at = match.end()
        return values if at == len(line) else {}
    except ValueError:
        return {}


def spoken(line: str, today: date) -> str:
    """Time of day, a mark for the level, the sentence, and a task's last lines below; the day in
    front if it is another than `today`. Times are in the zone of the service."""
    said = read(line)
    try:
        at = local(datetime.fromisoformat(said["time"]).timestamp())
        mark, sentence = MARKS[said["level"]], str(said["msg"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return harmless(line)
    day = "" if at.date() == today else f"{at:%Y-%m-%d} "
    lines = [f"{day}{at:%H:%M:%S}.{at.microsecond // 1000:03} {mark} {harmless(sentence)}"]
    lines += indented(f"{said.get('task', '')} | {text}" for text in _lines(said.get("tail")))
    if said.get("event") == "reload_refused":
        lines += indented(_lines(said.get("problems")))
    return "\n".join(lines)


def _lines(value: object) -> list[str]:
    if isinstance(value, list):
        return list(map(str, value))
    return [] if value is None else str(value).split("\n")
