"""Columns of text: how wide they are, what gives way on a narrow terminal, which style a word has.

Owns the layout of every table. Drawn by hand: rich needs a second for a thousand rows. Pure: the
room and whether there are colours are arguments. Invariant: no cell is cut but in the last
column, because a name that is cut cannot be typed back. A name that is too long for its column
stands on a line of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from torch.report.text import harmless

GOOD, BAD, ODD, DIM, HEAD = "32", "1;31", "35", "2", "1"  # readable on light and dark grounds
STYLES = {"succeeded": GOOD, "running": GOOD, "failed": BAD, "timed_out": BAD,
          "crash-looping": BAD, "failing": BAD, "unknown": BAD, "killed": ODD, "missed": ODD,
          "skipped": ODD, "waiting": ODD, "restarting": ODD, "paused": ODD,
          "stopping": ODD, "disabled": DIM}  # fmt: skip
_WORDS = ("STATE", "OUTCOME", "LAST")
"""Columns whose first word has a style."""
_LEAST = 24
"""Cells that the last column keeps before others go."""
_LONG = 0.4
"""Of the room: what one long name may take from the other columns."""

Row = Sequence[str]


def width(text: str) -> int:
    """Cells on a terminal; of text that is `harmless`."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, room: int) -> str:
    """What fits, with an ellipsis where it does not."""
    if width(text) <= room:
        return text
    kept, used = "", 0
    for character in text:
        used += _cells(character)
        if used > room - 1:
            break
        kept += character
    return kept + "…"


def pad(text: str, room: int) -> str:
    if text.isascii():
        return text.ljust(room)
    return text + " " * (room - width(text))


def styled(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if colour and style and text else text


def draw(
    columns: Row, rows: Sequence[Sequence[object]], *, room: int | None, colour: bool = False,
    spare: Sequence[str] = (), under: Mapping[int, Sequence[str]] | None = None,
) -> list[str]:  # fmt: skip
    """The lines of a table. `room` None: nothing gives way. A table that is too wide loses the
    columns in `spare`, the first of them first. `under`: row -> lines that stand below it."""
    cells = [_clean(row) for row in rows]
    if room is None:
        widths = _widths(columns, cells)
        return [_line(row, widths) for row in (columns, *cells)]
    columns, cells, widths = _narrowed(list(columns), cells, spare, room)
    lines = [styled(_line(columns, widths), HEAD, colour=colour)]
    under = under or {}
    for number, row in enumerate(cells):
        row[-1] = cut(row[-1], widths[-1])
        lines += _row(columns, row, widths, colour=colour)
        lines += (cut(f"  {harmless(line)}", room) for line in under.get(number, ()))
    return lines


def _clean(row: Sequence[object]) -> list[str]:
    cells = [cell if isinstance(cell, str) else "" if cell is None else str(cell) for cell in row]
    whole = "".join(cells)
    if whole.isascii() and whole.isprintable():  # most are, and a thousand rows are quick then
        return cells
    return [harmless(cell) for cell in cells]


def _widths(columns: Row, cells: Sequence[Row], most: int | None = None) -> list[int]:
    """Of each column; names longer than `most` do not count."""
    found = []
    for column in zip(columns, *cells, strict=True):
        each = map(len if all(map(str.isascii, column)) else width, column)
        found.append(max(w for w in each if most is None or w <= most) if most else max(each))
    return found


def _narrowed(
    columns: list[str], cells: list[list[str]], spare: Sequence[str], room: int
) -> tuple[list[str], list[list[str]], list[int]]:
    """The columns that fit: a row that wraps is harder to read than one that says less."""
    most = max(int(room * _LONG), _LEAST)
    while True:
        widths = _widths(columns, cells, most)
        last = max(width(row[-1]) for row in (columns, *cells))
        left = room - sum(widths[:-1]) - 2 * (len(widths) - 1)
        gone = next((name for name in spare if name in columns), None)
        if min(last, _LEAST) <= left or gone is None:
            widths[-1] = max(min(last, left), len(columns[-1]))
            return columns, cells, widths
        at = columns.index(gone)
        columns = [*columns[:at], *columns[at + 1 :]]
        cells = [[*row[:at], *row[at + 1 :]] for row in cells]


def _line(cells: Row, widths: Sequence[int]) -> str:
    if "".join(cells).isascii():
        return "  ".join(map(str.ljust, cells, widths)).rstrip()
    return "  ".join(map(pad, cells, widths)).rstrip()


def _row(
    columns: Row, cells: Row, widths: Sequence[int], *, colour: bool
) -> list[str]:  # fmt: skip
    """One row; a name that is longer than its column ends its line, and the rest goes on below."""
    styles = [
        STYLES.get(cell.partition(" ")[0], "") if name in _WORDS else ""
        for name, cell in zip(columns, cells, strict=True)
    ]
    plain = not colour or not any(styles)
    if plain and all(map(int.__ge__, widths, map(width, cells))):
        return [_line(cells, widths)]
    lines: list[str] = []
    line, used, at = "", 0, 0
    for style, cell, room in zip(styles, cells, widths, strict=True):
        if cell:
            line += " " * (at - used) + styled(cell, style, colour=colour)
            used = at + width(cell)
        at += room + 2
        if used > at - 2:
            lines.append(line)
            line, used = "", 0
    return [*lines, line] if line else lines
