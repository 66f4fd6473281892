"""Finding and signalling the processes of a run.

Owns the reading of /proc and every signal sent to a task. A process belongs to a run if it is in
the session that the run's first process leads, carries TORCH_RUN_ID in the environment it was
started with, carries the run's mark (marks.py), descends from a process of the run, or was found to
belong to it by an earlier look. psutil would read several files for one process at a time; one pass
here serves any number of runs, which stopping 300 at once needs. Signals go through a pidfd that
was checked after it was opened, so a pid that is used again is never hit. No dataclasses: the
reaper imports almost nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Container, Iterable, Mapping

from torch.reaper import marks

_ENVIRONMENT = b"TORCH_RUN_ID="
_KTHREADD = 2
_DEAD = "ZX"
_ROUNDS = 20
"""Looks at what is new meanwhile, at most: on a host that forks all the time it never ends."""


class Tie:
    """What ties processes to a run. `pid`: its first process, which leads the session; 0 where
    that pid may be another's by now. `spared`: that one is not of it (the shim of an older
    version). `since`: start time of the first process, in clock ticks; nothing older is of the run.
    `seen`: what an earlier look found of it, start times by pid."""

    __slots__ = ("mark", "pid", "seen", "since", "spared")

    def __init__(
        self, pid: int, *, mark: int = 0, since: int = 0, spared: bool = False,
        seen: Mapping[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.pid = pid
        self.mark = mark
        self.since = since
        self.spared = spared
        self.seen = seen or {}


class Process:
    """`started` is in clock ticks since boot: with the pid it names a process for good."""

    __slots__ = ("group", "name", "pid", "started")

    def __init__(self, pid: int, started: int, group: int, name: str) -> None:
        self.pid = pid
        self.started = started
        self.group = group
        self.name = name

    def __str__(self) -> str:
        return f"{self.pid} ({self.name})"


class Stat:
    __slots__ = ("group", "name", "parent", "session", "started", "state")

    def __init__(self, name: str, fields: list[str]) -> None:
        self.name = name
        self.state = fields[0]
        self.parent, self.group, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        self.started = int(fields[19])


_HERTZ = os.sysconf("SC_CLK_TCK")
_SLACK = _HERTZ
"""Ticks between the reading of the clock and the fork that comes next, at the most."""


def birth_at(since_boot: float) -> int:
    """The clock tick of an instant: when a process that is forked then or soon after began."""
    return int(since_boot * _HERTZ)


def is_same(seen: Stat, birth: int) -> bool:
    """Whether a process is the one that was forked at that tick, and not another of its pid."""
    return birth <= seen.started <= birth + _SLACK


def boot_id() -> str:
    """A name for this boot of the host; processes of another boot are dead."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def fields_of(pid: int) -> tuple[str, list[str]] | None:
    """What `split` says of /proc/PID/stat; None for a process that is gone."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(fd, 4096).decode("utf-8", "replace")
        finally:
            os.close(fd)
    except OSError:
        return None
    return split(text)


def split(text: str) -> tuple[str, list[str]] | None:
    """The name, and the fields behind it, from the state (the third) on. The name may hold spaces
    and brackets, so fields count from its end."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return (head.partition("(")[2], fields) if len(fields) >= 22 else None


def stat(pid: int) -> Stat | None:
    """None for a process that is gone."""
    found = fields_of(pid)
    return None if found is None else Stat(*found)


def table(passed: set[int] | None = None) -> dict[int, Stat]:
    """Every process that there is, kernel threads left out; zombies are in it. Those `passed`
    are left out too, and what is listed now is added to them."""
    found = {}
    passed = set() if passed is None else passed
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in passed:
            passed.add(int(entry))
            seen = stat(int(entry))
            if seen is not None and seen.parent != _KTHREADD:
                found[int(entry)] = seen
    return found


def find(
    runs: Mapping[str, Tie], *, never: Container[int] = (), among: dict[int, Stat] | None = None
) -> dict[str, list[Process]]:
    """The living processes of each run, by run id; `never` are pids that are no run's: our own.

    One that forks and ends while it is looked for would be missed with its child, which was not
    there to be listed. So what is new is looked at too, until nothing is.
    """
    passed: set[int] = set()
    seen = table(passed) if among is None else among
    search = _Search(runs, seen, never)
    found: dict[str, list[Process]] = {run_id: [] for run_id in runs}
    new = [*seen.items()]
    for last in (*[False] * _ROUNDS, True):
        for pid, each in new:
            run_id = search.owner(pid)
            if run_id is None or each.state in _DEAD:
                continue
            tie = runs[run_id]
            if not (tie.spared and pid == tie.pid):
                found[run_id].append(Process(pid, each.started, each.group, each.name))
        if last or among is not None:
            break
        younger = table(passed)
        if not younger:
            break
        seen.update(younger)
        new = [*younger.items()]
    return found


class _Search:
    """Whose a process is; each is asked about once, and its ancestors where nothing else tells."""

    def __init__(
        self, runs: Mapping[str, Tie], seen: dict[int, Stat], never: Container[int]
    ) -> None:
        self._runs = runs
        self._seen = seen
        self._never = never
        self._sessions = {tie.pid: run_id for run_id, tie in runs.items() if tie.pid}
        self._marks = {tie.mark: run_id for run_id, tie in runs.items() if tie.mark}
        self._since = min((tie.since for tie in runs.values()), default=0)
        self._before = {each: run_id for run_id, tie in runs.items() for each in tie.seen.items()}
        self._known: dict[int, str | None] = {}

    def owner(self, pid: int) -> str | None:
        chain: list[int] = []
        owner: str | None = None
        while pid not in self._known:
            each = self._seen.get(pid)
            if each is None or pid in self._never or each.started < self._since or pid in chain:
                break
            chain.append(pid)
            owner = self._tied(pid, each)
            if owner is not None:
                break
            pid = each.parent
        else:
            owner = self._known[pid]
        for one in chain:
            self._known[one] = owner
        return owner

    def _tied(self, pid: int, each: Stat) -> str | None:
        run_id = self._sessions.get(each.session) or self._sessions.get(pid)
        if run_id is not None and each.started >= self._runs[run_id].since:
            return run_id
        if self._before and (run_id := self._before.get((pid, each.started))) is not None:
            return run_id
        if each.state in _DEAD:
            return None
        if self._marks and (run_id := self._marks.get(marks.of(pid))) is not None:
            return run_id
        return _environment(pid, self._runs)


def left_of(pids: Collection[int], seen: dict[int, Stat]) -> bool:
    """Whether any of these lives; a zombie does not."""
    return any(pid in seen and seen[pid].state not in _DEAD for pid in pids)


def children(parent: int, seen: dict[int, Stat]) -> Iterable[int]:
    return (pid for pid, each in seen.items() if each.parent == parent)


def lives(pid: int) -> bool:
    """Whether there is a process of this pid, ours or not; a zombie is none."""
    each = stat(pid)
    return each is not None and each.state not in _DEAD


def environment(pid: int) -> dict[str, str]:
    """What the process was started with; {} where it is gone or not ours to see."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return {}
    return dict(each.partition("=")[::2] for each in text.split("\0") if "=" in each)


def send(process: Process, number: signal.Signals) -> bool:
    """Signals a process, if it is still the one that was found. False: gone, or not permitted."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        each = stat(process.pid)
        if each is None or each.started != process.started:
            return False
        signal.pidfd_send_signal(fd, number)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def _environment(pid: int, runs: Container[str]) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:
        return None
    if not environ.startswith(_ENVIRONMENT):
        _, _, environ = environ.partition(b"\0" + _ENVIRONMENT)
    else:
        environ = environ[len(_ENVIRONMENT) :]
    run_id = environ.partition(b"\0")[0].decode("ascii", "replace")
    return run_id if run_id in runs else None
