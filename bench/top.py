"""What watching costs: the processor time of `torch top`, on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time

from bench.host import Host, tasks
from bench.processes import processor
from bench.table import Figure

LIVE = 20
WARM = 3.0
"""Seconds that pass before: the start is not what is measured."""


def measure(*, quick: bool) -> list[Figure]:
    seconds = 15.0 if quick else 60.0
    with Host() as host:
        busy = "".join(
            f"  - {{name: live-{number}, type: daemon, command: sleep 100000 & wait}}\n"
            for number in range(LIVE)
        )
        host.write(tasks(1000, "{minute} 4 1 1 *") + busy)
        host.start()
        share, service = _watch(host, seconds)
    return [
        Figure(
            what=f"torch top, 1 020 tasks, {LIVE} live runs, every 2 s",
            ours=f"{share * 100:.2f} % of a core over {seconds:.0f} s",
            limit=f"the service's part of it: {service * 100:.2f} %",
            goal="≤ 2 %",
            reached=share <= 0.02,
        )
    ]


def _watch(host: Host, seconds: float) -> tuple[float, float]:
    """The shares of a core that `top`, and meanwhile the service, took."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(COLUMNS="80", LINES="24", TERM="xterm-256color")
        os.execv(sys.executable, [sys.executable, "-m", "torch", "top", "--state-dir", host.state])
    try:
        _drain(terminal, WARM)
        before, service = processor(pid), host.processor()
        begin = time.monotonic()
        shown = _drain(terminal, seconds)
        took = time.monotonic() - begin
        share, service = (processor(pid) - before) / took, (host.processor() - service) / took
    finally:
        os.kill(pid, signal.SIGINT)
        os.waitpid(pid, 0)
        os.close(terminal)
    if b"live-0" not in shown:
        raise SystemExit(f"torch top shows no run:\n{shown[-2000:]!r}")
    return share, service


def _drain(terminal: int, seconds: float) -> bytes:
    """Reads what is drawn, as a terminal does."""
    shown, end = b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            shown += os.read(terminal, 65536)
    return shown
