"""The limit that ours stands beside: a bare loop that spawns the same commands and nothing else,
no record, no log, no output of a run's own."""

from __future__ import annotations

import math
import os
import resource
import tempfile
import time
from collections.abc import Sequence

from torch.daemon.order import PATH
from torch.linux import CLOCK_REALTIME, Timer

SHELL = "/bin/sh"
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": PATH,
    "SHELL": SHELL,
    "USER": "root",
}
"""What a task gets as well: the shell looks for a command in each folder of PATH in turn."""


def burst(count: int) -> list[float]:
    """Milliseconds after the begin of the loop at which each of `count` commands wrote."""
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        seen = f"{folder}/seen"
        at = time.time()
        spawn_all(f"date +%s.%N >> {seen}", count)
        return [(value - at) * 1000 for value in numbers(seen)]


def processor(command: str, count: int) -> float:
    """Seconds of processor time that `count` commands at once take, the loop included."""
    before = _spent()
    spawn_all(command, count)
    return _spent() - before


def spawn_all(command: str, count: int) -> None:
    """The command by the shell, `count` times at once; returns when all have ended."""
    pids = [_spawn([SHELL, "-c", command]) for _ in range(count)]
    for pid in pids:
        os.waitpid(pid, 0)


def each_second(argv: Sequence[str], seconds: int) -> list[float]:
    """Milliseconds after the second that a command has printed, which a loop starts on it."""
    timer = Timer(CLOCK_REALTIME)
    os.set_blocking(timer.fd, True)
    late = []
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        out = os.open(f"{folder}/out", os.O_RDWR | os.O_CREAT)
        first = math.ceil(time.time()) + 1
        for at in range(first, first + seconds):
            timer.set(at)
            os.read(timer.fd, 8)
            os.waitpid(_spawn(argv, out), 0)
            late.append((float(os.pread(out, 64, 0)) - at) * 1000)
            os.ftruncate(out, 0)
            os.lseek(out, 0, os.SEEK_SET)
        os.close(out)
    timer.close()
    return late


def numbers(path: str) -> list[float]:
    """The numbers of a file, one a line; of the last line only when it is whole."""
    try:
        with open(path, encoding="ascii") as file:
            text = file.read()
    except FileNotFoundError:
        return []
    return [float(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _spawn(argv: Sequence[str], out: int | None = None) -> int:
    actions = [] if out is None else [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
    return os.posix_spawn(argv[0], list(argv), ENVIRONMENT, setsid=True, file_actions=actions)


def _spent() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
