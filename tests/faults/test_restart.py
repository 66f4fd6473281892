"""A service that changes again and again: no row is lost, and the history stays where it is."""

from __future__ import annotations

from tests.faults.witness import begin_and_end

MANY = "tasks:\n" + "".join(
    f"  - {{name: short-{n}, schedule: '* * * * * *', command: 'sleep 0.{n:02}'}}\n"
    for n in range(40)
)
BOOT = f"""
  - name: boot
    schedule: "@reboot"
    command: '{begin_and_end(0)}'
"""


def test_restarts_while_runs_end_keep_the_history_and_run_reboot_tasks_once(service, size, figure):
    service.start(MANY + BOOT)
    service.wait_begun("boot", 1)
    number = size.of(quick=12, long=100)
    for _ in range(number):
        service.torch("restart")
    service.torch("stop")
    assert [path.name for path in service.state.glob("history.db.*")] == []
    assert "history_set_aside" not in service.log()
    assert "level=error" not in service.log()
    assert len(service.begun("boot")) == 1
    rows = service.rows()
    assert all(row["state"] == "finished" for row in rows)
    figure(f"{number} restarts beside 40 tasks a second: {len(rows)} rows, all finished")
