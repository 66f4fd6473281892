"""Runs the measurements and prints one table: ours, the limit of the same run, the goal.

`python -m bench [ROW ...] [--quick] [--markdown]`: some rows only, fewer samples, a table for a
page. The machine and the table go to stdout, what goes on meanwhile to stderr.
"""

from __future__ import annotations

import argparse

from bench import (
    alerts,
    burst,
    cost,
    expressions,
    history,
    lateness,
    memory,
    scale,
    shell,
    simulation,
    snapshot,
    soak,
    top,
)
from bench.table import Figure, place, say, show

ROWS = {
    "expressions": expressions.measure,
    "cost": cost.measure,
    "shell": shell.measure,
    "top": top.measure,
    "history": history.measure,
    "scale": scale.measure,
    "memory": memory.measure,
    "burst": burst.measure,
    "simulation": simulation.measure,
    "snapshot": snapshot.measure,
    "lateness": lateness.measure,
    "alerts": alerts.measure,
    "soak": soak.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--markdown", action="store_true", help="a table for a page")
    asked = parser.parse_args()
    unknown = set(asked.rows) - ROWS.keys()
    if unknown:
        parser.error(f"unknown row {', '.join(sorted(unknown))}; known: {', '.join(ROWS)}")
    print(place(), flush=True)
    figures: list[Figure] = []
    for name in asked.rows or ROWS:
        say(f"measuring {name} …")
        figures += ROWS[name](quick=asked.quick)
    if asked.markdown:
        print()
    show(figures, "limit in the same run", markdown=asked.markdown)


if __name__ == "__main__":
    main()
