"""The shim killed: the slot is kept while the command lives, and nobody guesses how it ended."""

from __future__ import annotations

import os
import signal

import pytest

from tests.faults.conftest import LONG
from tests.faults.patient import Patient, kill_hard, parent_of
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import until

TASKS = f"""
tasks:
  - name: t
    schedule: "* * * * * *"
    command: |
      {begin_and_end(0, "while [ ! -e DIR/go ]; do sleep 0.05; done")}
"""
LIVES, DOWN, TWICE = "while the service lives", "while it is down", "while it is down twice"
WHEN = [LIVES, DOWN, TWICE] if LONG else [LIVES, TWICE]


def kill_shim(service: Patient, when: str, pid: int) -> None:
    shim = parent_of(pid)
    if when == LIVES:
        kill_hard(shim)
        return
    service.kill()
    kill_hard(shim)
    service.start()
    if when == TWICE:
        service.kill()
        service.start()


@pytest.mark.parametrize("when", WHEN)
def test_a_killed_shims_run_keeps_its_slot_until_its_command_ends(service, when):
    service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    kill_shim(service, when, first.pid)
    skipped = _skipped(service)
    until("fires are skipped", lambda: len(_skipped(service)) > len(skipped))
    assert alive(first.pid) and len(service.begun("t")) == 1
    assert service.task("t")["running"] == 1
    (service.scratch / "go").touch()
    service.wait_more("t")
    service.torch("stop")
    service.judge(most={"t": 1}, every_second=["t"], unknown=[first.run])


def _skipped(service: Patient) -> list[str]:
    return [row["id"] for row in service.rows("t") if row["outcome"] == "skipped"]


def test_a_killed_shims_command_can_still_be_stopped(service):
    service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    kill_shim(service, DOWN, first.pid)
    service.torch("stop")
    assert not alive(first.pid)
    service.judge(most={"t": 1}, every_second=["t"], unknown=_killed_or_unknown(service, first.run))


def _killed_or_unknown(service: Patient, run: str) -> list[str]:
    """What was stopped is `killed`, whoever collects it; both words are true of this run."""
    return [run] if service.row(run)["outcome"] == "unknown" else []


@pytest.mark.parametrize("when", [LIVES, DOWN])
def test_when_shim_and_command_are_killed_the_end_is_unknown_and_the_next_fire_goes_on(
    service, when
):
    service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    shim = parent_of(first.pid)
    if when == DOWN:
        service.kill()
    os.kill(shim, signal.SIGSTOP)  # it must not write down how the command ended
    kill_hard(shim, first.pid, *service.processes_of(first.run))
    if not service.pid:
        service.start()
    service.wait_row(first.run)
    (service.scratch / "go").touch()
    service.wait_more("t")
    service.torch("stop")
    service.judge(most={"t": 1}, every_second=["t"], unknown=[first.run])


def test_a_daemon_tasks_run_whose_shim_was_killed_is_not_doubled(service):
    service.start(
        f"tasks:\n  - {{name: d, type: daemon, max: 2, command: '{BEGIN}; exec sleep 100000'}}\n"
    )
    one, two = service.wait_begun("d", 2)
    service.kill()
    kill_hard(parent_of(one.pid))
    service.start()
    assert service.task("d")["running"] == 2
    assert len(service.begun("d")) == 2 and alive(one.pid) and alive(two.pid)
    kill_hard(one.pid)
    third = service.wait_begun("d", 3)[2]
    assert alive(third.pid) and alive(two.pid)
    service.torch("stop")
    service.judge(most={}, unknown=[one.run])
