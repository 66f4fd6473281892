"""Lateness of one due task, seen by its process: a per-second task that prints the time.

Beside it the bare cost: a loop that wakes on the second and spawns the same command.
"""

from __future__ import annotations

import math
import time

from bench import bare
from bench.host import Host
from bench.table import Figure, percentile, say, spread

LIST = "[/bin/date, +%s.%N]"
TEXT = "date +%s.%N"
KINDS = (
    ("as a list", LIST, ["/bin/date", "+%s.%N"], 2.5),
    ("by the shell", TEXT, [bare.SHELL, "-c", TEXT], 3.0),
)


def measure(*, quick: bool) -> list[Figure]:
    seconds = 20 if quick else 300
    figures = []
    for label, command, argv, goal in KINDS:
        late = _ours(seconds, command)
        limit = bare.each_second(argv, min(seconds, 60))
        figures.append(
            Figure(
                what=f"lateness of one due task, {label}",
                ours=spread(late, "ms"),
                limit=f"bare loop: {spread(limit, 'ms')}",
                goal=f"p99 ≤ {goal} ms",
                reached=percentile(late, 99) <= goal,
            )
        )
    return figures


def _ours(seconds: int, command: str) -> list[float]:
    with Host() as host:
        host.write(
            'tasks:\n  - name: beat\n    schedule: "* * * * * *"\n'
            f"    command: {command}\n    output: {{keep: 1000}}\n"
        )
        host.start()
        time.sleep(seconds + 1)
        host.torch("stop")
        host.pid = 0
        seen = host.outputs("beat")
    fires = sorted(math.floor(at) for at in seen)
    doubled, lost = len(fires) - len(set(fires)), fires[-1] - fires[0] + 1 - len(set(fires))
    say(f"  {len(fires)} runs, {lost} seconds without one, {doubled} with two")
    return [(at % 1) * 1000 for at in seen]
