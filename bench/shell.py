"""The commands a person waits for, as whole processes, with 1 000 tasks."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.host import Host, tasks
from bench.table import Figure, percentile, spread


def measure(*, quick: bool) -> list[Figure]:
    rounds = 5 if quick else 30
    with Host() as host:
        host.write(tasks(1000, "{minute} 4 1 1 *"))
        host.start()
        status = [_timed(["-m", "torch", "status", "--state-dir", host.state])
                  for _ in range(rounds)]  # fmt: skip
        bare = [_timed(["-c", "import click, json, socket"]) for _ in range(rounds)]
    return [
        Figure(
            what="torch status, 1 000 tasks",
            ours=spread(status, "ms", 0),
            limit=f"Python and click alone: {spread(bare, 'ms', 0)}",
            goal="≤ 120 ms",
            reached=percentile(status, 50) <= 120,
        )
    ]


def _timed(args: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begin) * 1000
