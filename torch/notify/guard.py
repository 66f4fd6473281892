"""The end of the sending process: when its time is up, when it is told to, when its parent dies.

Owns that the process never outlives its timeout, answers at most once, and leaves nothing behind
that a command started. Three alarms, because each can be deaf: a thread, which runs while a call
of the C library blocks; SIGTERM, from the parent or for the parent's death; and a timer of the
kernel that ends the process without its doing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable
from typing import NoReturn

from torch.notify.wire import MARGIN, Result, answer, exit_code

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_ROUNDS = 30

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    """A kernel that knows it not does without: these are second lines of defence."""
    _libc.prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3)


class Guard:
    """Ends the process within `timeout` seconds. `late()` says what took so long."""

    def __init__(self, timeout: float, late: Callable[[], str]) -> None:
        self._late = late
        self._once = threading.Lock()
        # Whatever a command starts, in sessions of its own too, stays below us and is found.
        _prctl(_SET_CHILD_SUBREAPER, 1)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the parent decides
        _prctl(_SET_PDEATHSIG, signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, timeout + MARGIN * 2 / 3)
        alarm = threading.Timer(timeout, self._expire)
        alarm.daemon = True
        alarm.start()

    def finish(self, result: Result) -> NoReturn:
        """Says the result and ends; for whoever comes first."""
        self._once.acquire()  # never released: the process is over
        end_descendants()
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(1, answer(result))
        os._exit(exit_code(result))  # no exit handlers: a library's threads may hang in them

    def _expire(self) -> NoReturn:
        self.finish(Result(ok=False, detail=self._late()))

    def _stop(self) -> None:
        if not self._once.locked():  # else it is ending already, perhaps in this very thread
            self.finish(Result(ok=False, detail="the sending was broken off"))


def follow_parent() -> None:
    """Between fork and exec of a command: it dies with us, even if we are killed."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def end_descendants() -> None:
    """SIGKILL for every process below this one, until none is left."""
    if not _has_children():
        return
    import psutil  # only a command leaves processes

    for _ in range(_ROUNDS):
        found = psutil.Process().children(recursive=True)
        for each in found:
            with contextlib.suppress(psutil.Error):
                each.kill()
        psutil.wait_procs(found, timeout=0.05)
        if not _has_children():
            return


def _has_children() -> bool:
    """Whether any is left, after those that ended were reaped."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
