"""A reaper killed: its runs go on and keep their slots, and nobody guesses how they ended."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.faults.conftest import LONG
from tests.faults.patient import Patient, kill_hard, parent_of
from tests.faults.reapers import wait_own
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import until

TASKS = f"""
tasks:
  - name: t
    schedule: "* * * * * *"
    command: |
      {begin_and_end(3, "echo one; while [ ! -e DIR/go ]; do sleep 0.05; done; echo two")}
"""
DOWN, TWICE, ALONE = "while the service is down", "while it is down twice", "of an earlier service"
WHEN = [DOWN, TWICE, ALONE] if LONG else [TWICE, ALONE]


def kill_reaper(service: Patient, when: str) -> None:
    """Of the runs that are there; none of its services lives, so nobody inherits them."""
    reaper = wait_own(service)
    service.kill()
    if when != ALONE:
        kill_hard(reaper)
    service.start()
    if when == ALONE:
        kill_hard(reaper)
    if when == TWICE:
        service.kill()
        service.start()


def test_a_killed_reaper_is_replaced_and_the_codes_of_its_runs_are_known(service):
    pid = service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    reaper = wait_own(service)
    kill_hard(reaper)
    other = wait_own(service, other_than=reaper)
    assert service.pid == pid and alive(first.pid) and parent_of(first.pid) == pid
    service.wait_log("it was killed; another one will be started")
    (service.scratch / "go").touch()
    assert service.wait_row(first.run)["exit_code"] == 3
    second = service.wait_begun("t", 2)[1]
    assert service.wait_row(second.run)["exit_code"] == 3
    assert service.torch("logs", first.run) == "one\ntwo\n"
    assert wait_own(service) == other
    service.torch("stop")
    service.judge(most={"t": 1}, every_second=["t"])


def test_a_run_that_dies_with_its_reaper_is_known_by_its_signal(service):
    service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    service.wait_running("t")
    reaper = wait_own(service)
    os.kill(reaper, signal.SIGSTOP)  # it must not write down how the command ended
    kill_hard(first.pid, *service.processes_of(first.run))
    kill_hard(reaper)
    row = service.wait_row(first.run)
    assert (row["outcome"], row["exit_code"], row["signal"]) == ("failed", 137, 9)
    (service.scratch / "go").touch()
    service.wait_more("t")
    service.torch("stop")
    service.judge(most={}, every_second=["t"])


@pytest.mark.parametrize("when", WHEN)
def test_a_killed_reapers_run_keeps_its_slot_until_its_command_ends(service, when):
    service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    kill_reaper(service, when)
    skipped = _skipped(service)
    until("fires are skipped", lambda: len(_skipped(service)) > len(skipped))
    assert alive(first.pid) and len(service.begun("t")) == 1
    assert service.task("t")["running"] == 1
    (service.scratch / "go").touch()
    service.wait_more("t")
    assert service.torch("logs", first.run) == "one\ntwo\n"
    service.torch("stop")
    service.judge(most={"t": 1}, every_second=["t"], unknown=[first.run])


def _skipped(service: Patient) -> list[str]:
    return [row["id"] for row in service.rows("t") if row["outcome"] == "skipped"]


def test_a_killed_reapers_run_can_still_be_stopped(service):
    service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    kill_reaper(service, DOWN)
    service.torch("stop")
    assert not alive(first.pid)
    service.judge(most={"t": 1}, every_second=["t"], unknown=_killed_or_unknown(service, first.run))


def _killed_or_unknown(service: Patient, run: str) -> list[str]:
    """What was stopped is `killed`, whoever collects it; both words are true of this run."""
    return [run] if service.row(run)["outcome"] == "unknown" else []


def test_when_reaper_and_command_are_killed_the_end_is_unknown_and_the_next_fire_goes_on(service):
    service.start(TASKS)
    (first,) = service.wait_begun("t", 1)
    reaper = wait_own(service)
    service.kill()
    kill_hard(reaper, first.pid, *service.processes_of(first.run))
    service.start()
    service.wait_row(first.run)
    (service.scratch / "go").touch()
    service.wait_more("t")
    service.torch("stop")
    service.judge(most={"t": 1}, every_second=["t"], unknown=[first.run])


def test_a_daemon_tasks_run_whose_reaper_was_killed_is_not_doubled(service):
    service.start(
        f"tasks:\n  - {{name: d, type: daemon, max: 2, command: '{BEGIN}; exec sleep 100000'}}\n"
    )
    one, two = service.wait_begun("d", 2)
    kill_reaper(service, DOWN)
    assert service.task("d")["running"] == 2
    assert len(service.begun("d")) == 2 and alive(one.pid) and alive(two.pid)
    kill_hard(one.pid)
    third = service.wait_begun("d", 3)[2]
    assert alive(third.pid) and alive(two.pid)
    service.torch("stop")
    service.judge(most={}, unknown=[one.run, *_killed_or_unknown(service, two.run)])


@pytest.mark.parametrize("by", ["stop", "kill", "a timeout"])
def test_a_stranger_with_a_repeated_pid_is_never_signalled(service, by):
    """What a journal says of a pid is not believed where another process has it by now."""
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        service.start(
            f"""
