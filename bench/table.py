"""Figures and the table they stand in."""

from __future__ import annotations

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


def show(figures: Sequence[Figure]) -> None:
    rows = [("WHAT", "OURS", "LIMIT IN THE SAME RUN", "GOAL", "")]
    verdicts = {True: "reached", False: "MISSED", None: ""}
    rows += [(f.what, f.ours, f.limit, f.goal, verdicts[f.reached]) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    print()
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
