"""A log that cannot be written: no task is stopped, no line is torn, and `status` says so."""

from __future__ import annotations

import re

import pytest

from tests.faults.disks import fill, mounted
from tests.faults.witness import begin_and_end
from tests.waiting import until

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
    description: "{"long enough to tear " * 10}"
"""


@pytest.fixture
def small(service):
    """The service's log on a small disk."""
    log_dir = service.folder / "log"
    service.more_options = ["--log-dir", str(log_dir)]
    with mounted(log_dir, "256k"):
        yield service
        service.cleanup()


def test_on_a_full_disk_no_line_of_the_log_is_torn_and_status_says_so(small):
    small.start(TASKS)
    small.wait_begun("beat", 1)
    filler = fill(small.folder / "log")
    failing = until("status says so", lambda: small.status()["log"]["failing"])
    assert "No space left" in failing["reason"] and failing["lost"] >= 1
    assert "! the log cannot be written since" in small.torch("status")
    small.torch("status", "--strict", code=1)
    small.wait_more("beat", more=2)  # its output cannot be kept, and it runs all the same
    filler.unlink()
    until("status says no more of it", lambda: small.status()["log"]["failing"] is None)
    small.torch("stop")
    lines = small.log().splitlines()
    whole = re.compile(r'time=\S+ level=\w+ .* msg=".*"')
    assert [line for line in lines if not whole.fullmatch(line)] == []
    said = [line for line in lines if "event=part_recovered" in line]
    assert said and re.search(r"the log works again; \d+ lines? could not be written", said[0])
