"""The lock that says "a service lives here", and the pid file, which is for people.

Owns torch.lock and torch.pid, and restart.lock, by which one restart follows another. The lock is a
flock: the kernel drops it with the process, so a stale file never matters. It is never unlinked: a
second service must lock the same inode.
A held lock is certain. The pid in the file is only a claim, and is used only with a proof.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterator

from torch.daemon import folders, proof
from torch.errors import NotPermitted, ServiceUnreachable, SettingsError, TryAgain

_TRIES = 10
"""Times 20 ms: a `torch status` that probes the lock at this instant must not stop a start."""

_CAREFULLY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
"""Follows no symlink, and waits for nobody at a FIFO."""


def take(path: str, *, pause: Callable[[float], None]) -> int:
    """Takes the lock and writes our pid into it; returns its descriptor, to be kept open.

    Raises TryAgain naming the holder, SettingsError or NotPermitted where the file cannot be.
    """
    fd = _opened(path)
    try:
        _check(path, fd)
        for last in (*[False] * (_TRIES - 1), True):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if last:
                    raise TryAgain(
                        "a torch service is already running, pid"
                        f" {_believed(path, fd) or 'unknown'}",
                        hint="stop it first (torch stop), or use another --state-dir",
                    ) from None
                pause(0.02)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(fd)
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def alone(path: str, *, beside: str, pause: Callable[[], bool]) -> Iterator[bool]:
    """Nobody else is in here meanwhile. Gives whether somebody was, and was waited for. `beside`:
    the lock of the service; where none ever was, nothing is made, and nobody is kept out. `pause`
    waits a little, and says whether to go on waiting. Raises TryAgain if not, SettingsError and
    NotPermitted."""
    folder = os.path.dirname(path)
    folders.refuse_planted(folder)
    if not os.path.lexists(beside):
        yield False
        return
    fd, waited = _opened(path), False
    try:
        owner = os.stat(folder).st_uid
        _check(path, fd, owner)
        if os.geteuid() == 0 and os.fstat(fd).st_uid != owner:
            os.fchown(fd, owner, -1)  # root made it, and the owner must be able to open it too
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = True
                if not pause():
                    raise TryAgain(
                        "another torch restart is in progress",
                        hint="wait until it has ended, or set a longer --timeout",
                    ) from None
        yield waited
    finally:
        os.close(fd)


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _CAREFULLY, 0o600)
    except PermissionError as error:
        raise NotPermitted(
            f"{path} cannot be opened: {error.strerror}",
            hint="run as its owner, or choose another --state-dir",
        ) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be opened: {error.strerror}") from error


def _check(path: str, fd: int, *others: int) -> None:
    """What lies there already must be a file of ours, or of `others`, and nobody else must write
    to it."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise SettingsError(f"{path} is not a regular file", hint=f"remove it: rm {path}")
    if found.st_uid not in (0, os.geteuid(), *others):
        raise SettingsError(
            f"{path} belongs to another user (uid {found.st_uid})", hint=f"remove it: rm {path}"
        )
    if found.st_mode & 0o022:
        raise SettingsError(f"other users can write to {path}", hint=f"chmod go-w {path}")


def is_ours(fd: int, path: str) -> bool:
    """Whether the file at the path is still the one that was locked: a lock on a file that was
    removed keeps nobody out."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    ours = os.fstat(fd)
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)


def holder(path: str) -> int | None:
    """The pid of the service that holds the lock; None if nobody does. 0: somebody does, and it
    is not proven who. Raises NotPermitted, and SettingsError where others have laid a symlink."""
    with _probed(path) as fd:
        return None if fd is None else _believed(path, fd)


def signal_holder(path: str, number: signal.Signals) -> tuple[int, int] | None:
    """Signals the service that holds the lock: its pid, and a pidfd of it for the caller to close;
    None if nobody holds it. Raises ServiceUnreachable where it is not proven who does,
    NotPermitted and SettingsError."""
    with _probed(path) as fd:
        if fd is None:
            return None
        pid = _named(fd)
        try:
            pidfd = os.pidfd_open(pid) if pid else -1
        except OSError:
            pidfd = -1
        try:
            # Looked at only now that the pidfd holds on to it: a pid can be used again.
            if pidfd < 0 or not _is_proven(path, fd, pid):
                raise ServiceUnreachable(
                    f"cannot verify that the process that locks {path} is torch; no signal"
                    " was sent",
                    hint=f"to identify it: fuser -v {path}",
                )
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
        except PermissionError as error:
            os.close(pidfd)
            raise NotPermitted(f"the service (pid {pid}) belongs to another user") from error
        except BaseException:
            if pidfd >= 0:
                os.close(pidfd)
            raise
        return pid, pidfd


@contextlib.contextmanager
def _probed(path: str) -> Iterator[int | None]:
    """The lock file, opened, while somebody holds the lock; None while nobody does."""
    folders.refuse_planted(os.path.dirname(path))
    try:
        fd = os.open(path, os.O_RDONLY | _CAREFULLY)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    except OSError as error:
        raise NotPermitted(f"{path} cannot be read: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield fd
        else:
            yield None
    finally:
        os.close(fd)


def _believed(path: str, fd: int) -> int:
    pid = _named(fd)
    return pid if pid and _is_proven(path, fd, pid) else 0


def _is_proven(path: str, fd: int, pid: int) -> bool:
    return proof.holds(pid, fd, os.path.dirname(path))


def _named(fd: int) -> int:
    """What the file claims; 0 where that is no pid."""
    try:
        text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    except OSError:  # a FIFO in its place, say
        return 0
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def write_pid(path: str) -> None:
    """Written whole or not at all. Raises SettingsError."""
    try:
        _write_pid(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error


def _write_pid(path: str) -> None:
    """The lock is ours: what bears the temporary name was left by a service that was killed, or
    planted. It goes, and the name is made anew; what lies at `path` is replaced, not written."""
    temporary = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CAREFULLY, 0o600)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, f"{os.getpid()}\n".encode())
    finally:
        os.close(fd)
    os.replace(temporary, path)


def remove_pid(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
