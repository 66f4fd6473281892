"""How results are shown: tables, JSON, times. Data goes to stdout, messages to stderr.

Owns what depends on where stdout goes: on a terminal tables fit it and have colours; into a pipe
they are plain columns, which cut and awk can read. A colour never carries meaning alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from torch import zone
from torch.cli.terminal import columns as layout
from torch.report.text import harmless

_QUOTED = re.compile(r" *\d* \| ")


def colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and _terminal() != "dumb"


def _terminal() -> str:
    return os.environ.get("TERM", "")


def room() -> int | None:
    """Columns of the terminal; None into a pipe."""
    return size()[0] if sys.stdout.isatty() else None


def size() -> tuple[int, int]:
    """Columns and lines of the terminal; COLUMNS and LINES win, as with every other command."""
    try:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        columns, lines = 80, 24
    return _number("COLUMNS") or columns or 80, _number("LINES") or lines or 24


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def document(data: dict[str, Any]) -> None:
    """One JSON document: {"v": 1, ...}."""
    click.echo(text(data))


def text(data: dict[str, Any]) -> str:
    """The same on one line, to be shown by whoever follows something."""
    return json.dumps({"v": 1} | {k: v for k, v in data.items() if k != "v"})


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str,
    spare: Sequence[str] = (), under: Mapping[int, Sequence[str]] | None = None,
) -> None:  # fmt: skip
    """Rows under headings; `empty` is said on stderr where there are none. See `columns.draw`."""
    if not rows:
        click.echo(empty, err=True)
        return
    lines = layout.draw(columns, rows, room=room(), colour=colours(), spare=spare, under=under)
    click.echo("\n".join(lines))


def prose(line: str) -> None:
    """A sentence. On a terminal it is broken between words, and what follows stands deeper."""
    line = harmless(line)
    click.echo(_broken(line) if sys.stdout.isatty() else line)


def complaint(text: str) -> None:
    """The sentences of an error, on stderr. A quoted line of a file stays as it is."""
    if sys.stderr.isatty():
        lines = text.split("\n")
        text = "\n".join(line if _QUOTED.match(line) else _broken(line) for line in lines)
    click.echo(text, err=True)


def _broken(line: str) -> str:
    import textwrap

    deeper = " " * (len(line) - len(line.lstrip()) + 2)
    width = max(size()[0], 40)
    return textwrap.fill(line, width, subsequent_indent=deeper, break_on_hyphens=False)


def in_zone(task_zone: str | None, schedule: Sequence[str], *, host: str, at: float) -> str:
    """' (Asia/Tokyo)' behind a schedule whose times are not those that are shown beside it."""
    timed = any(not text.startswith(("@every", "@reboot")) for text in schedule)
    if not timed or task_zone is None or task_zone == host:
        return ""
    with contextlib.suppress(LookupError, ValueError, OSError):  # a zone that is gone: named
        if zone.agree(task_zone, host, int(at) // 86_400 * 86_400):
            return ""
    return f" ({task_zone})"


def when(text: str | None, *, today: datetime) -> str:
    """An RFC 3339 time as people read it, in its own zone: without the date if it is today's, '-'
    for none."""
    if text is None:
        return "-"
    at = datetime.fromisoformat(text)
    today = today.astimezone(at.tzinfo)
    if at.date() == today.date():
        return f"{at:%H:%M:%S}"
    return f"{at:%m-%d %H:%M}" if at.year == today.year else f"{at:%Y-%m-%d %H:%M}"
