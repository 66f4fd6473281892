"""What becomes of a fire while runs of its task are live. One pure function.

`waiting` are fires already recorded that wait for a slot.
"""

from __future__ import annotations

from enum import Enum, auto

from torch.task import Overlap


class Verdict(Enum):
    START = auto()
    SKIP = auto()
    WAIT = auto()  # for a slot
    REPLACE = auto()  # stop the oldest run, wait for its slot; a fire that waits already gives way


def judge(policy: Overlap, *, live: int, max: int, waiting: int) -> Verdict:
    """The one place that decides `max`: START only if a slot is free and nobody waits for it."""
    if live + waiting < max:
        return Verdict.START
    if policy is Overlap.REPLACE:
        return Verdict.REPLACE
    if policy is Overlap.QUEUE and waiting == 0:
        return Verdict.WAIT
    return Verdict.SKIP
