"""Runs the measurements and prints one table: ours, the peer, the goal.

`python -m bench.peers [ROW ...] [--quick] [--speedups] [--markdown]`: some rows only, fewer
samples, the peer with its optional libraries, a table for a page.
"""

from __future__ import annotations

import argparse

from bench.peers import cost, herd, idle, lateness, memory, reload, start
from bench.peers.peer import install
from bench.table import Figure, place, say, show

ROWS = {
    "lateness": lateness.measure,
    "herd": herd.measure,
    "cost": cost.measure,
    "start": start.measure,
    "memory": memory.measure,
    "reload": reload.measure,
    "idle": idle.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--speedups", action="store_true", help="the peer with uvloop and orjson")
    parser.add_argument("--markdown", action="store_true", help="a table for a page")
    asked = parser.parse_args()
    unknown = set(asked.rows) - ROWS.keys()
    if unknown:
        parser.error(f"unknown row {', '.join(sorted(unknown))}; known: {', '.join(ROWS)}")
    peers = install(speedups=asked.speedups)
    print(f"{place()}; {peers.version}", flush=True)
    figures: list[Figure] = []
    for name in asked.rows or ROWS:
        say(f"measuring {name} …")
        figures += ROWS[name](peers, quick=asked.quick)
    if asked.markdown:
        print()
    show(figures, "cronstable", markdown=asked.markdown)


if __name__ == "__main__":
    main()
