"""A problem as text: for a terminal with the line and a caret, and for GitHub annotations.

Owns how a problem looks. Everything that comes from a file is made visible first: a quoted line
must not be able to move a cursor or begin a workflow command.
"""

from __future__ import annotations

import unicodedata

from torch.errors import Problem
from torch.report.text import harmless

WIDTH = 100
"""Columns of a quoted line; a longer one is shown around the place."""


def render(problem: Problem) -> str:
    """Lines without a final line end:

    tasks.yaml:12:5: unknown key 'shedule', did you mean 'schedule'?
      12 |     shedule: "* * * * *"
         |     ^
      hint
    """
    kind = "warning: " if problem.warning else ""
    lines = [f"{harmless(problem.place())}: {kind}{harmless(problem.message)}"]
    if problem.line and problem.source.strip():
        number = str(problem.line)
        source, offset = _quote(problem.source, problem.column - 1)
        lines.append(f"  {number} | {source}".rstrip())
        if offset is not None:
            lines.append(f"  {' ' * len(number)} | {' ' * offset}^")
    if problem.hint:
        lines.append(f"  {harmless(problem.hint)}")
    return "\n".join(lines)


def render_github(problem: Problem) -> str:
    """One annotation: '::error file=tasks.yaml,line=12,col=5,title=torch: timeout::unknown …'.

    Source of the escapes: actions/toolkit, packages/core/src/command.ts.
    """
    kind = "warning" if problem.warning else "error"
    place = f",line={problem.line},col={problem.column}" if problem.line else ""
    title = f"torch: {problem.key}" if problem.key else "torch"
    message = problem.message + (f"\n{problem.hint}" if problem.hint else "")
    escaped = _escaped("\n".join(harmless(line) for line in message.split("\n")))
    return f"::{kind} file={_property(problem.file)}{place},title={_property(title)}::{escaped}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(harmless(text)).replace(":", "%3A").replace(",", "%2C")


def _quote(source: str, column: int) -> tuple[str, int | None]:
    """The line made visible and cut around `column`, and where the caret goes, in columns."""
    before = harmless(source[:column].replace("\t", " "))
    after = harmless(source[column:].replace("\t", " "))
    inside = column <= len(source)
    start = max(0, len(before) - WIDTH // 2) if len(before) + len(after) > WIDTH else 0
    cut = "…" if start else ""
    before = cut + before[start:]
    line = before + after
    if len(line) > WIDTH:
        line = line[: WIDTH - 1] + "…"
    return line, _columns(before) if inside else None


def _columns(text: str) -> int:
    """Columns of a terminal that the text takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )
