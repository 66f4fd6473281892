"""Figures, the table they stand in, and where they were taken."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`ours` and `limit` as text with units; `goal` is what is promised, `reached` its verdict
    (None where the goal is only to be shown)."""

    what: str
    ours: str
    limit: str = "-"
    goal: str = "-"
    reached: bool | None = None


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of all lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """'p50 1.20, p95 1.41, p99 1.60 ms (n=300)'."""
    parts = [f"p{p} {percentile(values, p):.{digits}f}" for p in (50, 95, 99)]
    return f"{', '.join(parts)} {unit} (n={len(values)})"


def middle(values: Sequence[float], unit: str = "", digits: int = 2) -> str:
    """'1.80 s (1.71–2.10, n=5)': the median, and between which values it is the median."""
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    found = f"{percentile(values, 50):.{digits}f} {unit}".rstrip()
    return f"{found} ({low}–{high}, n={len(values)})"


def say(words: str) -> None:
    """What goes on meanwhile; never in the way of a table that is kept."""
    print(words, file=sys.stderr, flush=True)


def place() -> str:
    """The machine and the code, for a figure means nothing without them."""
    load = os.getloadavg()[0]
    return (
        f"commit {_commit()}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"Linux {platform.release().partition('-')[0]}, load {load:.2f} at start"
    )


def _commit() -> str:
    """With a plus if what is measured differs from it."""
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{commit}+" if _git("status", "--porcelain", "torch", "bench") else commit


def _git(*asked: str) -> str:
    root = os.path.dirname(os.path.dirname(__file__))
    command = ["git", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    return done.stdout.strip()


def show(figures: Sequence[Figure], beside: str, *, markdown: bool) -> None:
    """`beside` heads the column of the limits."""
    head = ("what", "ours", beside, "goal", "")
    if markdown:
        print(as_markdown(figures, head))
        return
    rows = [tuple(cell.upper() for cell in head), *map(_cells, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    print()
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def as_markdown(figures: Sequence[Figure], head: Sequence[str]) -> str:
    rows = [head, ["---"] * len(head), *map(_cells, figures)]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
    return (figure.what, figure.ours, figure.limit, figure.goal, verdict)
