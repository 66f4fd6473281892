"""The end of a run as whoever waits for it hears it: `torch run --wait --json`."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from torch.clock import SystemClock
from torch.daemon.requests import Requests
from torch.event import Event, RunEnded, RunNotStarted
from torch.run import Ending, Outcome, Run, Trigger, Usage

RUN = Run(id="r1", task="a", trigger=Trigger.MANUAL)
DIED = Ending(outcome=Outcome.FAILED, exit_code=137, signal=9)
USED = Usage(cpu_seconds=0.1 + 0.2, max_rss=4096)


def heard(event: Event, *, early: bool) -> dict[str, Any]:
    """What is answered to somebody who waits; `early`: the run ended before it was awaited."""

    async def wait() -> dict[str, Any]:
        requests = Requests(
            loop=cast(Any, None),
            loader=cast(Any, None),
            clock=SystemClock(),
            address="",
            unit=None,
            failing={},
        )
        if early:
            requests.hear(event)
        waiting = asyncio.ensure_future(requests._end_of("r1"))
        await asyncio.sleep(0)
        requests.hear(event)
        return await waiting

    said: dict[str, Any] = json.loads(json.dumps(asyncio.run(wait())))
    return said


@pytest.mark.parametrize("early", [False, True])
def test_the_end_that_was_awaited_says_the_signal_and_what_the_run_used(early):
    assert heard(RunEnded(run=RUN, ending=DIED, seconds=1.0, usage=USED), early=early) == {
        "outcome": "failed", "exit_code": 137, "signal": 9, "reason": "", "max_rss": 4096,
        "cpu_seconds": 0.3,
    }  # fmt: skip


def test_of_a_run_that_did_not_start_nothing_was_used():
    said = heard(RunNotStarted(run=RUN, reason="why"), early=False)
    assert (said["reason"], said["max_rss"], said["cpu_seconds"]) == ("why", None, None)
