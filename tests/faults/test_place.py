"""The service's directories are taken from it: it ends, or makes again what was removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import LONG
from tests.faults.patient import kill_hard
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import until

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
"""


@pytest.fixture
def services() -> Iterator[list[int]]:
    """Pids of services that `cleanup` would not find, because their lock is gone."""
    pids: list[int] = []
    yield pids
    kill_hard(*pids)


def _remove(folder: Path) -> None:
    """At one instant, and another is there for the log: whoever lives in it makes things there
    meanwhile, and what it says while there is none is lost."""
    gone = folder.with_name("gone")
    folder.rename(gone)
    folder.mkdir(0o700)
    shutil.rmtree(gone)


def _is_one_for_each_second(service) -> bool:
    fires = [line.fire for line in service.begun("beat")]
    return len(fires) == len(set(fires))


def test_a_service_whose_directory_was_removed_gives_way_to_the_new_one(service, services):
    old = service.start(TASKS)
    services.append(old)
    (first,) = [line.pid for line in service.wait_begun("keeper", 1)]
    service.wait_begun("beat", 1)
    kept = os.open(service.state / "torch.log", os.O_RDONLY)  # what the old service says
    _remove(service.state)
    new = service.start()
    service.wait_begun("keeper", 2)
    until("the old service is gone", lambda: not alive(old))
    assert not alive(first)
    count = len(service.begun("beat"))
    service.wait_begun("beat", count + 3)
    assert service.pid == new and service.status()["pid"] == new
    assert _is_one_for_each_second(service)
    said = os.pread(kept, 2**20, 0).decode() + service.log()
    os.close(kept)
    assert "event=place_lost" in said and "level=error" in said
    service.torch("stop")
    rows = service.rows("beat")
    assert {line.run for line in service.begun("beat")[-3:]} <= {row["id"] for row in rows}
    assert all(row["state"] == "finished" for row in service.rows())
    assert list(service.state.glob("*damaged*")) == []


def test_a_service_whose_lock_was_removed_ends_itself_and_what_it_runs(service, services):
    old = service.start(TASKS)
    services.append(old)
    (first,) = [line.pid for line in service.wait_begun("keeper", 1)]
    (service.state / "torch.lock").unlink()
    until("the service is gone", lambda: not alive(old))
    assert not alive(first) and service.processes() == []
    assert "torch.lock was removed; this service will stop its runs and exit" in service.log()
    assert all(row["state"] == "finished" for row in service.rows())
    service.start()
    service.wait_more("beat")


@pytest.mark.skipif(not LONG, reason="the beat comes once a minute; tests/daemon/test_place.py")
def test_what_a_cleaner_removed_from_the_run_directory_is_made_again_within_a_minute(service):
    run_dir, log_dir = service.folder / "run", service.folder / "log"
    service.more_options = ["--run-dir", str(run_dir), "--log-dir", str(log_dir)]
    pid = service.start(TASKS)
    shutil.rmtree(run_dir)

    def answers() -> bool:
        done = service.finished("status", "--json")
        return done.returncode == 0 and f'"pid": {pid}' in done.stdout

    until("the service answers again", answers, deadline=70)
    made = {path.name for path in run_dir.iterdir()}
    assert made == {"torch.lock", "torch.pid", "torch.sock"}
    assert "event=place_restored" in service.log()
    assert "already running" in service.error("start", code=75)
