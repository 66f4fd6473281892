"""Checks of the host: its clock, its zone, and the limits the kernel sets."""

from __future__ import annotations

import ctypes
import os
import resource

from torch import zone as zones
from torch.cli.doctor.subject import Finding, Subject, bad, ok, warn
from torch.clock import clock_synchronised
from torch.errors import SettingsError

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


def zone(subject: Subject) -> Finding:
    """Whether the service and this host agree on it."""
    try:
        name = zones.find(os.environ).key
    except SettingsError as error:
        return bad(error.message, error.hint)
    said = os.environ.get("TZ")
    answer = subject.answer
    running = None if isinstance(answer, Exception) else answer.get("timezone")
    if said and running != name:
        other = f"the service is in {running}" if running else "the service may have another"
        return warn(
            f"TZ says {said} here; {other}", "unset TZ, or write timezone: into the task file"
        )
    if running and running != name:
        return warn(
            f"the service is in {running}, but the host is in {name} now",
            "to use the host's zone: torch reload",
        )
    if not said and os.path.lexists(zones.LOCALTIME) and zones.of_path(zones.LOCALTIME) is None:
        return warn(
            f"{zones.LOCALTIME} is not a time zone file: times without timezone: are in {name}",
            "link it to a zone: timedatectl set-timezone Asia/Tokyo",
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
