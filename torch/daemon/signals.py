"""Signals are messages: each does nothing but enqueue what it stands for.

Owns which signal means what. The starter blocks them before the service's first
instruction, so one that comes early waits here instead of ending the process.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

STOP = (signal.SIGTERM, signal.SIGINT)
RELOAD = (signal.SIGUSR2, signal.SIGHUP)
REOPEN_LOG = (signal.SIGUSR1,)
OURS = (*STOP, *RELOAD, *REOPEN_LOG)


def block() -> set[signal.Signals]:
    """Holds our signals back; returns the mask that was in force."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, OURS)  # type: ignore[return-value]


def restore(mask: set[signal.Signals]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def listen(
    *, stop: Callable[[str], None], reload: Callable[[], None], reopen: Callable[[], None]
) -> None:
    """Installs the listeners on the running loop, then lets through what was held back."""
    loop = asyncio.get_running_loop()
    for number in STOP:
        loop.add_signal_handler(number, stop, number.name)
    for number in RELOAD:
        loop.add_signal_handler(number, reload)
    for number in REOPEN_LOG:
        loop.add_signal_handler(number, reopen)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
