"""What becomes of a fire while runs of its task are live: the whole table."""

from __future__ import annotations

import pytest

from torch.clock import Now
from torch.run import Trigger
from torch.schedule.gates import Candidate, Judgement, Says
from torch.schedule.slot_gate import SlotGate
from torch.task import Overlap, Task

START, SKIP, WAIT, REPLACE = "start", "skip", "wait", "replace"
NOW = Now(0.0, 0.0)


def judged(policy=Overlap.SKIP, *, most: int, trigger=Trigger.SCHEDULE, **keys) -> Judgement:
    task = Task(name="a", command="true", overlap=policy, max=most)
    return SlotGate().ask(Candidate(task=task, trigger=trigger, now=NOW, **keys))


def word(found: Judgement) -> str:
    return {Says.GO: START, Says.SKIP: SKIP, Says.WAIT: REPLACE if found.makes_room else WAIT}[
        found.says
    ]


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
        assert word(judged(policy, most=most, live=live, waiting=waiting)) == verdict


@pytest.mark.parametrize("policy", Overlap)
@pytest.mark.parametrize(
    "keys", [{"in_line": True}, {"in_turn": True}, {"trigger": Trigger.DAEMON}]
)
def test_what_waits_already_or_has_its_turn_or_is_kept_alive_waits_under_each_policy(policy, keys):
    assert word(judged(policy, most=1, live=1, **keys)) == WAIT


@pytest.mark.parametrize("policy", Overlap)
def test_a_run_by_hand_starts_at_once_or_not_at_all_and_its_reason_is_a_sentence(policy):
    found = judged(policy, most=1, live=1, trigger=Trigger.MANUAL, at_once=True)
    assert (word(found), found.reason, found.hint) == (
        SKIP, "no free slot for 'a': 1 active, 0 queued, max is 1",
        "wait for one to end, or: torch kill a"
    )  # fmt: skip
