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
           "skipped": ODD, "waiting": ODD, "restarting": ODD, "paused": ODD, "disabled": DIM,
           "idle": ""}  # fmt: skip


def colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def document(data: dict[str, Any]) -> None:
    """One JSON document: {"v": 1, ...}."""
    click.echo(json.dumps({"v": 1} | {k: v for k, v in data.items() if k not in ("v", "ok")}))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str,
    spare: Sequence[str] = (),
) -> None:  # fmt: skip
    """Rows under headings; `empty` is said on stderr where there are none. A terminal that is too
    narrow loses the columns in `spare`, the first of them first."""
    if not rows:
        click.echo(empty, err=True)
        return
    cells = [[harmless(str("" if cell is None else cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _on_terminal(*_narrowed(columns, cells, spare))
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = (
        "  ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)).rstrip()
        for line in (columns, *cells)
    )
    click.echo("\n".join(lines))


_LEAST = 24
"""Characters that the last column keeps before others go."""


def _narrowed(
    columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """The columns that fit: a row that wraps is harder to read than one that says less."""
    room = shutil.get_terminal_size().columns
    for name in spare:
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        if sum(widths[:-1]) + 2 * (len(widths) - 1) + min(widths[-1], _LEAST) <= room:
            break
        at = columns.index(name)
        columns = [*columns[:at], *columns[at + 1 :]]
        rows = [[*row[:at], *row[at + 1 :]] for row in rows]
    return columns, rows


def _on_terminal(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Only the last column gives way: a name that is cut cannot be typed back.
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    width = max(shutil.get_terminal_size().columns, before + len(columns[-1]))
    for column, least in zip(columns, widths, strict=True):
        drawn.add_column(column, no_wrap=True, min_width=min(least, width - before))
    for row in rows:
        cells = [*row[:-1], _cut(row[-1], width - before)]
        drawn.add_row(*(Text(cell, style=_STYLES.get(cell.split(" ")[0], "")) for cell in cells))
    console = Console(width=width + 2, no_color=not colours(), highlight=False)
    with console.capture() as capture:
        console.print(drawn)
    click.echo("\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n")))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def when(text: str | None, *, today: datetime) -> str:
    """An RFC 3339 time as people read it: without the date if it is today's, '-' for none."""
    if text is None:
        return "-"
    at = datetime.fromisoformat(text)
    if at.date() == today.date():
        return f"{at:%H:%M:%S}"
    return f"{at:%m-%d %H:%M}" if at.year == today.year else f"{at:%Y-%m-%d %H:%M}"
