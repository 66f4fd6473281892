"""One run as the reaper sees it: from the order until the service tells the reaper to forget it.

Owns nothing but the facts; loop.py changes them. A run is here until it is forgotten.
"""

from __future__ import annotations

from torch.reaper.pump import Source
from torch.reaper.wire import Order

Ended = tuple[int, int | None, float, float | None, int | None]
"""Exit code as a shell says it, signal, wall seconds, processor seconds, bytes of memory."""


class Run:
    __slots__ = (
        "birth",
        "closed",
        "deadline",
        "ended",
        "fifo",
        "forgotten",
        "fronted",
        "grace",
        "id",
        "late_at",
        "mark",
        "mono",
        "order",
        "pid",
        "source",
        "told",
        "wall",
    )  # fmt: skip

    def __init__(self, run: str, *, order: Order | None = None) -> None:
        self.id = run
        self.order = order  # until it has begun
        self.source: Source | None = None
        self.mark = 0
        self.fronted = order is not None and bool(order.fronts)
        self.pid = 0
        self.birth = 0
        self.wall = self.mono = 0.0  # when it was spawned
        self.ended: Ended | None = None
        self.told = False  # its end was told
        self.late_at = 0.0  # seconds since boot: tell its end by then, read or not
        self.fifo = ""  # of our directory; to be used again when it is closed
        # Bytes cut off its output, and left of it, once nobody writes any more.
        self.closed: tuple[int, int] | None = None
        self.forgotten = False  # its end is on record; it stays until its output is closed
        self.deadline: float | None = None  # seconds since boot
        self.grace = 0.0

    @property
    def lives(self) -> bool:
        return self.pid > 0 and self.ended is None


class Table:
    """All runs by id, and those that live by pid."""

    __slots__ = ("of_pid", "runs")

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.of_pid: dict[int, Run] = {}

    def live(self, run: Run, pid: int) -> None:
        run.pid = pid
        self.of_pid[pid] = run

    def over(self, run: Run) -> None:
        """Its first process was reaped."""
        del self.of_pid[run.pid]

    def forget(self, run_id: str) -> bool:
        """Its end is on record. False: its output is open; it stays known until that is told."""
        run = self.runs.get(run_id)
        if run is None:
            return True
        if run.lives or run.order is not None:
            return False
        run.forgotten = True
        if run.closed is not None:
            del self.runs[run_id]
        return run.closed is not None


def ended_line(run_id: str, how: Ended) -> bytes:
    code, number, wall, cpu, rss = how
    used = "" if cpu is None else f"{cpu:.4f}"
    told, most = ("" if each is None else each for each in (number, rss))
    return f"X {run_id} {code} {told} {wall:.6f} {used} {most}".encode()


def facts(run: Run) -> list[list[bytes]]:
    """All that can be said of it, as messages."""
    found = []
    if run.pid:
        found.append(started(run))
    if run.ended is not None and run.told:
        found.append(ended(run))
    if run.closed is not None and run.told:
        found.append(closed_fact(run))
    return found


def started(run: Run) -> list[bytes]:
    numbers = (run.pid, run.birth, run.mark)
    instants = (b"%.6f" % run.wall, b"%.6f" % run.mono)
    return [b"started", run.id.encode(), *(b"%d" % number for number in numbers), *instants]


def closed_fact(run: Run) -> list[bytes]:
    cut, size = run.closed or (0, 0)
    return [b"closed", run.id.encode(), b"%d" % cut, b"%d" % size]


def ended(run: Run) -> list[bytes]:
    assert run.ended is not None  # noqa: S101
    _, name, code, number, wall, cpu, rss = ended_line(run.id, run.ended).split(b" ")
    return [b"ended", name, code, number, wall, cpu, rss]
