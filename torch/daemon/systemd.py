"""What systemd is told: that we are ready, reload, stop, and that the loop still turns.

Owns the few lines of the sd_notify protocol (its man page is the source) and the beat. The beat
is a timer of the loop, so a loop that hangs is silent, and systemd starts the service anew.
While the service starts or stops, each beat asks for more time: how long that may take is for
the tasks to say, not for the unit. Without NOTIFY_SOCKET all of it does nothing.
Invariant: a message that cannot be sent stops nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass

from torch.event import (
    Event,
    ReloadRefused,
    ReloadWaiting,
    SelfReported,
    ServiceReady,
    ServiceStopped,
    ServiceStopping,
    TasksReloaded,
)
from torch.report.log import sentence
from torch.report.text import harmless

EXTENSION = 60.0
"""Seconds of more time that one beat asks for."""

BEAT = 20.0
"""Seconds between two beats while we start or stop; the unit's limits must be longer."""

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_STANDING = (ServiceReady, TasksReloaded, ReloadRefused, ReloadWaiting, SelfReported)


@dataclass(frozen=True, slots=True)
class Asked:
    """What systemd wants: where it listens ('' nowhere), and a sign of life within `watchdog`
    seconds (None: it does not watch)."""

    address: str = ""
    watchdog: float | None = None


def asked(environ: MutableMapping[str, str], *, pid: int) -> Asked:
    """Takes the variables out of the environment: they are for us, not for what we start."""
    address, usec, watched = (environ.pop(name, "") for name in _VARIABLES)
    if not address.startswith(("/", "@")) or len(address) < 2:
        return Asked()
    ours = watched in ("", str(pid))
    seconds = int(usec) / 1e6 if ours and usec.isascii() and usec.isdigit() else 0.0
    return Asked(address, seconds or None)


class Systemd:
    """Speaks from the construction on until `close`; a beat needs a running loop."""

    def __init__(self, wish: Asked, *, monotonic_usec: Callable[[], int]) -> None:
        self._monotonic_usec = monotonic_usec
        self._watchdog = wish.watchdog
        self._state = "starting"
        self._well = ""  # how we stand when the file on disk is the one in force
        self._timer: asyncio.TimerHandle | None = None
        self._socket: socket.socket | None = None
        if wish.address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            address = wish.address
            self._address = f"\0{address[1:]}" if address.startswith("@") else address
            self._beat()

    def hear(self, event: Event) -> None:
        """Every event of the service passes here; those that say how it stands are passed on."""
        if isinstance(event, ServiceStopping):
            self._enter("stopping", f"STOPPING=1\n{_status(event)}")
        elif isinstance(event, ServiceReady):
            self._enter("ready", f"READY=1\n{_status(event)}")
        elif isinstance(event, ServiceStopped) or (
            isinstance(event, _STANDING) and self._state == "ready"
        ):
            self._send(_status(event))
        if isinstance(event, ServiceReady | TasksReloaded):
            self._well = _status(event)

    def stand_well(self) -> None:
        """The file on disk is the one in force, again: no event says so."""
        self._send(self._well)

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """A reload from begin to end, good or refused; what came of it stands in STATUS."""
        if self._state != "ready":
            yield
            return
        self._send(f"RELOADING=1\nMONOTONIC_USEC={self._monotonic_usec()}")
        try:
            yield
        finally:
            if self._state == "ready":  # a stop may have come meanwhile
                self._send("READY=1")

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _enter(self, state: str, message: str) -> None:
        self._state = state
        self._send(message)
        if self._socket is not None:
            self._beat()

    def _beat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._state == "ready":
            if self._watchdog is None:
                return
            self._send("WATCHDOG=1")
            every = self._watchdog / 2
        else:
            self._send(f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}")
            every = BEAT
        self._timer = asyncio.get_running_loop().call_later(every, self._beat)

    def _send(self, message: str) -> None:
        if self._socket is None or not message:
            return
        # Not to be had, or full: systemd is told at the next beat, the tasks come first.
        with contextlib.suppress(OSError):
            self._socket.sendto(message.encode(), self._address)


def _status(event: Event) -> str:
    return f"STATUS={harmless(sentence(event))}"
