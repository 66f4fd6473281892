"""One simulated day of 200 tasks: the core with fakes around it, and nothing of the host.

Measured is how long a day takes that passes as fast as it can. Most tasks fire every few
minutes, some every ten seconds, a few are kept alive and die now and then.
"""

from __future__ import annotations

from time import perf_counter

from bench.table import Figure
from torch.task import Task
from torch.testing import World, cron, daemon

TASKS = 200
DAY = 24 * 3600.0
LIMIT = 60.0


def measure(*, quick: bool) -> list[Figure]:
    share = 0.05 if quick else 1.0
    world = World(*_tasks(), lead=0.03)
    for n in range(TASKS):
        world.behave(_name(n), lasts=2.0 + n % 40, code=0 if n % 10 else 1)
    began = perf_counter()
    world.pass_(DAY * share)
    took = (perf_counter() - began) / share
    runs = len(world.starts) / share
    what = f"one simulated day of {TASKS} tasks, {runs:,.0f} runs"
    ours, goal = f"{took:.1f} s", f"≤ {LIMIT:g} s"
    return [Figure(what=what, ours=ours, goal=goal, reached=took <= LIMIT)]


def _tasks() -> list[Task]:
    return [_task(n) for n in range(TASKS)]


def _task(n: int) -> Task:
    if n % 20 == 0:
        return daemon(_name(n))
    if n % 20 == 1:
        return cron(_name(n), "*/10 * * * * *")
    return cron(_name(n), f"{n % 60} */{1 + n % 15} * * * *")


def _name(n: int) -> str:
    return f"t{n:03}"
