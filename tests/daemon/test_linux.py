"""What the kernel promises and Python has no name for."""

from __future__ import annotations

import ctypes
import os
import select
import time

import pytest

from torch.linux import CLOCK_BOOTTIME, CLOCK_REALTIME, Timer

_ADJ_SETOFFSET, _ADJ_NANO = 0x0100, 0x2000
_TIMEX_WORDS = 32  # of 64 bits: more than struct timex has
_SECONDS, _NANOSECONDS = 9, 10  # its words that say by how much


def set_the_clock(nanoseconds: int) -> None:
    """The smallest step there is: the kernel treats it as any other."""
    timex = (ctypes.c_long * _TIMEX_WORDS)()
    timex[0] = _ADJ_SETOFFSET | _ADJ_NANO
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    timex[_SECONDS], timex[_NANOSECONDS] = seconds, rest
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        pytest.skip(
            f"the clock may not be set here: {os.strerror(ctypes.get_errno())}; run as root"
        )


@pytest.fixture
def timers():
    made = {clock: Timer(clock) for clock in (CLOCK_REALTIME, CLOCK_BOOTTIME)}
    yield made
    for timer in made.values():
        timer.close()


def readable(timer, seconds):
    return bool(select.select([timer.fd], [], [], seconds)[0])


def test_a_step_of_the_clock_wakes_the_timer_of_the_wall_clock_at_once(timers):
    wall = timers[CLOCK_REALTIME]
    wall.set(time.time() + 3600)
    assert not readable(wall, 0)
    set_the_clock(+1)
    assert readable(wall, 30)
    set_the_clock(-1)
    wall.clear()
    wall.set(time.time() + 3600)
    assert not readable(wall, 0)


def test_a_step_of_the_clock_does_not_touch_the_other_timer(timers):
    boot = timers[CLOCK_BOOTTIME]
    boot.set(time.clock_gettime(CLOCK_BOOTTIME) + 3600)
    set_the_clock(+1)
    set_the_clock(-1)
    assert not readable(boot, 0)


@pytest.mark.parametrize("clock", [CLOCK_REALTIME, CLOCK_BOOTTIME])
def test_an_instant_that_has_passed_is_due_now_and_none_is_never(timers, clock):
    timer = timers[clock]
    timer.set(1.0)
    assert readable(timer, 30)
    timer.clear()
    timer.set(None)
    assert not readable(timer, 0)
