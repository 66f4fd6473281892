"""Runs the measurements and prints one table: ours, the limit of the same run, the goal.

`python -m bench [ROW ...] [--quick]`: some rows only, or all of them with fewer samples.
"""

from __future__ import annotations

import argparse
import os
import platform

from bench import (
    alerts,
    burst,
    cost,
    expressions,
    history,
    lateness,
    scale,
    shell,
    simulation,
    soak,
    top,
)
from bench.table import Figure, show

ROWS = {
    "expressions": expressions.measure,
    "cost": cost.measure,
    "shell": shell.measure,
    "top": top.measure,
    "history": history.measure,
    "scale": scale.measure,
    "burst": burst.measure,
    "simulation": simulation.measure,
    "lateness": lateness.measure,
    "alerts": alerts.measure,
    "soak": soak.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    asked = parser.parse_args()
    unknown = set(asked.rows) - ROWS.keys()
    if unknown:
        parser.error(f"unknown row {', '.join(sorted(unknown))}; known: {', '.join(ROWS)}")
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.2f} at start")
    figures: list[Figure] = []
    for name in asked.rows or ROWS:
        print(f"measuring {name} …", flush=True)
        figures += ROWS[name](quick=asked.quick)
    show(figures)


if __name__ == "__main__":
    main()
