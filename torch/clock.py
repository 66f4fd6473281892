"""The only file that reads the time. Everywhere else time is an argument.

Two readings travel together: `wall` decides fire times, because people write schedules for
the clock on the wall; `mono` decides timeouts, back-off and grace, because it never steps.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from torch import zone

FireTime = NewType("FireTime", int)
"""The instant an expression names: whole seconds since the epoch, UTC. A firing's identity."""


@dataclass(frozen=True, slots=True)
class Now:
    """One reading of both clocks, in seconds: `wall` since the epoch, `mono` since boot."""

    wall: float
    mono: float


class Clock(Protocol):
    def now(self) -> Now: ...


class SystemClock:
    """The host's clocks. CLOCK_BOOTTIME, not CLOCK_MONOTONIC: a timeout goes on in a suspend."""

    def now(self) -> Now:
        return Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))

    def monotonic_usec(self) -> int:
        """Microseconds of CLOCK_MONOTONIC, by which systemd knows which reload we speak of."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def clock_synchronised() -> bool | None:
    """Whether something (chrony, ntpd, timesyncd) keeps the host's clock, as the kernel knows;
    None where it does not say. Source: adjtimex(2)."""
    import ctypes

    words = (ctypes.c_long * 32)()  # a struct timex, 208 bytes; all zero asks and sets nothing
    state: int = ctypes.CDLL(None).adjtimex(ctypes.byref(words))
    return None if state < 0 else state != 5  # TIME_ERROR


def rfc3339(wall: float | None, *, milliseconds: bool = False) -> str | None:
    """Seconds since the epoch -> '2026-11-21T03:04:05+00:00', in the host's zone; None -> None."""
    if wall is None:
        return None
    return local(wall).isoformat(timespec="milliseconds" if milliseconds else "seconds")


def local(wall: float) -> datetime:
    """Seconds since the epoch on the clock of this host's zone: the one that every text shows."""
    return datetime.fromtimestamp(wall, zone.of(zone.current().key))
