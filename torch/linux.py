"""Small things of Linux: timerfd, inotify, fallocate and prctl, which Python 3.11 has no names for,
leases, and the descriptors that a started program inherits.

Owns the foreign function calls; every error of theirs is an OSError with its errno.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)

CLOCK_REALTIME = 0
CLOCK_BOOTTIME = 7
_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_TFD_TIMER_CANCEL_ON_SET = 2
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_FILES = 0x400
_SYS_WAITID = 247 if os.uname().machine == "x86_64" else 95
"""95 on every architecture that came after x86_64. Source: asm-generic/unistd.h."""

_SIGINFO = struct.Struct("i4xiIi")  # si_code, si_pid, si_uid, si_status
_RUSAGE = struct.Struct("qqqqq")  # ru_utime, ru_stime, ru_maxrss
_FALLOC_KEEP_SIZE = 1
_FALLOC_PUNCH_HOLE = 2
_FALLOC_COLLAPSE_RANGE = 8
_F_SETSIG = 10
_SIGURG = 23  # asm-generic/signal.h
_IN_CONTENT = 0x2 | 0x4 | 0x8 | 0x400 | 0x800
"""IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE, IN_DELETE_SELF, IN_MOVE_SELF. Source: inotify(7)."""
_IN_IGNORED = 0x8000
_INOTIFY_EVENT = struct.Struct("iIII")  # wd, mask, cookie, bytes of the name that follows


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class Timer:
    """A timerfd at absolute instants of one clock, in seconds. `fd` is readable when it is due.

    On CLOCK_REALTIME it is readable too, at once, when the clock is stepped.
    """

    def __init__(self, clock: int) -> None:
        self._clock = clock
        self.fd = _checked(_libc.timerfd_create(clock, _TFD_NONBLOCK_CLOEXEC))

    def set(self, at: float | None) -> None:
        """Due at `at`; None: never. An instant that has passed is due now."""
        seconds = 0.0 if at is None else max(at, 1e-9)
        whole = int(seconds)
        spec = _Itimerspec()
        spec.it_value = _Timespec(whole, int((seconds - whole) * 1e9))
        flags = _TFD_TIMER_ABSTIME
        if self._clock == CLOCK_REALTIME:
            flags |= _TFD_TIMER_CANCEL_ON_SET
        result = _libc.timerfd_settime(self.fd, flags, ctypes.byref(spec), None)
        if result < 0 and ctypes.get_errno() != 125:  # ECANCELED: set all the same
            _checked(result)

    def clear(self) -> None:
        """Makes `fd` unreadable until it is due again."""
        try:
            os.read(self.fd, 8)
        except OSError:  # EAGAIN: nothing was due; ECANCELED: the clock was stepped
            return

    def close(self) -> None:
        os.close(self.fd)


class FileWatch:
    """An inotify instance for one file. `fd` is readable when something was written into it, or
    its rights, its name or its existence have changed. Raises OSError when it is made."""

    def __init__(self) -> None:
        self.fd = _checked(_libc.inotify_init1(_TFD_NONBLOCK_CLOEXEC))
        self._watch = -1
        self._inode: tuple[int, int] | None = None

    def set(self, path: str) -> None:
        """From here on the file that is at the path now; none where there is none, or none that we
        may see. Raises OSError."""
        try:
            found = os.stat(path)
            inode = found.st_dev, found.st_ino
            if inode == self._inode:
                return
            self._drop()
            name = os.fsencode(path)
            self._watch = _checked(_libc.inotify_add_watch(self.fd, name, _IN_CONTENT))
            self._inode = inode
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            self._drop()

    def _drop(self) -> None:
        if self._inode is not None:
            _libc.inotify_rm_watch(self.fd, self._watch)  # gone already with a file that is removed
            self._inode = None

    def read(self) -> bool:
        """Whether anything has changed since; what is said of a file before this one counts for
        nothing."""
        changed = False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # EAGAIN: read already
            return False
        at = 0
        while at < len(data):
            watch, mask, _, length = _INOTIFY_EVENT.unpack_from(data, at)
            if watch == self._watch and mask & _IN_IGNORED:
                self._inode = None  # it was removed; another one may get its number
            changed = changed or watch == self._watch
            at += _INOTIFY_EVENT.size + length
        return changed

    def close(self) -> None:
        os.close(self.fd)


def close_on_exec() -> None:
    """Marks every descriptor but the standard three, so that no task inherits one: those our
    starter left open, and those of libraries that forget to (watchdog's inotify)."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the listing's own is closed by now
                os.set_inheritable(int(name), False)


def be_subreaper() -> None:
    """What our descendants leave behind becomes our child, and not the child of process 1."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def unshare_descriptors() -> None:
    """This thread has descriptors of its own from here on, copies of those of all at first."""
    _checked(_libc.unshare(_CLONE_FILES))


def peek_ended() -> tuple[int, int, int | None, float, int] | None:
    """The child that has ended and would be waited for next; it stays to be waited for.

    Its pid, its exit code as a shell says it, the signal it died of, seconds of the processor,
    and KiB of memory at most (of itself and of those it waited for). None: none has ended.
    Raises ChildProcessError without children. The system call itself, because the C library's
    waitid leaves out what was used, and wait4 cannot look without taking.
    """
    info, usage = ctypes.create_string_buffer(128), ctypes.create_string_buffer(144)
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    _checked(_libc.syscall(_SYS_WAITID, os.P_ALL, 0, info, flags, usage))
    code, pid, _, status = _SIGINFO.unpack_from(info.raw, 8)
    if pid == 0:
        return None
    user, user_usec, system, system_usec, most = _RUSAGE.unpack_from(usage.raw)
    seconds = user + system + (user_usec + system_usec) / 1e6
    if code == os.CLD_EXITED:
        return pid, status, None, seconds, most
    return pid, 128 + status, status, seconds, most


def is_open_for_writing(fd: int) -> bool | None:
    """Whether any process has the file of `fd`, a descriptor for reading alone, open for writing.
    None: the kernel does not say, for the file is another user's or its file system has no leases.
    """
    try:
        # A writer that comes while we hold the lease is announced by a signal: by default SIGIO,
        # which ends a process. SIGURG ends none.
        fcntl.fcntl(fd, _F_SETSIG, _SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


def punch_hole(fd: int, length: int) -> None:
    """Frees the first `length` bytes of a file; its size and what follows stay as they are."""
    _fallocate(fd, _FALLOC_PUNCH_HOLE | _FALLOC_KEEP_SIZE, length)


def collapse_head(fd: int, length: int) -> None:
    """Removes the first `length` bytes (a multiple of the block size) of a file."""
    _fallocate(fd, _FALLOC_COLLAPSE_RANGE, length)


def _fallocate(fd: int, mode: int, length: int) -> None:
    _checked(_libc.fallocate(fd, mode, ctypes.c_long(0), ctypes.c_long(length)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
