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


@pytest.mark.parametrize("beside", ["", "2>/dev/full"])
def test_a_stdout_that_cannot_be_written_has_its_own_exit_code(beside):
    done = torch(f"version >/dev/full {beside}")
    assert done.returncode == 74
    assert beside or done.stderr == (
        "torch: standard output cannot be written: No space left on device\n"
        "  free space on its disk, or write to another\n"
    )


def test_a_stdout_that_nobody_reads_any_more_is_no_complaint():
    assert torch("schema | true").stderr == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [("nosuch", 64), ("version --nosuch", 64), ("next '61 * * * *'", 65),
     ("status --state-dir /nosuch/folder", 3)],
)  # fmt: skip
def test_a_complaint_that_stderr_does_not_take_changes_no_exit_code(words, code):
    assert torch(f"{words} 2>/dev/full").returncode == code


def torch(words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"{sys.executable} -m torch {words}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
