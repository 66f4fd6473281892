"""The dirtiest parent that a command can have: what it leaves behind must not reach a service."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from tests.service import Service
from tests.waiting import DEADLINE

IGNORED = ("CHLD", "QUIT", "ALRM", "TSTP", "INT", "HUP", "PIPE", "TERM", "USR1", "USR2", "XFSZ")
MARKS = {
    "TORCH_TASK": "outer",
    "TORCH_RUN_ID": "outer-1",
    "TORCH_FIRE_TIME": "2026-01-01T00:00:00Z",
    "TORCH_ATTEMPT": "1",
}
STRAY = 77
"""A descriptor that nobody asked for."""
_RTTIME = getattr(resource, "RLIMIT_RTTIME", 15)


def begin(service: Service, *args: str, closed: bool = True) -> subprocess.Popen[bytes]:
    """Runs `torch ARGS` from that parent. With `closed` even the standard descriptors are missing;
    else what it says goes into the file `said`."""
    gone = service.folder / "gone"
    gone.mkdir(exist_ok=True)

    def soil() -> None:
        for name in IGNORED:
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.nice(5)
        os.umask(0)
        hard = resource.getrlimit(_RTTIME)[1]
        resource.setrlimit(_RTTIME, (123_000_000, hard))
        os.chdir(gone)
        with contextlib.suppress(OSError):
            gone.rmdir()
        os.dup2(os.open("/dev/null", os.O_RDWR), STRAY, inheritable=True)
        if closed:
            for fd in (0, 1, 2):
                os.close(fd)

    with open(service.folder / "said", "wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "torch", *args, *service.options(*args)],
            stdout=said, stderr=said, close_fds=False, preexec_fn=soil,
            env=service.environ() | MARKS | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip


def torch(service: Service, *args: str, code: int = 0, closed: bool = True) -> None:
    """The same to its end, which must be this exit code."""
    process = begin(service, *args, closed=closed)
    try:
        process.wait(DEADLINE * 2)
    finally:
        process.kill()
        process.wait()
    said = (service.folder / "said").read_text()
    assert process.returncode == code, (args, process.returncode, said)


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def signals_in(mask: str) -> set[str]:
    """Names of the signals in a mask of /proc/PID/status."""
    bits = int(mask, 16)
    return {number.name for number in signal.valid_signals() if bits >> (number - 1) & 1
            if isinstance(number, signal.Signals)}  # fmt: skip


def soft_limit(pid: int, name: str) -> tuple[str, str]:
    """(soft, hard) of a line of /proc/PID/limits."""
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith(name):
            soft, hard = line[len(name) :].split()[:2]
            return soft, hard
    raise AssertionError(f"no limit is called {name!r}")


def opened(pid: int) -> dict[int, str]:
    """What each descriptor of a process is."""
    folder = f"/proc/{pid}/fd"
    found = {}
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(f"{folder}/{name}")
    return found
