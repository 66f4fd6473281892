"""Process 1, without being it: who starts a service this way passes on what it hears."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PARENT = "import sys; from torch.daemon.init import stand_in; sys.exit(stand_in(sys.argv[1:]))"


def stand_in(*argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, *argv], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 65", 65), ("kill -9 $$", 137), ("kill -6 $$", 134)]
)
def test_it_ends_with_the_exit_code_of_the_service(script, code):
    with stand_in("/bin/sh", "-c", script) as process:
        assert process.wait(30) == code


def test_it_does_not_end_before_the_service_whoever_else_ends():
    # The shell leaves a child to its own parent, which ends first, and then says so.
    with stand_in(
        "/bin/sh", "-c", "(exit 9 &) ; (exit 8 &) ; read x </dev/null; exit 3"
    ) as process:
        assert process.wait(30) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_it_passes_a_signal_on_and_waits_for_what_the_service_makes_of_it(number):
    script = (
        "import signal, sys\n"
        "print('ready', flush=True)\n"
        f"signal.sigwait([{int(number)}])\n"  # blocked from the start, as the service has it
        "sys.exit(42)\n"
    )
    with stand_in(sys.executable, "-c", script) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(30) == 42
