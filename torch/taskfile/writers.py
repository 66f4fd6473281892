"""Who has a file open for writing.

Owns the question to the kernel: a read lease is given only on a file that no process has open for
writing, on this host and in any container of it. It is given back at once. A lease needs the
file's owner or CAP_LEASE and a file system that has leases; elsewhere /proc is searched, which
finds a writer that we may see, and proves nothing if it finds none.
"""

from __future__ import annotations

import os

from torch.linux import is_open_for_writing

_WRITING = os.O_WRONLY | os.O_RDWR


def writer_of(fd: int) -> tuple[str, bool]:
    """Who has the file of `fd`, which is open for reading alone, open for writing: 'process 7
    (scp)', or '' for no process; and whether that is certain."""
    is_written = is_open_for_writing(fd)
    if is_written is False:
        return "", True
    found = _search(os.fstat(fd))
    return found or ("a process" if is_written else ""), bool(found or is_written)


def _search(file: os.stat_result) -> str:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fds = os.listdir(f"/proc/{pid}/fd")
        except OSError:  # gone, or another user's
            continue
        for fd in fds:
            if _writes(pid, fd, file):
                return f"process {pid} ({_name(pid)})"
    return ""


def _writes(pid: str, fd: str, file: os.stat_result) -> bool:
    try:
        found = os.stat(f"/proc/{pid}/fd/{fd}")
        if (found.st_dev, found.st_ino) != (file.st_dev, file.st_ino):
            return False
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as info:
            flags = next((line for line in info if line.startswith("flags:")), "flags: 0")
        return bool(int(flags.split()[1], 8) & _WRITING)
    except OSError:
        return False


def _name(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        return "?"