tasks:
  - name: t
    schedule: "@yearly"
    timeout: {"2s" if by == "a timeout" else "1h"}
    command: '{BEGIN}; exec sleep 100000'
"""
        )
        run = service.torch("run", "t").strip()
        service.wait_begun("t", 1)
        service.wait_running("t")
        reaper = wait_own(service)
        service.kill()
        kill_hard(reaper)
        service.kill_tasks()
        (journal,) = (service.state / "reapers").glob("*/journal")
        with journal.open("a") as file:
            file.write(f"S {run} {stranger.pid} 12345 .\n")
        service.edit_history(f"UPDATE run SET pid = {stranger.pid}")
        service.start()
        assert service.wait_row(run)["outcome"] == "unknown"
        if by == "kill":
            assert run not in service.finished("kill", "t").stdout
        if by == "a timeout":  # another run of the task passes it, and so would the first
            service.wait_row(service.torch("run", "t").strip())
        service.torch("stop")
        assert stranger.poll() is None and alive(stranger.pid)
        service.judge(most={}, unknown=[run])
    finally:
        stranger.kill()
        stranger.wait()


def test_after_a_boot_what_ran_is_unknown_and_everything_goes_on(service):
    service.start(
        f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(3)}'
  - name: slow
    schedule: "@yearly"
    command: '{BEGIN}; exec sleep 100000'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
  - name: at-boot
    schedule: "@reboot"
    command: '{begin_and_end(0)}'
"""
    )
    service.torch("run", "slow")
    (slow,), (keeper,) = service.wait_begun("slow", 1), service.wait_begun("keeper", 1)
    service.wait_more("beat")
    booted = len(service.begun("at-boot"))
    _boot(service)
    service.start()
    service.wait_begun("keeper", 2)
    service.wait_begun("at-boot", booted + 1)
    service.wait_more("beat")
    assert len(service.begun("slow")) == 1
    service.torch("stop")
    cut_off = [r["id"] for r in service.rows("beat") if r["outcome"] == "unknown"]
    assert len(cut_off) <= 1  # the beat that the boot ended, if it hit one
    service.judge(most={"beat": 1}, every_second=["beat"], unknown=[slow.run, keeper.run, *cut_off])


def _boot(service: Patient) -> None:
    """What a boot does: the service and all processes die, and the kernel has a new name."""
    reaper = wait_own(service)
    service.kill()
    kill_hard(reaper)
    service.kill_tasks()
    (journal,) = (service.state / "reapers").glob("*/journal")
    first, _, rest = journal.read_text().partition("\n")
    journal.write_text(f"{first.rsplit(' ', 2)[0]} another .\n{rest}")
    service.edit_history(
        "UPDATE run SET boot_id = 'another'",
        "UPDATE meta SET value = 'another' WHERE key = 'boot_id'",
    )
