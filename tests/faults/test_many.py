"""Very many live runs: they are started, shown, adopted and stopped, and cost little memory."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.patient import Patient
from tests.faults.reapers import wait_own
from tests.faults.witness import BEGIN
from tests.waiting import until

COMMAND = f"{BEGIN}; exec sleep 100000"


def test_very_many_live_runs_are_started_adopted_and_stopped(service, size, figure):
    many = size.of(quick=300, long=10_000)
    _skip_where_too_many(many)
    began = time.monotonic()
    service.start(f"tasks:\n  - {{name: d, type: daemon, max: {many}, command: '{COMMAND}'}}\n")
    until("all have begun", lambda: len(service.begun("d")) >= many, deadline=300, pause=0.2)
    up = time.monotonic() - began
    _wait_recorded(service, many)
    reaper = wait_own(service)
    _say(service, figure, f"{many} live runs, begun in {up:.1f} s", reaper)
    assert _status(service) == many
    began = time.monotonic()
    service.torch("restart", deadline=300)
    again = time.monotonic() - began
    assert _status(service) == many and len(service.begun("d")) == many
    _say(service, figure, f"{many} adopted in {again:.1f} s", reaper, wait_own(service))
    began = time.monotonic()
    service.torch("stop", "--timeout", "300", deadline=400)
    figure(f"{many} stopped in {time.monotonic() - began:.1f} s")
    assert len(service.begun("d")) == many, "one each"
    service.judge(most={})


def _skip_where_too_many(many: int) -> None:
    """Each is a process; beside them there are others."""
    limits = [
        int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max")
    ]
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    limits += [soft] if soft != resource.RLIM_INFINITY else []
    if min(limits) < many * 1.5:
        pytest.skip(f"this host has room for {min(limits)} processes")


def _status(service: Patient) -> int:
    shown = service.json("status", "--timeout", "60")["tasks"]
    return int(shown[0]["running"])


def _wait_recorded(service: Patient, many: int) -> None:
    """Until the history has all their pids: the service has heard of each."""

    def all_there() -> bool:
        with contextlib.closing(sqlite3.connect(service.history)) as db:
            sql = "SELECT count(*) FROM run WHERE pid IS NOT NULL"
            return bool(db.execute(sql).fetchone()[0] >= many)

    until("all are recorded", all_there, deadline=300, pause=0.5)


def _say(service: Patient, figure: Callable[[str], None], what: str, *reapers: int) -> None:
    sizes = ", ".join(f"a reaper {_resident(pid):.1f} MiB" for pid in reapers)
    figure(f"{what}: the service {_resident(service.pid):.1f} MiB, {sizes}")


def _resident(pid: int) -> float:
    words = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()
    return int(words[0]) / 1024
