"""What becomes of a fire while runs of its task are live: the whole table."""

from __future__ import annotations

import pytest

from torch.schedule.overlap import Verdict, judge
from torch.task import Overlap

START, SKIP, WAIT, REPLACE = Verdict.START, Verdict.SKIP, Verdict.WAIT, Verdict.REPLACE


@pytest.mark.parametrize(
    ("live", "waiting", "most", "skip", "queue", "replace"),
    [
        (0, 0, 1, START, START, START),
        (1, 0, 1, SKIP, WAIT, REPLACE),
        (1, 1, 1, SKIP, SKIP, REPLACE),
        (2, 0, 3, START, START, START),
        (2, 1, 3, SKIP, SKIP, REPLACE),  # the free slot belongs to the one that waits
        (3, 0, 3, SKIP, WAIT, REPLACE),
        (3, 0, 1, SKIP, WAIT, REPLACE),  # max was lowered under what lives
    ],
)
def test_the_verdict_is_the_one_of_the_table(live, waiting, most, skip, queue, replace):
    for policy, verdict in zip(
        (Overlap.SKIP, Overlap.QUEUE, Overlap.REPLACE), (skip, queue, replace), strict=True
    ):
        assert judge(policy, live=live, max=most, waiting=waiting) is verdict
