"""Next fire of an expression, ours and croniter's, one step each from the same instants."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter

from bench.table import Figure
from torch.schedule.expression import Expression

CASES = (
    ("*/5 * * * * *", "UTC"),
    ("30 3 * * *", "UTC"),
    ("30 3 * * *", "Europe/Berlin"),
    ("0 9 * * mon-fri", "Europe/Berlin"),
    ("0 0 1 * *", "Asia/Shanghai"),
    ("0 0 29 2 *", "UTC"),
)
START = 1_795_000_000


FIRES = 20
"""Steps before the walk begins again: what a service asks for, not the year 9000."""


def measure(*, quick: bool) -> list[Figure]:
    steps = 300 if quick else 3000
    figures = []
    for text, zone in CASES:
        expression = Expression.parse(text, timezone=zone)
        ours = _per_step(_stepper(expression), steps)
        theirs = _per_step(_croniter(text, zone), steps // 10)
        figures.append(
            Figure(
                what=f"next fire: {text} in {zone}",
                ours=f"{ours:.1f} µs",
                limit=f"croniter {theirs:.1f} µs",
                goal="≤ 5 µs, never worse than croniter",
                reached=ours <= 5 and ours <= theirs,
            )
        )
    return figures


def _stepper(expression: Expression) -> Callable[[], None]:
    at, left = START, FIRES

    def step() -> None:
        nonlocal at, left
        at = expression.next_epoch(at) or START
        left -= 1
        if not left:
            at, left = START, FIRES

    return step


def _croniter(text: str, zone: str) -> Callable[[], None]:
    six = len(text.split()) == 6
    begin = datetime.fromtimestamp(START, UTC).astimezone(ZoneInfo(zone))
    walking, left = croniter(text, begin, second_at_beginning=six), FIRES

    def step() -> None:
        nonlocal left
        walking.get_next(float)
        left -= 1
        if not left:
            walking.set_current(begin, force=True)
            left = FIRES

    return step


def _per_step(step: Callable[[], None], steps: int) -> float:
    """Microseconds a step: the best of five rounds, for the machine is shared."""
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        best = min(best, (time.perf_counter() - begin) / steps)
    return best * 1e6
