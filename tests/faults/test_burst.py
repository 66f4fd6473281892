"""Thousands of fires due at once: `max` holds, and each has its one disposition."""

from __future__ import annotations

from collections import Counter

from tests.faults.patient import once
from tests.faults.witness import BEGIN, begin_and_end
from tests.waiting import until


def test_all_fires_of_one_second_start_once_however_many(service, size, figure):
    many = size.of(quick=300, long=10_000)
    lead = size.of(quick=3, long=30)
    service.start("tasks: []\n")
    schedule = once(lead)
    service.write(
        "tasks:"
        + "".join(
            f"\n  - {{name: t{n}, schedule: '{schedule}', timezone: UTC, command: '{BEGIN}'}}"
            for n in range(many)
        )
        + "\n"
    )
    service.torch("reload")
    until("all have begun", lambda: len(service.witness()) >= many, deadline=lead + 180)
    until("all have ended", lambda: not service.processes(), deadline=180)
    until("all are recorded", lambda: _finished(service) >= many, deadline=60, pause=0.2)
    service.torch("stop")
    begun = Counter(line.task for line in service.witness())
    fires = {line.fire for line in service.witness()}
    assert len(begun) == many and set(begun.values()) == {1} and len(fires) == 1
    rows = service.rows()
    assert Counter(row["task"] for row in rows) == begun
    assert {(row["outcome"], row["exit_code"]) for row in rows} == {("succeeded", 0)}
    figure(f"{many} fires of one second: {len(rows)} rows, 0 lost, 0 doubled")


def _finished(service) -> int:
    return sum(row["state"] == "finished" for row in service.rows())


def test_ten_thousand_late_fires_of_a_task_hold_max_and_have_each_its_disposition(service, size):
    """The service was away for 10 000 s: 10 000 fires of each task fall due at once."""
    away = 10_000
    service.start(
        f"""
tasks:
  - name: each
    schedule: "* * * * * *"
    catch_up: all
    max: 5
    command: '{begin_and_end(0, "sleep 0.02")}'
  - name: last
    schedule: "* * * * * *"
    catch_up: last
    command: '{begin_and_end(3)}'
  - name: none
    schedule: "* * * * * *"
    command: '{begin_and_end(7)}'
"""
    )
    service.wait_begun("none", 1)
    service.torch("stop")
    (service.scratch / "witness").unlink()
    service.edit_history(
        "DELETE FROM run",
        f"UPDATE meta SET value = value - {away} WHERE key = 'watermark'",
        f"UPDATE in_force SET since = since - {away}",
    )
    service.start()
    until("each has caught up", lambda: len(service.begun("each")) >= 104, deadline=60)
    service.wait_more("none")
    service.torch("stop")
    tasks = ["each", "last", "none"]
    rows = service.judge(most={"each": 5, "last": 1, "none": 1}, every_second=tasks)
    for task in tasks:
        assert sum(row["count"] for row in rows if row["task"] == task) >= away
    begun = [line.fire for line in service.begun("each")]
    assert sorted(begun) == sorted(set(begun))
    missed = [row for row in rows if row["outcome"] == "missed"]
    assert len(missed) <= 2 * len(tasks)
