"""A host that has no inotify instance left: the service starts, and finds changes by looking."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.faults.witness import begin_and_end
from tests.waiting import until

TASKS = f"""
tasks:
  - name: boot
    schedule: "@reboot"
    command: '{begin_and_end(0)}'
"""
MORE = f"""
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
"""
_NONE = "echo 0 >/proc/sys/user/max_inotify_instances && exec"


@pytest.fixture
def no_inotify() -> list[str]:
    """The beginning of a command that has a user namespace without inotify instances."""
    unshare = shutil.which("unshare")
    prefix = [unshare or "unshare", "-Ur", "sh", "-c", f'{_NONE} "$@"', "sh"]
    if unshare is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("a user namespace cannot be made here")
    return prefix


def test_without_an_inotify_instance_the_service_starts_says_so_and_finds_a_change(
    service, no_inotify
):
    service.write(TASKS)
    command = [*no_inotify, sys.executable, "-m", "torch", "start", *service.options("start")]
    done = subprocess.run(command, capture_output=True, text=True, env=service.environ())
    assert done.returncode == 0, done.stderr
    service.wait_begun("boot", 1)
    status = json.loads(service.torch("status", "--json"))
    assert "inotify" in status["watch"]["failing"]["reason"]
    assert "! the task file is not watched since" in service.torch("status")
    service.write(TASKS + MORE)
    service.wait_begun("beat", 1)
    said = [line for line in service.log().splitlines() if "event=part_failed" in line]
    assert len(said) == 1 and "checked every 5 s" in said[0]
    service.torch("stop")
    until("nothing is left", lambda: not service.processes())
    assert len(service.begun("boot")) == 1
