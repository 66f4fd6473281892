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
        return bad("the clock is before the year 2024", "set it: timedatectl set-ntp true")
    right = clock_synchronised()
    if right is None:
        return ok("not checked: clock synchronization is not visible here")
    if not right:
        return warn(
            "the kernel reports that the clock is not synchronized",
            "install chrony or systemd-timesyncd: tasks start by this clock",
        )
    return ok("the clock is synchronized")


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
        other = f"the service uses {running}" if running else "the service may use another"
        return warn(f"TZ is {said} here; {other}", "unset TZ, or set timezone: in the task file")
    if running and running != name:
        return warn(
            f"the service uses {running}, but the host's zone is now {name}",
            "to use the host's zone: torch reload",
        )
    if not said and os.path.lexists(zones.LOCALTIME) and zones.of_path(zones.LOCALTIME) is None:
        return warn(
            f"{zones.LOCALTIME} is not a time zone file: schedules without timezone: use {name}",
            "link it to a zone: timedatectl set-timezone Asia/Tokyo",
        )
    return ok(f"schedules without timezone: use {name}")


def open_files(subject: Subject) -> Finding:
    """Each live run takes one descriptor of the service, two before its second."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    pid = None if isinstance(subject.answer, Exception) else subject.answer["pid"]
    hard = _limit_of(pid) or hard
    needed = 2 * sum(task.max for task in subject.file.tasks if task.enabled) + _SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        return warn(
            f"at most {hard} open files; {needed} are needed if every task has 'max' runs at once",
            "raise the hard limit: LimitNOFILE=1024:524288 in the unit, or ulimit -Hn",
        )
    return ok(f"{hard if hard != resource.RLIM_INFINITY else 'any number of'} open files allowed")


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
            f"this user has no inotify instances left: {reason}",
            "sysctl fs.inotify.max_user_instances=512; until then: torch reload after an edit",
        )
    try:
        if libc.inotify_add_watch(fd, b"/", 0x2) < 0:
            reason = os.strerror(ctypes.get_errno())
            return bad(
                f"no directory can be watched: {reason}",
                "sysctl fs.inotify.max_user_watches=65536; until then: torch reload after an edit",
            )
    finally:
        os.close(fd)
    return ok("changes of the task file can be watched")
