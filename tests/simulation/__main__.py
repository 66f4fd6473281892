"""`make sim`: worlds of ever new seeds until one fails; `make sim SEED=7` plays one again."""

from __future__ import annotations

import argparse
import sys
from random import SystemRandom

from tests.simulation.play import Failed, play


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    options.add_argument("--seed", type=int, help="play this world alone")
    options.add_argument("--worlds", type=int, default=1000, help="how many (default: 1000)")
    options.add_argument("--steps", type=int, default=60, help="what befalls each (default: 60)")
    asked = options.parse_args()
    pick = SystemRandom()
    worlds = 1 if asked.seed is not None else asked.worlds
    rows = 0
    for played in range(1, worlds + 1):
        seed = pick.randrange(1 << 32) if asked.seed is None else asked.seed
        try:
            rows += play(seed, steps=asked.steps)
        except Failed as failure:
            print(f"\n{failure}", file=sys.stderr)
            return 1
        if sys.stderr.isatty() or played % 100 == 0 or played == worlds:
            end = "\r" if sys.stderr.isatty() else "\n"
            print(f"{played} of {worlds} worlds, {rows} rows, all well", end=end, file=sys.stderr)
    print(file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
