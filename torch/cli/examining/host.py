"""Checks of the host: its clock, its zone, and the limits the kernel sets."""

from __future__ import annotations

import ctypes
import os
import resource

from torch.cli.examining.subject import Finding, Subject, bad, ok, warn
from torch.clock import clock_synchronised, host_timezone

_SPARE = 128  # descriptors beside those of runs


def clock(subject: Subject) -> Finding:
    """Whether somebody keeps it right. That it went back is seen by the history's check."""
    if subject.now < 1_700_000_000:
        return bad("the clock stands before the year 2024", "set it: timedatectl set-ntp true")
    right = clock_synchronised()
    if right is None:
        return ok("whether the clock is kept in time cannot be seen here")
    if not right:
        return warn(
            "nothing keeps the clock in time, as far as the kernel knows",
            "install chrony or systemd-timesyncd: tasks fire by this clock",
        )
    return ok("the clock is kept in time")


def zone(_: Subject) -> Finding:
    name = host_timezone()
    if os.environ.get("TZ"):
        return warn(
            f"TZ says {os.environ['TZ']} here; the service may have been started with another",
            "unset TZ, or write timezone: into the task file",
        )
    return ok(f"times without timezone: are in {name}")


def open_files(subject: Subject) -> Finding:
    """Each live run takes one descriptor of the service, two before its second."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    pid = None if isinstance(subject.answer, Exception) else subject.answer["pid"]
    hard = _limit_of(pid) or hard
    needed = 2 * sum(task.max for task in subject.file.tasks if task.enabled) + _SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        return warn(
            f"{hard} files may be open; {needed} would be if every task ran 'max' times at once",
            "raise the hard limit: LimitNOFILE=1024:524288 in the unit, or ulimit -Hn",
        )
    return ok(f"{hard if hard != resource.RLIM_INFINITY else 'any number of'} files may be open")


def _limit_of(pid: int | None) -> int | None:
    """The hard limit of a living service, which may differ from ours."""
    try:
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("Max open files"))
        return int(line.split()[4])
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def watches(_: Subject) -> Finding:
    """The service sees an edit of the task file by inotify; each user has so many instances."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC)
    if fd < 0:
        reason = os.strerror(ctypes.get_errno())
        return bad(
            f"inotify has nothing left for this user: {reason}",
            "sysctl fs.inotify.max_user_instances=512; until then: torch reload after an edit",
        )
    try:
        if libc.inotify_add_watch(fd, b"/", 0x2) < 0:
            reason = os.strerror(ctypes.get_errno())
            return bad(
                f"no folder can be watched: {reason}",
                "sysctl fs.inotify.max_user_watches=65536; until then: torch reload",
            )
    finally:
        os.close(fd)
    return ok("edits of the task file can be watched for")
