"""10 000 tasks: start to ready, memory, idle processor time, and a reload with one change."""

from __future__ import annotations

import math
import time

from bench.host import Host, tasks
from bench.table import Figure, percentile

MANY = 10_000
FAR = "{minute} 4 1 1 *"
BEAT = 'tasks:\n  - name: beat\n    schedule: "* * * * * *"\n    command: [/bin/date, +%s.%N]\n' \
       "    output: {keep: 1000}\n"  # fmt: skip


def measure(*, quick: bool) -> list[Figure]:
    return [*_small(), *_large(quick), *_reload(quick)]


def _small() -> list[Figure]:
    with Host() as host:
        host.write(tasks(10, FAR))
        return [Figure(what="start to ready, 10 tasks", ours=f"{host.start():.2f} s")]


def _large(quick: bool) -> list[Figure]:
    starts = []
    for _ in range(1 if quick else 5):
        with Host() as host:
            host.write(tasks(MANY, FAR))
            starts.append(host.start())
    with Host() as host:
        host.write(tasks(MANY, FAR))
        starts.append(host.start())
        time.sleep(5)
        memory = host.memory()
        span = 20 if quick else 120
        before = host.nanoseconds()
        time.sleep(span)
        idle = (host.nanoseconds() - before) / 1e9 / span * 100
    start = percentile(starts, 50)
    return [
        Figure(what=f"start to ready, {MANY} tasks",
               ours=f"{start:.2f} s ({min(starts):.2f}–{max(starts):.2f}, n={len(starts)})",
               goal="≤ 1.5 s", reached=start <= 1.5),
        Figure(what=f"memory, {MANY} tasks, with the reaper", ours=f"{memory:.1f} MiB",
               goal="≤ 60 MiB", reached=memory <= 60),
        Figure(what=f"idle processor time, {MANY} far tasks, over {span} s", ours=f"{idle:.4f} %",
               goal="≤ 0.01 %", reached=idle <= 0.01),
    ]  # fmt: skip


def _reload(quick: bool) -> list[Figure]:
    """One of 10 000 tasks is edited; meanwhile a per-second task must not notice."""
    text = BEAT + tasks(MANY, FAR).removeprefix("tasks:\n")
    with Host() as host:
        host.write(text)
        host.start()
        time.sleep(3)
        costs, own, rounds = [], [], 5 if quick else 15
        begin = time.time()
        for number in range(rounds):
            text = text.replace("number 77 of", f"number 77{number} of", 1)
            before, alone = host.processor(), host.nanoseconds()
            host.write(text)
            time.sleep(3.3)  # at ever other moments of the second
            costs.append(host.processor() - before)
            own.append((host.nanoseconds() - alone) / 1e9)
        late = [(at % 1) * 1000 for at in host.outputs("beat") if at > math.ceil(begin)]
    return [
        Figure(what=f"reload of {MANY} tasks, one changed: processor",
               ours=f"p50 {percentile(costs, 50):.2f}, max {max(costs):.2f} s (n={rounds})",
               goal="≤ 1 s", reached=percentile(costs, 50) <= 1.0),
        Figure(what="of it the service and its reaper, without the reader",
               ours=f"p50 {percentile(own, 50):.2f}, max {max(own):.2f} s (n={rounds})",
               goal="≤ 0.3 s", reached=percentile(own, 50) <= 0.3),
        Figure(what="lateness of a per-second task meanwhile",
               ours=f"p50 {percentile(late, 50):.1f}, max {max(late):.1f} ms (n={len(late)})",
               goal="≤ 50 ms", reached=max(late) <= 50),
    ]  # fmt: skip
