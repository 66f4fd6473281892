"""A history that cannot be written: nothing starts unrecorded, an alarm, and then it goes on."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import pytest

from tests.faults.disks import fill, immutable, mounted
from tests.faults.patient import Patient
from tests.faults.witness import BEGIN, begin_and_end, second_of
from tests.waiting import until

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
  - name: slow
    schedule: "* * * * * *"
    max: 2
    command: '{begin_and_end(3, "sleep 1.4")}'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
"""
MOST = {"beat": 1, "slow": 2}


@pytest.fixture
def small(service):
    """The service's state directory on a small disk; its log and output are elsewhere."""
    log_dir = service.folder / "log"
    service.more_options = ["--log-dir", str(log_dir)]
    with mounted(service.state, "2m"):
        yield service
        service.cleanup()


def test_while_the_disk_is_full_nothing_starts_and_then_it_goes_on_by_itself(small, size):
    pid = small.start(TASKS)
    small.wait_begun("slow", 1)
    filler = fill(small.state)
    _nothing_starts(small, size.of(quick=1, long=30))
    filler.unlink()
    assert _missed_with_the_reason(_goes_on(small, pid), "full")


def test_a_service_killed_on_a_full_disk_starts_when_there_is_room_and_else_says_why(small):
    small.start(TASKS)
    small.wait_begun("slow", 1)
    small.wait_begun("beat", 1)
    filler = fill(small.state)
    _nothing_starts(small, 1)
    small.kill()
    fill(small.state)
    done = small.finished("start")
    assert "Traceback" not in done.stderr
    if done.returncode:  # else there was room enough in the pages it has already
        assert done.returncode in (75, 77, 78)
        assert "full" in done.stderr or "space" in done.stderr, done.stderr
    filler.unlink()
    if done.returncode:
        small.start()
    _goes_on(small, small.pid)


def test_while_another_locks_the_history_nothing_starts_and_then_it_goes_on(service, size):
    pid = service.start(TASKS)
    service.wait_begun("slow", 1)
    with contextlib.closing(sqlite3.connect(service.state / "history.db")) as db:
        db.isolation_level = None
        db.execute("PRAGMA busy_timeout = 10000")
        db.execute("BEGIN EXCLUSIVE")
        _nothing_starts(service, size.of(quick=2, long=30))
        db.execute("ROLLBACK")
    assert _missed_with_the_reason(_goes_on(service, pid), "locked")


def test_while_the_history_is_read_only_nothing_starts_and_then_it_goes_on(service, size):
    pid = service.start(TASKS)
    service.wait_begun("slow", 1)
    files = [service.state / name for name in ("history.db", "history.db-wal")]
    with immutable(*files):
        _nothing_starts(service, size.of(quick=1, long=30))
    assert _missed_with_the_reason(_goes_on(service, pid), "")


def _nothing_starts(service: Patient, fires: int) -> None:
    """An alarm is logged at once, and for so many fires no run begins."""
    service.wait_log("history_failed")
    begun = len(service.begun("beat"))
    until(
        f"{fires} fires have gone by",
        lambda: service.log().count("fires_missed") >= fires or _seconds_since(service) > fires,
        deadline=fires + 30,
    )
    assert len(service.begun("beat")) <= begun + 1
    assert service.log().count("event=history_failed") < 5 + fires * 4


def _seconds_since(service: Patient) -> float:
    """Seconds from the last run that began to the time of the file system."""
    mark = service.scratch / "now"
    mark.touch()
    return mark.stat().st_mtime - second_of(service.begun("beat")[-1].fire)


def _goes_on(service: Patient, pid: int) -> list[dict[str, Any]]:
    service.wait_more("beat", "slow")
    assert service.pid == pid
    assert len(service.begun("keeper")) == 1
    service.torch("stop")
    rows = service.judge(most=MOST, every_second=["beat", "slow"])
    assert all(row["reason"] for row in rows if row["outcome"] == "missed")
    return rows


def _missed_with_the_reason(rows: list[dict[str, Any]], reason: str) -> bool:
    missed = [row["reason"] for row in rows if row["outcome"] == "missed"]
    return any("could not be written" in text and reason in text for text in missed)


def test_a_pause_on_a_full_disk_is_refused_with_the_reason_and_a_restart_finds_the_task_so(small):
    small.start(TASKS)
    small.wait_begun("beat", 1)
    small.torch("pause", "slow")
    filler = fill(small.state)
    _nothing_starts(small, 1)
    for words in (("pause", "beat"), ("resume", "slow")):
        assert "the history could not be written" in small.error(*words, code=75)
    assert (small.task("beat")["paused"], bool(small.task("slow")["paused"])) == (None, True)
    small.kill()
    filler.unlink()
    small.start()
    assert (small.task("beat")["paused"], bool(small.task("slow")["paused"])) == (None, True)
