"""Which process is the service, according to the kernel. A file or an answer only claims it.

Owns the checks that turn a claimed pid into a proven one. A lock file or an answer can name any
process; a command that trusts it as root could be made to signal or wait for any process.
Nothing here sends a signal.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """Who listens at the other end of a unix socket. `pid` 0: one that cannot be seen from here,
    as of a service outside of this container."""

    pid: int
    uid: int

    def is_called(self, pid: object) -> bool:
        """Whether it is `pid` here, or in the pid namespace that it lives in."""
        if pid == self.pid:
            return True
        return str(pid) in _fields(self.pid).get("NSpid", ())


def peer_of(connection: socket.socket) -> Peer:
    """As it was when it began to listen."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = struct.unpack("iii", told)
    return Peer(pid, uid)


def is_service_at(folder: str, peer: Peer) -> bool:
    """Whether a service with its socket in this folder may be this one: root's, the folder's
    owner's, or our own. In a folder that others can write to, anybody can listen."""
    return peer.uid in (0, os.stat(folder).st_uid, os.geteuid())


def holds(pid: int, lock: int, folder: str) -> bool:
    """Whether the process `pid` holds the flock on the file open as `lock`, and is of the user
    that the folder belongs to. False also where that cannot be seen."""
    file, place = os.fstat(lock), os.stat(folder)
    if (place.st_mode | file.st_mode) & 0o022 or file.st_uid not in (0, place.st_uid):
        return False  # not only the service's user has written what it says
    uids = _fields(pid).get("Uid", ())  # real, effective, saved, of the file system
    return set(uids) == {str(place.st_uid)} and _has_locked(pid, file)


def _has_locked(pid: int, file: os.stat_result) -> bool:
    """By its descriptors: who merely has the file open is not who holds it."""
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if not os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), file):
                    continue
                if not stat.S_ISREG(file.st_mode):
                    continue
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii", errors="replace") as info:
                    if any(line.startswith("lock:") and " FLOCK " in line for line in info):
                        return True
    return False


def _fields(pid: int) -> dict[str, tuple[str, ...]]:
    """/proc/PID/status; {} where there is none."""
    found: dict[str, tuple[str, ...]] = {}
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError:
        return found
    for line in lines:
        name, _, rest = line.partition(":")
        found[name] = tuple(rest.split())
    return found
