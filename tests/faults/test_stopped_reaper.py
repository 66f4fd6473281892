"""SIGSTOP of a reaper: its runs go on, what is due begins late and once, and a stop is heard."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.conftest import LONG
from tests.faults.patient import Patient
from tests.faults.reapers import earlier, stopped, wait_own
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import until

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(3)}'
  - name: each
    schedule: "* * * * * *"
    catch_up: all
    overlap: queue
    command: '{begin_and_end(0)}'
  - name: waits
    schedule: "@yearly"
    max: 2
    grace: 1s
    command: '{begin_and_end(7, "while [ ! -e DIR/go ]; do sleep 0.05; done")}'
  - name: keeper
    type: daemon
    grace: 1s
    command: '{BEGIN}; exec sleep 100000'
"""
MOST = {"beat": 1, "each": 1, "waits": 2}
SOON = 25.0
"""Seconds in which a stop is over though the reaper is stopped: the grace, 5 s of SIGKILL, and as
long again before the reaper is woken up; and what a busy host needs."""


def test_a_stopped_reaper_begins_what_was_due_late_and_once(service, size, figure):
    service.start(TASKS)
    run = service.torch("run", "waits").strip()
    service.wait_begun("waits", 1)
    service.wait_more("beat", "each")
    pid = wait_own(service)
    seconds = size.of(quick=2, long=60)
    with stopped(pid):
        begun = len(service.begun("beat"))
        (service.scratch / "go").touch()
        _let_seconds_pass(service, seconds)
        assert len(service.begun("beat")) <= begun + 1
        assert service.status()["tasks"]
    assert service.wait_row(run)["exit_code"] == 7
    service.wait_more("beat", "each")
    assert wait_own(service) == pid and len(service.begun("keeper")) == 1
    service.torch("stop")
    rows = service.judge(most=MOST, every_second=["beat", "each"])
    figure(f"a reaper stopped for {seconds} s: {len(rows)} rows, 0 lost, 0 doubled")


def _let_seconds_pass(service: Patient, seconds: int) -> None:
    end = time.monotonic() + seconds
    until(f"{seconds} s have gone by", lambda: time.monotonic() > end, deadline=seconds + 30)


KILL, STOP, NOW = ["kill", "waits"], ["stop"], ["stop", "--now"]


@pytest.mark.parametrize("command", [KILL, STOP, NOW] if LONG else [KILL])
def test_a_stop_is_heard_though_the_reaper_is_stopped(service, command):
    service.start(TASKS)
    service.torch("run", "waits")
    (waits,), (keeper,) = service.wait_begun("waits", 1), service.wait_begun("keeper", 1)
    service.wait_running("waits")
    service.wait_more("each")
    pid = wait_own(service)
    began = time.monotonic()
    with stopped(pid):
        service.torch(*command, deadline=60)
        until("the run is dead", lambda: not alive(waits.pid))
        assert command[0] == "kill" or not alive(keeper.pid)
        row = service.wait_row(waits.run)
        assert time.monotonic() - began < SOON
    assert row["outcome"] == "killed"
    if service.pid:
        service.wait_more("beat")
        service.torch("stop")
    service.judge(most=MOST, every_second=["beat", "each"])


def test_a_stopped_reaper_of_an_earlier_service_keeps_its_slots_until_it_speaks(service):
    service.start(TASKS)
    runs = [service.torch("run", "waits").strip() for _ in range(2)]
    service.wait_begun("waits", 2)
    (keeper,) = service.wait_begun("keeper", 1)
    pid = wait_own(service)
    service.kill()
    os.kill(pid, signal.SIGSTOP)
    try:
        service.start()
        assert earlier(service) == [pid]
        assert service.task("waits")["running"] == 2
        assert "max is 2" in service.error("run", "waits", code=75)
        service.wait_more("beat", "each")
        (service.scratch / "go").touch()
        service.wait_more("each", more=2)
        assert service.task("waits")["running"] == 2, "nobody has said how they ended"
        service.torch("restart")
        assert service.task("waits")["running"] == 2
    finally:
        os.kill(pid, signal.SIGCONT)
    for run in runs:
        assert service.wait_row(run)["exit_code"] == 7
    assert alive(keeper.pid) and len(service.begun("keeper")) == 1
    service.torch("run", "waits", "--wait", code=7)
    service.torch("stop")
    service.judge(most=MOST, every_second=["beat", "each"])


@pytest.mark.parametrize("command", [KILL, STOP, NOW] if LONG else [STOP])
def test_a_stop_is_heard_though_the_reaper_of_an_earlier_service_is_stopped(service, command):
    service.start(TASKS)
    service.torch("run", "waits")
    (waits,), (keeper,) = service.wait_begun("waits", 1), service.wait_begun("keeper", 1)
    pid = wait_own(service)
    service.kill()
    os.kill(pid, signal.SIGSTOP)
    try:
        service.start()
        began = time.monotonic()
        service.torch(*command, deadline=60)
        until("the run is dead", lambda: not alive(waits.pid))
        assert command[0] == "kill" or not alive(keeper.pid)
        row = service.wait_row(waits.run)
        assert time.monotonic() - began < SOON
        assert row["outcome"] == "killed"
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGCONT)
    if service.pid:
        service.torch("stop")
    service.judge(most=MOST, every_second=["beat", "each"])
