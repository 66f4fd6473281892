"""Minutes of everything at once, judged by what the tasks themselves write: a per-second task,
300 tasks due in one second, tasks that outlive their period under `max: 2`, and a daemon task
that is killed by hand every second."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from bench.host import Host
from bench.table import Figure, spread

OUTLIVING = 5
BURST = 300

TASKS = """
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: [/bin/date, "+%s.%N"]
    output: {keep: 5000}
  - name: keeper
    type: daemon
    command: echo $$ >>DIR/keeper; exec sleep 600
    restart: {delay: 100ms, healthy_after: 500ms}
"""
OUTLIVE = """
  - name: outlive-NUMBER
    schedule: "* * * * * *"
    max: 2
    overlap: OVERLAP
    command: echo + >>DIR/outlive-NUMBER; sleep 2.3; echo - >>DIR/outlive-NUMBER
"""
DUE = """
  - name: burst-NUMBER
    schedule: "*/30 * * * * *"
    command: echo $TORCH_FIRE_TIME >>DIR/burst-NUMBER
"""


def measure(*, quick: bool) -> list[Figure]:
    seconds = 40 if quick else 300
    with Host() as host:
        text = TASKS
        for number in range(OUTLIVING):
            overlap = ("skip", "queue", "replace")[number % 3]
            text += OUTLIVE.replace("NUMBER", str(number)).replace("OVERLAP", overlap)
        text += "".join(DUE.replace("NUMBER", str(number)) for number in range(BURST))
        host.write(text.replace("DIR", host.folder))
        host.start()
        alive, killed = _kill_every_second(f"{host.folder}/keeper", seconds)
        host.torch("stop")
        host.pid = 0
        return [*_beats(host), *_most(host), *_bursts(host), _keeper(alive, killed)]


def _kill_every_second(path: str, seconds: int) -> tuple[int, int]:
    """Kills the newest daemon run each second; returns the most that were alive at once, and
    how many were killed."""
    most = killed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        pids = list(map(int, _lines(path)))
        living = [pid for pid in pids if _sleeps(pid)]
        most = max(most, len(living))
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return most, killed


def _sleeps(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().startswith(b"sleep\x00600")
    except OSError:
        return False


def _beats(host: Host) -> list[Figure]:
    seen = sorted(host.outputs("beat"))
    seconds = [int(at) for at in seen]
    doubled = len(seconds) - len(set(seconds))
    lost = seconds[-1] - seconds[0] + 1 - len(set(seconds))
    late = [(at % 1) * 1000 for at in seen]
    return [
        Figure(what="a per-second task", ours=f"{len(seen)} runs, {lost} lost, {doubled} doubled",
               goal="0 lost, 0 doubled", reached=not lost and not doubled),
        Figure(what="its lateness among all this", ours=spread(late, "ms")),
    ]  # fmt: skip


def _most(host: Host) -> list[Figure]:
    figures = []
    for number in range(OUTLIVING):
        live = most = 0
        lines = _lines(f"{host.folder}/outlive-{number}")
        for line in lines:
            live += 1 if line == "+" else -1
            most = max(most, live)
        replaced = number % 3 == 2  # a replaced run never writes its minus
        if not replaced:
            ours = f"most at once {most}, {len(lines)} lines"
            figures.append(Figure(what=f"max: 2, outliving its period ({number})", ours=ours,
                                  goal="never above 2", reached=most == 2))  # fmt: skip
    return figures


def _bursts(host: Host) -> list[Figure]:
    runs = {n: _lines(f"{host.folder}/burst-{n}") for n in range(BURST)}
    fires = sorted({fire for lines in runs.values() for fire in lines})
    doubled = sum(len(lines) - len(set(lines)) for lines in runs.values())
    lost = sum(len(set(fires) - set(lines)) for lines in runs.values())
    ours = f"{len(fires)} times, {lost} lost, {doubled} doubled"
    return [Figure(what=f"{BURST} tasks due in one second", ours=ours, goal="0 lost, 0 doubled",
                   reached=not lost and not doubled)]  # fmt: skip


def _keeper(most: int, killed: int) -> Figure:
    return Figure(what="a daemon task killed by hand every second",
                  ours=f"{killed} kills, most alive at once {most}", goal="never above 1",
                  reached=most == 1)  # fmt: skip


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            text = file.read()
    except FileNotFoundError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()
