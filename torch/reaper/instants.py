"""The only file of the reaper that reads the time; it does not import torch.clock, and with it
datetime, for three readings."""

from __future__ import annotations

import time


def since_boot() -> float:
    """Seconds since the host booted, suspended or not: what waits goes on waiting in a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall() -> float:
    """Seconds since the epoch."""
    return time.time()


def pause(seconds: float) -> None:
    time.sleep(seconds)
