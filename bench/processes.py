"""What the processes of one side cost, read from /proc: processor time and resident memory.

A side is a service with every process that works for it: of ours the service and its reaper,
the child whose command line names `torch.reaper`. Without a reaper the service is all there is.
"""

from __future__ import annotations

import contextlib
import os

TICK = os.sysconf("SC_CLK_TCK")


class Together:
    """All processes of one side, counted as one."""

    def pids(self) -> list[int]:
        raise NotImplementedError

    def processor(self) -> float:
        """Seconds of processor time of the processes and of the children they have reaped."""
        return sum(processor(pid) for pid in self.pids())

    def nanoseconds(self) -> int:
        """Processor time of the processes alone, exact enough for an idle one."""
        return sum(nanoseconds(pid) for pid in self.pids())

    def memory(self) -> float:
        """Resident MiB."""
        return sum(resident(pid) for pid in self.pids()) / 1024


def reapers(service: int) -> list[int]:
    return [pid for pid in children(service) if b"torch.reaper" in command_line(pid)]


def children(parent: int) -> list[int]:
    return _by_parent().get(parent, [])


def descendants(ancestor: int) -> list[int]:
    below = _by_parent()
    found = list(below.get(ancestor, ()))
    for pid in found:  # grows while it is walked
        found += below.get(pid, ())
    return found


def _by_parent() -> dict[int, list[int]]:
    """Every process under its parent, by one look at all: any thread may have started a child."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                below.setdefault(int(_stat(int(name))[1]), []).append(int(name))
    return below


def command_line(pid: int) -> bytes:
    """The arguments, each ended by a zero byte; empty for a process that is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""


def processor(pid: int) -> float:
    """Seconds of processor time of a process and of the children it has reaped."""
    return sum(map(int, _stat(pid)[11:15])) / TICK


def nanoseconds(pid: int) -> int:
    """Processor time of a process with all its threads, by the scheduler's own account."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def resident(pid: int) -> int:
    """Resident KiB."""
    return _field(f"/proc/{pid}/status", "VmRSS:")


def share(pid: int) -> int:
    """Resident KiB, pages that are shared counted in equal parts: for many equal processes."""
    return _field(f"/proc/{pid}/smaps_rollup", "Pss:")


def _field(path: str, name: str) -> int:
    with open(path, encoding="ascii") as file:
        line = next(line for line in file if line.startswith(name))
    return int(line.split()[1])


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may have spaces: [0] is the state, [1] the parent."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()
