"""A history that is damaged: the service runs on a new one, and says where the old one is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from tests.faults.conftest import LONG
from tests.faults.patient import Patient
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
  - name: slow
    schedule: "@yearly"
    max: 2
    command: '{begin_and_end(3, "while [ ! -e DIR/go ]; do sleep 0.05; done")}'
  - name: keeper
    type: daemon
    max: 2
    command: '{BEGIN}; exec sleep 100000'
"""


def _garbage(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 1000)


def _torn_pages(path: Path) -> None:
    """The head is whole, so it opens; what stands behind it is not."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def _cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = {"garbage": _garbage, "torn pages": _torn_pages, "cut short": _cut_short}


def _damage(service: Patient, damage: str) -> None:
    """Everything goes into the one file first: what a killed service has in its WAL is whole."""
    path = service.state / "history.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        (service.state / f"history.db{suffix}").unlink(missing_ok=True)
    DAMAGE[damage](path)


def _set_aside(service: Patient) -> list[str]:
    """Names of the files that were set aside; the log names each."""
    found = sorted(
        path.name
        for path in service.state.glob("history.db*")
        if path.name not in ("history.db", "history.db-wal", "history.db-shm")
    )
    assert any(name in service.log() for name in found), (found, service.log()[-2000:])
    return found


@pytest.mark.parametrize("damage", DAMAGE if LONG else ["garbage"])
def test_a_damaged_history_is_set_aside_and_the_service_runs(service, damage):
    service.start(TASKS)
    service.wait_begun("beat", 1)
    service.torch("stop")
    before = {line.run for line in service.witness()}
    _damage(service, damage)
    service.start()
    service.wait_more("beat")
    assert len(_set_aside(service)) >= 1
    service.torch("stop")
    after = {row["id"] for row in service.rows()}
    new = {line.run for line in service.witness()} - before
    assert new and new <= after
    assert all(row["state"] == "finished" for row in service.rows())


@pytest.mark.parametrize("damage", DAMAGE if LONG else ["torn pages"])
def test_runs_that_live_are_found_though_the_history_is_damaged(service, damage):
    service.start(TASKS)
    keepers = [line.pid for line in service.wait_begun("keeper", 2)]
    runs = [service.torch("run", "slow").strip() for _ in range(2)]
    service.wait_begun("slow", 2)
    service.kill()
    _damage(service, damage)
    service.start()
    assert _set_aside(service)
    assert all(map(alive, keepers)) and len(service.begun("keeper")) == 2
    assert service.task("keeper")["running"] == 2
    assert {run["id"] for run in service.task("slow")["runs"]} == set(runs)
    assert "max is 2" in service.error("run", "slow", code=75)
    (service.scratch / "go").touch()
    assert [service.wait_row(run)["exit_code"] for run in runs] == [3, 3]
    service.wait_more("beat")
    service.torch("stop")
    assert not any(map(alive, keepers)) and service.run_files() == []


def test_a_history_that_is_damaged_while_the_service_runs_stops_nothing_that_lives(service):
    pid = service.start(TASKS)
    keepers = [line.pid for line in service.wait_begun("keeper", 2)]
    service.wait_begun("beat", 1)
    with (service.state / "history.db-wal").open("r+b") as file:
        file.write(b"\xff" * 100_000)
    with (service.state / "history.db").open("r+b") as file:
        file.write(b"\xff" * 100_000)
    service.wait_more("beat", more=3)
    assert service.pid == pid
    assert all(map(alive, keepers)) and len(service.begun("keeper")) == 2
    service.torch("stop")
    assert not any(map(alive, keepers))


def _zero_the_head(service: Patient) -> None:
    with (service.state / "history.db").open("r+b") as file:
        file.write(bytes(100))


def _vacuum(service: Patient) -> None:
    """Of a file that a person had made much larger."""
    service.edit_history("CREATE TABLE big AS SELECT randomblob(2000000)")
    service.edit_history("PRAGMA wal_checkpoint(TRUNCATE)")
    service.wait_more("beat", more=2)
    service.edit_history("DROP TABLE big", "VACUUM")
    service.edit_history("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("change", [_zero_the_head, _vacuum])
def test_a_history_that_a_person_changed_and_that_is_sound_is_used_on(service, change):
    service.start(TASKS)
    service.wait_begun("beat", 1)
    service.edit_history("PRAGMA wal_checkpoint(TRUNCATE)")
    change(service)
    service.wait_log("event=history_reopened")
    service.wait_more("beat", more=2)
    service.torch("restart")
    service.wait_more("beat", more=2)
    service.torch("stop")
    assert "history_set_aside" not in service.log()
    assert list(service.state.glob("history.db.*")) == []
    service.judge(most={"beat": 1, "slow": 2, "keeper": 2})
