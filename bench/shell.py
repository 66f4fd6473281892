"""The commands a person waits for, as whole processes, with 1 000 tasks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from compileall import compile_dir

import torch
from bench.host import Host, tasks
from bench.table import Figure, percentile, spread


def measure(*, quick: bool) -> list[Figure]:
    rounds = 5 if quick else 30
    compile_dir(os.path.dirname(torch.__file__), quiet=2)  # as pip did with click
    with Host() as host:
        host.write(tasks(1000, "{minute} 4 1 1 *"))
        host.start()
        at = ["--state-dir", host.state]
        asked = {
            "status": ["-m", "torch", "status", *at],
            "next": ["-m", "torch", "next", "task-7", *at],
            "bare": ["-c", "import click, json, socket"],
        }
        took: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(rounds):  # in turn: what else the machine does is the same for all
            for name, args in asked.items():
                took[name].append(_timed(args))
    status, upcoming, bare = took.values()
    return [
        Figure(
            what="torch status, 1 000 tasks",
            ours=spread(status, "ms", 0),
            limit=f"Python and click alone: {spread(bare, 'ms', 0)}",
            goal="≤ 120 ms",
            reached=percentile(status, 50) <= 120,
        ),
        Figure(
            what="torch next TASK, 1 000 tasks",
            ours=spread(upcoming, "ms", 0),
            limit="the same",
            goal="≤ 120 ms",
            reached=percentile(upcoming, 50) <= 120,
        ),
    ]


def _timed(args: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begin) * 1000
