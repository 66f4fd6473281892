"""How results are shown: tables, JSON, times. Data goes to stdout, messages to stderr.

Owns the look. On a terminal rich draws the tables; into a pipe they are plain columns, which
cut and awk can read. A colour never carries meaning alone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from torch.report.text import harmless

GOOD, BAD, DIM = "green", "red", "bright_black"
_STYLES = {"succeeded": GOOD, "running": GOOD, "failed": BAD, "timed_out": BAD,
           "crash-looping": BAD, "failing": BAD, "unknown": BAD, "missed": "yellow",
           "skipped": "yellow", "restarting": "yellow", "disabled": DIM, "idle": ""}  # fmt: skip


def colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def document(data: dict[str, Any]) -> None:
    """One JSON document: {"v": 1, ...}."""
    click.echo(json.dumps({"v": 1} | {k: v for k, v in data.items() if k not in ("v", "ok")}))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Rows under headings; `empty` is said on stderr where there are none."""
    if not rows:
        click.echo(empty, err=True)
        return
    cells = [[harmless(str("" if cell is None else cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _on_terminal(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in (columns, *cells):
        click.echo("  ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)).rstrip())


def _on_terminal(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        last = number == len(columns) - 1
        drawn.add_column(column, no_wrap=True, overflow="ellipsis" if last else "fold")
    for row in rows:
        drawn.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    width = shutil.get_terminal_size().columns
    Console(width=width, no_color=not colours(), highlight=False).print(drawn)


def styled(word: str) -> str:
    """A state or outcome in its colour."""
    return click.style(word, fg=_STYLES.get(word) or None) if colours() else word


def when(text: str | None, *, today: datetime) -> str:
    """An RFC 3339 time as people read it: without the date if it is today's, '-' for none."""
    if text is None:
        return "-"
    at = datetime.fromisoformat(text)
    return f"{at:%H:%M:%S}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M:%S}"
