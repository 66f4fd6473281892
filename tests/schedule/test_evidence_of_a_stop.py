"""A run that was told to stop has ended when nothing of it is left, whoever finds it."""

from __future__ import annotations

import pytest

from torch.schedule.evidence import Traces, judge
from torch.schedule.messages import Trace

ENDED = Traces(begun=True, pid=5, ended=True)


@pytest.mark.parametrize(
    ("told", "alive", "wanted"),
    [
        (True, True, Trace.ORPHANED),
        (True, False, Trace.ENDED),
        (False, True, Trace.ENDED),  # what it left behind is none of our business
        (False, False, Trace.ENDED),
    ],
)
def test_an_end_on_record_is_the_end_unless_it_was_told_to_stop_and_something_lives(
    told, alive, wanted
):
    found, reason = judge(ENDED, waits=False, started=True, same_boot=True, alive=alive, told=told)
    assert (found, reason) == (wanted, "")


def test_what_lives_after_a_reboot_is_not_of_it():
    found, _ = judge(ENDED, waits=False, started=True, same_boot=False, alive=True, told=True)
    assert found is Trace.ENDED
