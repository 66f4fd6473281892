"""Waiting on an event with a deadline: what a test does instead of sleeping."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 30.0
"""Seconds; generous, because a machine may be slow. Nothing waits so long when all is well."""


def until(
    what: str, condition: Callable[[], T | None], *, deadline: float = DEADLINE, pause: float = 0.01
) -> T:
    """The first truthy value of `condition`; fails naming `what` when the deadline passes."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline:g} s still not so: {what}")
        select.select([], [], [], pause)


def let_pass(seconds: float) -> None:
    """For faults alone: the instant of the fault is the input of the test, nothing is awaited."""
    time.sleep(seconds)
