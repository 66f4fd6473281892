"""A journal or an output that cannot be written: nothing starts without its record, and what goes
on says what it could not keep."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable
from typing import Any

from tests.faults.disks import fill, frozen, immutable, looped, mounted
from tests.faults.patient import Patient
from tests.faults.reapers import wait_own
from tests.faults.witness import BEGIN, begin_and_end
from tests.waiting import until

BEAT = f"""
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0, "echo said")}'
"""
TASKS = f"""
tasks:
{BEAT}
  - name: slow
    schedule: "* * * * * *"
    max: 2
    command: '{begin_and_end(3, "sleep 1.4")}'
  - name: waits
    schedule: "@yearly"
    command: '{begin_and_end(7, "while [ ! -e DIR/go ]; do sleep 0.05; done")}'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
"""
MOST = {"beat": 1, "slow": 2, "waits": 1}


def test_while_the_journal_cannot_be_written_nothing_begins_and_ends_are_known(service, size):
    """Its disk is full. What ends meanwhile is known, here and to the next service."""
    with mounted(service.state / "reapers", "64k") as disk:
        service.state.chmod(0o700)
        service.start(TASKS)
        run = service.torch("run", "waits").strip()
        service.wait_begun("waits", 1)
        service.wait_more("beat")
        filler = fill(disk)
        _fires_fail(service, "beat", size.of(quick=2, long=30), lambda: fill(disk))
        service.wait_log("the journal of runs")
        (service.scratch / "go").touch()
        assert service.wait_row(run)["exit_code"] == 7
        filler.unlink()
        _goes_on(service)


def test_while_the_journal_is_read_only_nothing_begins_and_then_it_goes_on(service, size):
    service.start(TASKS)
    service.wait_more("beat")
    (journal,) = (service.state / "reapers").glob("*/journal")
    with immutable(journal):
        _fires_fail(service, "beat", size.of(quick=1, long=30))
        service.wait_log("the journal of runs")
    _goes_on(service)


def test_a_service_killed_on_a_full_disk_leaves_what_the_next_one_can_tell(service):
    """Its reaper lives, and knows what it could not write down."""
    with mounted(service.state / "reapers", "64k") as disk:
        service.state.chmod(0o700)
        service.start(TASKS)
        run = service.torch("run", "waits").strip()
        service.wait_begun("waits", 1)
        service.wait_more("beat")
        filler = fill(disk)
        service.kill()
        (service.scratch / "go").touch()
        until("the run is over", lambda: not service.processes_of(run))
        filler.unlink()
        service.start()
        assert service.wait_row(run)["exit_code"] == 7
        _goes_on(service)


def test_while_no_fifo_can_be_made_fires_fail_with_the_reason(service):
    """Where none is free: each of these runs keeps its own."""
    command = begin_and_end(0, "while [ ! -e DIR/go ]; do sleep 0.05; done")
    service.start(
        f"""
tasks:
  - name: holds
    schedule: "* * * * * *"
    max: 100
    command: '{command}'
"""
    )
    service.wait_more("holds")
    (journal,) = (service.state / "reapers").glob("*/journal")
    with immutable(journal.parent):
        _fires_fail(service, "holds", 1)
        assert "permitted" in _failed(service, "holds")[0]["reason"]
    service.wait_more("holds")
    (service.scratch / "go").touch()
    service.torch("stop")
    service.judge(most={"holds": 100}, every_second=["holds"])


def test_bytes_that_a_full_disk_does_not_take_are_counted_and_the_task_goes_on(service):
    _log_elsewhere(service)
    with mounted(service.folder / "log" / "output", "256k"):
        service.start(
            f"""
tasks:
{BEAT}
  - name: floods
    schedule: "@yearly"
    command: '{begin_and_end(5, "head -c 4000000 /dev/zero | tr '.' x; echo >&2 bye")}'
""".replace("'.'", '"\\0"')
        )
        run = service.torch("run", "floods").strip()
        assert service.wait_row(run)["exit_code"] == 5
        service.wait_log(f"the output of run {run}")
        assert "could not be written" in service.log() and "space" in service.log()
        service.wait_more("beat")
        service.torch("stop")
        service.judge(most={"beat": 1}, every_second=["beat"])


def test_while_the_disk_of_outputs_is_frozen_runs_begin_and_end(service, size, figure):
    """What they print waits; their ends are told all the same."""
    _log_elsewhere(service)
    with looped(service.folder / "log" / "output", service.folder / "disk"):
        pid = service.start(TASKS)
        service.wait_more("beat", "slow")
        with frozen(service.folder / "log" / "output"):
            began = len(service.begun("beat"))
            seconds = size.of(quick=6, long=60)
            end = time.monotonic() + seconds
            until("time has gone by", lambda: time.monotonic() > end, deadline=seconds + 30)
            begun = len(service.begun("beat")) - began
            asked = time.monotonic()
            service.status()
            answered = time.monotonic() - asked
        figure(f"output frozen for {seconds} s: {begun} runs of a task of each second began")
        assert begun >= seconds // 4, "an end waits for 2 s, and the next begins"
        assert answered < 5
        assert service.pid == pid
        _goes_on(service)


def test_while_the_disk_of_journals_is_frozen_nothing_begins_and_then_it_goes_on(service, size):
    """Whoever must write down waits for the disk; the service answers meanwhile."""
    service.write(TASKS)
    service.state.mkdir(mode=0o700)
    with looped(service.state / "reapers", service.folder / "disk"):
        service.start()
        service.wait_more("beat", "slow")
        with frozen(service.state / "reapers"):
            seconds = size.of(quick=3, long=60)
            end = time.monotonic() + seconds
            until("time has gone by", lambda: time.monotonic() > end, deadline=seconds + 30)
            assert service.status()["tasks"]
        _goes_on(service)


def test_a_limit_on_the_size_of_files_is_not_for_the_journal_alone(service):
    """RLIMIT_FSIZE, which no privilege is needed for: the reaper is told EFBIG, and does not die of
    SIGXFSZ."""
    service.start(TASKS)
    service.wait_more("beat")
    pid = wait_own(service)
    (journal,) = (service.state / "reapers").glob("*/journal")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (journal.stat().st_size + 5, before[1]))
    _fires_fail(service, "beat", 1)
    service.wait_log("the journal of runs")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    _goes_on(service)
    assert "it was killed" not in service.log()


def _log_elsewhere(service: Patient) -> None:
    service.more_options = ["--log-dir", str(service.folder / "log")]
    (service.folder / "log").mkdir(mode=0o750)


def _failed(service: Patient, task: str) -> list[dict[str, Any]]:
    return [row for row in service.rows(task) if row["outcome"] == "failed" and row["reason"]]


def _fires_fail(
    service: Patient, task: str, count: int, again: Callable[[], object] = lambda: None
) -> None:
    """From the first failure on nothing begins, for so many fires. `again` is done meanwhile: a
    page that is there already may have room."""
    failed = len(_failed(service, task))

    def more(count: int) -> bool:
        again()
        return len(_failed(service, task)) >= failed + count

    until("a fire fails", lambda: more(1))
    begun = len(service.begun(task))
    until("fires fail", lambda: more(1 + count), deadline=count + 30)
    assert len(service.begun(task)) <= begun


def _goes_on(service: Patient) -> None:
    service.wait_more("beat", "slow")
    assert len(service.begun("keeper")) == 1
    service.torch("stop")
    service.judge(most=MOST, every_second=["beat", "slow"])
    with contextlib.suppress(FileNotFoundError):
        assert not [*(service.state / "reapers").iterdir()]
