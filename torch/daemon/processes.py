"""Finding and signalling the processes of a run, however they hid.

Owns the reading of /proc and every signal sent to a task. A process is of a run if it is in
the run's session (the shim leads it) or carries TORCH_RUN_ID in the environment it was
started with, which setsid and double forks do not wash off. psutil would do this one process
and several files at a time; one pass here serves any number of runs, which is what stopping
300 at once needs. Signals go through a pidfd that was checked after it was opened, so a pid
that is used again is never hit.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Container, Mapping, Set
from dataclasses import dataclass

_MARK = b"TORCH_RUN_ID="
_KTHREADD = 2


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is in clock ticks since boot: with the pid it names a process for good."""

    pid: int
    started: int
    group: int
    name: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.name})"


@dataclass(frozen=True, slots=True)
class _Stat:
    name: str
    state: str
    parent: int
    group: int
    session: int
    started: int


def boot_id() -> str:
    """A name for this boot of the host; processes of another boot are dead."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def find(runs: Mapping[str, int]) -> dict[str, list[Process]]:
    """The living processes of each run, without the shim. `runs` maps run id to shim pid."""
    sessions = {shim: run_id for run_id, shim in runs.items() if shim}
    found: dict[str, list[Process]] = {run_id: [] for run_id in runs}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        pid = int(entry)
        stat = _stat(pid)
        if stat is None or stat.state in "ZX" or stat.parent == _KTHREADD or pid in sessions:
            continue
        run_id = sessions.get(stat.session) or _marked(pid, runs)
        if run_id is not None:
            found[run_id].append(Process(pid, stat.started, stat.group, stat.name))
    return found


def shims(run_ids: Set[str]) -> dict[str, tuple[int, int]]:
    """Run id -> pid and start time (ticks) of its living shim: it carries the mark, leads its
    session, and has the run file open."""
    found: dict[str, tuple[int, int]] = {}
    for entry in os.listdir("/proc") if run_ids else ():
        if not entry.isdigit():
            continue
        pid = int(entry)
        stat = _stat(pid)
        if stat is None or stat.session != pid or stat.state in "ZX":
            continue
        run_id = _marked(pid, run_ids)
        if run_id is not None and _has_open(pid, f"/{run_id}"):
            found[run_id] = (pid, stat.started)
    return found


def lives(pid: int) -> bool:
    """Whether there is a process of this pid, ours or not; a zombie is none."""
    stat = _stat(pid)
    return stat is not None and stat.state not in "ZX"


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
        stat = _stat(process.pid)
        if stat is None or stat.started != process.started:
            return False
        signal.pidfd_send_signal(fd, number)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def send_group(shim: int, number: signal.Signals) -> None:
    """Signals a run's group. The caller holds the shim unreaped, so its pid is still its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(shim, number)


def _stat(pid: int) -> _Stat | None:
    """/proc/PID/stat; the name may hold spaces and brackets, so fields count from its end."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if len(fields) < 20:
        return None
    name = head.partition("(")[2]
    parent, group, session = map(int, fields[1:4])
    return _Stat(name, fields[0], parent, group, session, int(fields[19]))


def _has_open(pid: int, name: str) -> bool:
    """Whether it has a file of this name open: while its command runs, the shim's standard input
    is the command's, and the run file waits on another descriptor."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        return any(os.readlink(f"{folder}/{fd}").endswith(name) for fd in os.listdir(folder))
    return False


def _marked(pid: int, runs: Container[str]) -> str | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:
        return None
    if not environ.startswith(_MARK):
        _, _, environ = environ.partition(b"\0" + _MARK)
    else:
        environ = environ[len(_MARK) :]
    run_id = environ.partition(b"\0")[0].decode("ascii", "replace")
    return run_id if run_id in runs else None
