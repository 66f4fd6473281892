"""Signals and starts at bad moments: one service, the newest file, nothing lost, nothing left."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial
from pathlib import Path

from tests.faults.patient import Patient
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import let_pass, until

BEAT = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
"""
STUBBORN = """
  - name: stubborn
    type: daemon
    grace: 10m
    command: trap '' TERM; echo $$ >>DIR/stubborn; while :; do sleep 0.05; done
"""


def test_of_two_starts_at_once_exactly_one_lives_and_the_other_names_it(service, size):
    service.write("tasks: []\n")
    for _ in range(size.of(quick=5, long=100)):
        starters = [service.begin_start() for _ in range(2)]
        said = [starter.communicate(timeout=60) for starter in starters]
        codes = sorted(starter.returncode for starter in starters)
        assert codes == [0, 75], said
        pid = service.pid
        assert f"torch is ready, pid {pid}\n" in [out for out, _ in said], said
        assert any(f"already running, pid {pid}\n" in err for _, err in said), said
        until("one lives", partial(_lives_alone, service, pid))
        service.kill()


def _lives_alone(service: Patient, pid: int) -> bool:
    return _services(service) == [pid]


def _services(service: Patient) -> list[int]:
    """Pids of the services of this state directory, as /proc says."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if b"torch.daemon\0" in command and str(service.state).encode() in command:
                found.append(int(process.name))
    return [pid for pid in found if alive(pid)]


def test_a_reload_signal_at_any_instant_of_the_start_harms_nothing(service, size):
    delays = size.of(quick=range(0, 181, 45), long=range(0, 181, 2))
    for number, delay in enumerate(delays):
        service.write(_named(f"old-{number}"))
        starter = service.begin_start()
        (pid,) = until("it is there", lambda: _services(service)[:1])
        let_pass(delay / 1000)
        service.write(_named(f"new-{number}"))
        with contextlib.suppress(ProcessLookupError):  # it detaches by forking
            os.kill(service.pid or pid, signal.SIGUSR2)
        out, err = starter.communicate(timeout=60)
        assert starter.returncode == 0, (delay, out, err)
        until("the newest file is in force", partial(_has, service, f"new-{number}"))
        service.torch("stop", "--now")


def _named(name: str) -> str:
    return f"tasks:\n  - {{name: {name}, schedule: '@yearly', command: exit 0}}\n"


def _has(service: Patient, name: str) -> bool:
    return name in [task["name"] for task in service.status()["tasks"]]


def test_a_thousand_reload_signals_in_a_second_lose_no_fire(service):
    pid = service.start(BEAT)
    service.wait_begun("beat", 1)
    began = time.monotonic()
    readers = []
    for count in range(1000):
        os.kill(pid, signal.SIGUSR2)
        if count % 50 == 0:
            service.write(BEAT + f"# {count}\n")
            readers.append(_readers(pid))
        let_pass(max(0, began + count / 1000 - time.monotonic()))
    assert max(readers) <= 1, "a reading at a time"
    service.wait_more("beat", more=2)
    assert service.pid == pid
    service.torch("stop")
    rows = service.judge(most={"beat": 1}, every_second=["beat"])
    assert {row["outcome"] for row in rows} <= {"succeeded", "killed", "skipped"}


def _readers(service: int) -> int:
    """Readers of the task file that live at this instant."""
    children = Path(f"/proc/{service}/task/{service}/children").read_text().split()
    found = 0
    for child in children:
        with contextlib.suppress(OSError):
            found += b"taskfile.reader" in Path(f"/proc/{child}/cmdline").read_bytes()
    return found


def test_a_stop_signal_during_a_reload_stops(service):
    pid = service.start(BEAT + STUBBORN.replace("10m", "500ms"))
    service.wait_begun("beat", 1)
    service.wait_lines("stubborn", 1)
    service.write(BEAT + STUBBORN + "# changed\n")
    os.kill(pid, signal.SIGUSR2)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGUSR2)
    until("the service is gone", lambda: not alive(pid))
    service.judge(most={"beat": 1}, every_second=["beat"])
    assert not (service.state / "torch.pid").exists()


def test_a_stop_signal_at_any_instant_of_the_start_leaves_nothing(service, size):
    service.write(BEAT + STUBBORN.replace("10m", "500ms"))
    for delay in size.of(quick=range(0, 300, 75), long=range(0, 400, 4)):
        starter = service.begin_start()
        until("it is there", lambda: _services(service)[:1])
        let_pass(delay / 1000)
        if pid := service.pid:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGTERM)
        starter.communicate(timeout=60)
        if not pid:
            service.torch("stop", "--now")
        until("the service is gone", lambda: not _services(service))
        assert service.processes() == []


def test_two_stops_at_once_both_return_when_it_is_gone(service):
    pid = service.start(BEAT + STUBBORN.replace("10m", "500ms"))
    service.wait_begun("beat", 1)
    service.wait_lines("stubborn", 1)
    stops = [service.popen("stop") for _ in range(2)]
    said = [stop.communicate(timeout=60) for stop in stops]
    assert not alive(pid)
    codes = [stop.returncode for stop in stops]
    assert 0 in codes and set(codes) <= {0, 3}, said
    service.judge(most={"beat": 1}, every_second=["beat"])


def test_a_frozen_service_decides_each_fire_when_it_thaws(service, size, figure):
    """SIGSTOP for a while: the newest fire starts and the rest is one missed row, or with
    `catch_up: all` each starts in its turn; a change of the file is seen, and no run is hurt."""
    text = f"""
tasks:
  - name: newest
    schedule: "* * * * * *"
    start_within: 1s
    command: '{begin_and_end(0)}'
  - name: each
    schedule: "* * * * * *"
    start_within: 1s
    catch_up: all
    command: '{begin_and_end(3)}'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
"""
    pid = service.start(text)
    (kept,) = service.wait_begun("keeper", 1)
    service.wait_begun("each", 1)
    os.kill(pid, signal.SIGSTOP)
    frozen = time.monotonic()
    seconds = size.of(quick=5, long=60)
    service.write(text + "  - {name: new, schedule: '@yearly', command: exit 0}\n")
    until("time has gone by", lambda: time.monotonic() > frozen + seconds, deadline=seconds + 30)
    os.kill(pid, signal.SIGCONT)
    until("the new file is in force", lambda: _has(service, "new"))
    service.wait_more("newest")
    assert alive(kept.pid) and len(service.begun("keeper")) == 1
    service.torch("stop")
    rows = service.judge(most={"newest": 1, "each": 1}, every_second=["newest", "each"])
    missed = [row for row in rows if row["outcome"] == "missed"]
    assert {row["task"] for row in missed} == {"newest"}
    assert max(row["count"] for row in missed) >= seconds - 2
    fires = [line.fire for line in service.begun("each")]
    assert fires == sorted(fires) and len(fires) >= seconds
    figure(f"frozen {seconds} s: {sum(r['count'] for r in missed)} missed in {len(missed)} rows, "
           f"{len(fires)} caught up, 0 lost, 0 doubled")  # fmt: skip
