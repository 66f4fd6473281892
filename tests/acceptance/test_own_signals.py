"""A task may send its own group any signal: nothing of ours is in it."""

from __future__ import annotations

import os
import signal

from tests.acceptance.test_output import reaper
from tests.service import alive
from tests.waiting import until
from torch.client.asking import ask
from torch.settings import resolve

QUIET = "sleep 0.02; exit 0"
NUMBERS = range(1, 32)


def text() -> str:
    made = 'tasks:\n  - name: other\n    schedule: "@yearly"\n    command: exec sleep 600\n'
    for number in NUMBERS:
        made += f"""
  - name: s{number}
    schedule: "@yearly"
    timeout: 2s
    grace: 300ms
    command: |
      kill -{number} 0; {QUIET}
  - name: t{number}
    schedule: "@yearly"
    timeout: 2s
    grace: 300ms
    command: |
      trap '' {number} 2>/dev/null; kill -{number} 0; {QUIET}
"""
    return made


def test_a_signal_that_a_task_ignores_changes_nothing_for_it(service):
    command = "trap '' USR1; kill -USR1 0; sleep 0.1; exit 0"
    service.start(f'tasks:\n  - name: t\n    schedule: "@yearly"\n    command: "{command}"\n')
    service.torch("run", "t", "--wait")
    assert service.json("runs", "t")["runs"][0]["outcome"] == "succeeded"


def test_every_signal_of_a_task_to_its_own_group_touches_nothing_of_ours(service):
    pid = service.start(text())
    other = service.torch("run", "other").strip()
    first = reaper(service)
    settings = resolve({}, uid=os.geteuid(), state_dir=str(service.state))
    for name in [f"{kind}{number}" for number in NUMBERS for kind in "st"]:
        ask(settings, {"do": "run", "task": name}, timeout=30)
    until("all are over", lambda: service.status()["summary"]["runs"] == 1)
    assert service.pid == pid and reaper(service) == first and alive(first)
    ends = {run["task"]: run for run in service.json("runs", "--limit", "200")["runs"]}
    assert ends["other"]["id"] == other and ends["other"]["state"] == "running"
    ignored = [signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT]
    stops = [signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU]
    for number in NUMBERS:
        plain, deaf = ends[f"s{number}"], ends[f"t{number}"]
        if number in ignored:
            assert (plain["outcome"], plain["exit_code"]) == ("succeeded", 0), number
        elif number == signal.SIGSTOP:  # only this one stops a group without a terminal
            assert plain["outcome"] == deaf["outcome"] == "timed_out"
        elif number not in stops:
            assert (plain["outcome"], plain["signal"]) == ("failed", number), number
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            assert (deaf["outcome"], deaf["exit_code"]) == ("succeeded", 0), number
    assert (ends["t9"]["exit_code"], ends["t9"]["signal"]) == (137, 9)
