"""State that a service inherits from its starter by accident, and how it removes that state.

Owns the list: ignored and blocked signals, the marks of a run, a soft limit that marks one, missing
standard descriptors, the working directory. The starter may be a shell with `trap '' CHLD`, a task
of another service, or of this one. Used by both sides: the starter passes no marks on, and the
service removes the whole list again, because something else than launch.py can have started it.
Imports little, because every command imports it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Iterable, Mapping

_MARKS = ("TORCH_TASK", "TORCH_RUN_ID", "TORCH_FIRE_TIME", "TORCH_ATTEMPT")
_OF_CHANNELS = "TORCH_MESSAGE_"
"""Variables that a task, and the command of a channel, get in their environment."""

_RTTIME = getattr(resource, "RLIMIT_RTTIME", 15)  # Python 3.11 has no name for it

_PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)
"""Ignored by Python, so that they are errors of the call that met them; what it starts gets the
default again."""

_NOT_OURS = (signal.SIGKILL, signal.SIGSTOP)


def begin(*, keep_blocked: Iterable[signal.Signals]) -> None:
    """A service's first act. `keep_blocked`: the signals that wait until it can listen."""
    fill_standard()
    reset_signals(keep_blocked)
    unmark()
    for name in [name for name in os.environ if _is_mark(name)]:
        del os.environ[name]
    os.chdir("/")  # where we were started may be deleted, or be unmounted


def fill_standard() -> None:
    """Opens /dev/null where 0, 1 or 2 is closed: else the next file opened becomes, say, standard
    error, and a library that complains writes into it."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:  # those below are open, so this one is the next that is given
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(fd, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def reset_signals(keep_blocked: Iterable[signal.Signals]) -> None:
    """Every signal does what it does by default and none is held back, but for those named. One
    that was held back for the program before us is dropped."""
    kept = frozenset(keep_blocked)
    for number in signal.valid_signals().difference(_NOT_OURS):
        if number not in kept:
            signal.signal(number, signal.SIG_IGN)  # drops what is pending
        if number not in _PYTHONS_OWN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def hear_children() -> None:
    """With SIGCHLD ignored the kernel keeps no exit code: each child seems to have ended well."""
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def unmark() -> None:
    """Takes off the soft limit that the processes of a run inherit, so that they can be found."""
    _, hard = resource.getrlimit(_RTTIME)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(_RTTIME, (hard, hard))


def unmarked(environ: Mapping[str, str]) -> dict[str, str]:
    """The same environment without the marks of a run: who carries them ends with that run."""
    return {name: value for name, value in environ.items() if not _is_mark(name)}


def _is_mark(name: str) -> bool:
    return name in _MARKS or name.startswith(_OF_CHANNELS)
