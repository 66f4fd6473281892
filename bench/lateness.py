"""Lateness of one due task, seen by its process: a per-second task that prints the time.

Beside it the bare cost: a loop that wakes on the second and spawns the same shim and command.
"""

from __future__ import annotations

import math
import os
import tempfile
import time

from bench.burst import spawn_bare
from bench.host import Host
from bench.table import Figure, percentile, spread
from torch.daemon.linux import CLOCK_REALTIME, Timer

LIST = "[/bin/date, +%s.%N]"
TEXT = "date +%s.%N"


def measure(*, quick: bool) -> list[Figure]:
    seconds = 20 if quick else 300
    figures = []
    for label, command in (("as a list", LIST), ("by the shell", TEXT)):
        late = _ours(seconds, command)
        bare = _bare(min(seconds, 60), command)
        ours = percentile(late, 99)
        figures.append(
            Figure(
                what=f"lateness of one due task, {label}",
                ours=spread(late, "ms"),
                limit=f"bare loop, same shim: {spread(bare, 'ms')}",
                goal="p99 ≤ 3.0 ms",
                reached=ours <= 3.0,
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
    print(f"  {len(fires)} runs, {lost} seconds without one, {doubled} with two")
    return [(at % 1) * 1000 for at in seen]


def _bare(seconds: int, command: str) -> list[float]:
    timer = Timer(CLOCK_REALTIME)
    late = []
    argv = ["/bin/date", "+%s.%N"] if command == LIST else ["/bin/sh", "-c", command]
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        at = math.ceil(time.time()) + 1
        for number in range(seconds):
            timer.set(at + number)
            os.set_blocking(timer.fd, True)
            os.read(timer.fd, 8)
            pid, output = spawn_bare(folder, number, argv)
            os.waitpid(pid, 0)
            with open(output, encoding="ascii") as file:
                late.append((float(file.read()) - at - number) * 1000)
    timer.close()
    return late
