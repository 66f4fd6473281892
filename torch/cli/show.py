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

GOOD, BAD, ODD, DIM = "green", "bold red", "magenta", "dim"  # on light and dark grounds
_STYLES = {"succeeded": GOOD, "running": GOOD, "failed": BAD, "timed_out": BAD,
           "crash-looping": BAD, "failing": BAD, "unknown": BAD, "missed": ODD,
           "skipped": ODD, "restarting": ODD, "disabled": DIM, "idle": ""}  # fmt: skip


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
    lines = (
        "  ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)).rstrip()
        for line in (columns, *cells)
    )
    click.echo("\n".join(lines))


def _on_terminal(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Only the last column gives way: a name that is cut cannot be typed back.
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for column, width in zip(columns[:-1], widths, strict=False):
        drawn.add_column(column, no_wrap=True, min_width=width)
    drawn.add_column(columns[-1], no_wrap=True, overflow="ellipsis")
    for row in rows:
        drawn.add_row(*(Text(cell, style=_STYLES.get(cell.split(" ")[0], "")) for cell in row))
    least = sum(widths[:-1]) + 2 * len(widths) + len(columns[-1])
    width = max(shutil.get_terminal_size().columns, least)
    Console(width=width, no_color=not colours(), highlight=False).print(drawn)


def when(text: str | None, *, today: datetime) -> str:
    """An RFC 3339 time as people read it: without the date if it is today's, '-' for none."""
    if text is None:
        return "-"
    at = datetime.fromisoformat(text)
    if at.date() == today.date():
        return f"{at:%H:%M:%S}"
    return f"{at:%m-%d %H:%M}" if at.year == today.year else f"{at:%Y-%m-%d %H:%M}"
