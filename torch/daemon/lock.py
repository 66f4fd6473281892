"""The lock that says "a service lives here", and the pid file, which is for people.

Owns torch.lock and torch.pid. The lock is a flock: the kernel drops it with the process, so
a stale file never matters. It is never unlinked: a second service must lock the same inode.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable

from torch.errors import NotPermitted, SettingsError, TryAgain

_TRIES = 10
"""Times 20 ms: a `torch status` that probes the lock at this instant must not stop a start."""


def take(path: str, *, pause: Callable[[float], None]) -> int:
    """Takes the lock and writes our pid into it; returns its descriptor, to be kept open.

    Raises TryAgain naming the holder, SettingsError or NotPermitted where the file cannot be.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except PermissionError as error:
        raise NotPermitted(
            f"{path} cannot be opened: {error.strerror}",
            hint="run as its owner, or choose another --state-dir",
        ) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be opened: {error.strerror}") from error
    for last in (*[False] * (_TRIES - 1), True):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if last:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                os.close(fd)
                raise TryAgain(
                    f"a torch service is running already, pid {holder or 'unknown'}",
                    hint="stop it first (torch stop), or give this one its own --state-dir",
                ) from None
            pause(0.02)
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(fd)
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    return fd


def holder(path: str) -> int | None:
    """The pid of the service that holds the lock; None if nobody does. 0: nobody knows who."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NotPermitted(f"{path} cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)


def write_pid(path: str) -> None:
    """Written whole or not at all. Raises SettingsError."""
    try:
        _write_pid(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error


def _write_pid(path: str) -> None:
    temporary = f"{path}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, f"{os.getpid()}\n".encode())
    finally:
        os.close(fd)
    os.replace(temporary, path)


def remove_pid(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
