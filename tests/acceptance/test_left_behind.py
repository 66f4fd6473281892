"""What a run that ended by itself leaves behind stays, as under cron, and is named."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.service import Service, alive
from tests.waiting import until

LEAVES = """
tasks:
  - name: keeps
    schedule: "@yearly"
    command: (setsid sh -c 'echo $$ >>DIR/keeps; exec sleep 543' >/dev/null 2>&1 </dev/null &)
  - name: clears
    schedule: "@yearly"
    command: (env -i setsid sh -c 'echo $$ >>DIR/clears; exec sleep 543' >/dev/null 2>&1 &)
  - name: sets-back
    schedule: "@yearly"
    command: >-
      (env -i setsid python3 -c 'import os, resource; resource.setrlimit(15, (-1, -1));
      print(os.getpid(), flush=True); os.execv("/bin/sleep", ["sleep", "543"])' >>DIR/sets-back &)
"""

NAMES = ("keeps", "clears", "sets-back")

LATER = "tasks:" + "".join(
    f"""
  - name: {name}
    schedule: "@yearly"
    command: exec sleep 600
"""
    for name in NAMES
)


@pytest.fixture
def left(service: Service):
    """Name -> pid of what its run left; all of it is ended when the test is over."""
    service.start(LEAVES)
    found = {}
    for name in NAMES:
        service.torch("run", name, "--wait")
        found[name] = int(service.wait_lines(name, 1)[0])
    yield found
    for pid in found.values():
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def named(service: Service) -> dict[int, tuple[str | None, str | None, str]]:
    found = service.status()["left_behind"]
    return {each["pid"]: (each["task"], each["run"], each["name"]) for each in found}


def newest(service: Service, name: str) -> str:
    return str(service.json("runs", name)["runs"][0]["id"])


def test_it_is_named_with_its_run_where_that_is_known(service, left):
    assert named(service) == {
        left["keeps"]: ("keeps", newest(service, "keeps"), "sleep"),
        left["clears"]: ("clears", newest(service, "clears"), "sleep"),
        left["sets-back"]: (None, None, "sleep"),
    }
    shown = service.torch("status")
    assert "3 processes left behind by ended runs: sleep (pid " in shown


def test_explain_says_what_a_run_left_behind(service):
    at = datetime.now(UTC) + timedelta(seconds=3)
    fire = f"{at.second} {at.minute} {at.hour} {at.day} {at.month} *"
    service.start(
        f"""
tasks:
  - name: t
    schedule: "{fire}"
    timezone: UTC
    command: (env -i setsid sh -c 'echo $$ >>DIR/t; exec sleep 543' >/dev/null 2>&1 </dev/null &)
"""
    )
    pid = int(service.wait_lines("t", 1)[0])
    until("the run has ended", lambda: service.json("runs")["runs"][0]["ended_at"])
    assert f"it left 1 process behind: sleep (pid {pid})" in service.torch("explain", "t")
    os.kill(pid, signal.SIGKILL)
    until("it is gone", lambda: not alive(pid))
    assert "behind" not in service.torch("explain", "t")


def test_it_is_never_signalled_and_nothing_is_said_of_it_when_it_is_gone(service, left):
    service.write(LATER)
    service.torch("reload")
    for name in NAMES:
        service.torch("run", name)
    until("all run", lambda: all(service.task(name)["runs"] for name in NAMES))
    for name in NAMES:
        service.torch("kill", name)
    until("all are killed", lambda: not any(service.task(n)["running"] for n in NAMES))
    assert all(map(alive, left.values()))
    service.torch("restart")
    assert all(map(alive, left.values()))
    service.torch("stop", "--now")
    assert all(map(alive, left.values()))
    service.start()
    for pid in left.values():
        os.kill(pid, signal.SIGKILL)
    until("nothing is named", lambda: named(service) == {})
    assert "left behind" not in service.torch("status")
