"""Waits that a schedule overtakes: a `retry` or a `jitter` that is longer than its period.

Owns the warnings about them. Such a task is a good one, but not what its writer meant: a newer
fire takes the place of a retry that waits. Must not read the clock: the period is looked for
from a fixed instant on, so that a file gives the same warnings on every host and day.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torch.clock import FireTime
from torch.schedule.backoff import retry_delay
from torch.schedule.timeline import next_fire
from torch.task import Schedule
from torch.taskfile.durations import write_seconds
from torch.taskfile.problems import Collector

_FROM = FireTime(1_767_225_600)  # the first second of 2026, UTC
_FIRES = 30  # looked at: enough to see what repeats, 0.1 ms for a task


@lru_cache(maxsize=4096)
def shortest(schedule: tuple[Schedule, ...]) -> int | None:
    """Seconds between the two nearest of the first fires; None where there are not two."""
    at, least = next_fire(schedule, _FROM), None
    for _ in range(_FIRES):
        after = None if at is None else next_fire(schedule, at)
        if at is None or after is None:
            break
        least = after - at if least is None else min(least, after - at)
        at = after
    return least


def warn(
    values: dict[str, Any], schedule: tuple[Schedule, ...], places: dict[str, int], out: Collector
) -> None:
    """Warns of waits that a newer fire overtakes. `places`: where the two keys are written."""
    jitter, retry = values.get("jitter") or 0.0, values.get("retry")
    if not jitter and retry is None:
        return
    period = shortest(schedule)
    if period is None:
        return
    shortest_period = f"the shortest period of the schedule is {write_seconds(period)}"
    if jitter > period:
        out.warn(
            places["jitter"], "jitter",
            f"'jitter' is {write_seconds(jitter)}, and {shortest_period}",
            "a run could start after the next one; make jitter shorter than the period",
        )  # fmt: skip
    if retry is not None and (wait := retry_delay(retry, retry.attempts)) >= period:
        out.warn(
            places["retry"], "retry",
            f"'retry' waits up to {write_seconds(wait)}, and {shortest_period}",
            "the next scheduled run cancels a pending retry; shorten delay or max_delay",
        )  # fmt: skip
