"""The way out of a command: at once, and with all that was said."""

from __future__ import annotations

import subprocess
import sys

import pytest


def leaving(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; from torch.__main__ import leave; {code}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_command_leaves_with_its_code_and_everything_it_wrote():
    done = leaving("sys.stdout.write('a' * 300_000); sys.stderr.write('b'); leave(3)")
    assert (done.returncode, len(done.stdout), done.stderr) == (3, 300_000, "b")


def test_what_a_thread_still_does_is_waited_for():
    late = "threading.Timer(0.05, print, ('late',)).start()"
    done = leaving(f"import threading; {late}; leave(0)")
    assert (done.returncode, done.stdout) == (0, "late\n")


@pytest.mark.parametrize("code", [0, 64])
def test_what_cannot_be_written_at_the_end_is_no_success(code):
    done = leaving(f"sys.stdout = open('/dev/full', 'w'); print('x'); leave({code})")
    assert done.returncode == (code or 1)
