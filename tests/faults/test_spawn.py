"""What cannot be started is a failed fire with its reason; others go on, and later it starts."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.patient import Patient
from tests.faults.witness import begin_and_end
from tests.waiting import until
from torch.reaper import processes

TASKS = f"""
tasks:
  - name: one
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
  - name: two
    schedule: "* * * * * *"
    command: '{begin_and_end(3, "sleep 0.2")}'
  - name: daemon
    type: daemon
    restart: {{delay: 100ms, max_delay: 500ms}}
    command: echo $$ >>DIR/daemon; exec sleep 100000
"""
MOST = {"one": 1, "two": 1}


def _failed(service: Patient, task: str, reason: str) -> list[dict[str, object]]:
    return [
        row
        for row in service.rows(task)
        if row["outcome"] == "failed" and reason in row["reason"] and row["exit_code"] is None
    ]


def _wait_failed(service: Patient, reason: str, *tasks: str) -> None:
    """Until a fire of each task has failed for the reason, from now on."""
    before = {task: len(_failed(service, task, reason)) for task in tasks}
    for task, count in before.items():
        until(f"{task}: {reason}", partial(_more_failed, service, task, reason, count))


def _more_failed(service: Patient, task: str, reason: str, count: int) -> bool:
    return len(_failed(service, task, reason)) > count


@contextlib.contextmanager
def _no_descriptors(pid: int) -> Iterator[None]:
    """EMFILE: not one descriptor more than the process has open."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def _failing(strace: str, pid: int, calls: str, error: str) -> Iterator[None]:
    """Every one of these system calls of the process fails, as long as strace holds it."""
    with subprocess.Popen(
        [strace, "-f", "-p", str(pid), "-o", "/dev/null", "-e", f"inject={calls}:error={error}"],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as tracer:  # fmt: skip
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=60)


def _goes_on(service: Patient, pid: int) -> None:
    """The fault is over: everything starts again, with no fire lost."""
    service.wait_more("one", "two")
    assert service.pid == pid
    service.torch("stop")
    service.judge(most=MOST, every_second=["one", "two"])


def reaper_of(pid: int) -> int:
    """The one that the service has started."""

    def found() -> int | None:
        for child, each in processes.table().items():
            if each.parent == pid and b"torch.reaper" in _command(child):
                return child
        return None

    return until("the service has a reaper", found)


def _command(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_without_descriptors_fires_fail_and_go_on_when_there_are_some(service):
    pid = service.start(TASKS)
    service.wait_begun("two", 1)
    reaper = reaper_of(pid)
    before = len(os.listdir(f"/proc/{reaper}/fd"))
    with _no_descriptors(reaper):
        _wait_failed(service, "Too many open files", "one", "two")
        _wait_failed(service, "Too many open files", "one", "two")
    service.wait_more("one")
    assert len(os.listdir(f"/proc/{reaper}/fd")) <= before + 6  # live runs, and no leak
    assert reaper_of(pid) == reaper
    _goes_on(service, pid)


def test_a_service_without_descriptors_goes_on_when_there_are_some(service):
    pid = service.start(TASKS)
    service.wait_begun("two", 1)
    before = len(os.listdir(f"/proc/{pid}/fd"))
    with _no_descriptors(pid):
        service.wait_more("one", more=3)  # it needs none to have them begun
    assert len(os.listdir(f"/proc/{pid}/fd")) <= before + 6
    _goes_on(service, pid)


def test_when_no_process_can_be_made_fires_fail_and_go_on_when_one_can(service, strace):
    pid = service.start(TASKS)
    service.wait_begun("two", 1)
    (first,) = service.wait_lines("daemon", 1)
    reaper = reaper_of(pid)
    with _failing(strace, reaper, "clone,?clone3,?fork,?vfork", "EAGAIN"):
        os.kill(int(first), signal.SIGKILL)
        _wait_failed(service, "Resource temporarily unavailable", "one", "two", "daemon")
    service.wait_lines("daemon", 2)
    service.wait_more("one", "two")
    assert reaper_of(pid) == reaper
    with _failing(strace, pid, "clone,?clone3,?fork,?vfork", "EAGAIN"):
        assert "could not be started" in service.error("reload", code=65)
    _goes_on(service, pid)


def test_program_shell_and_folder_that_vanish_fail_their_fires_until_they_are_back(service):
    folder = service.scratch / "folder"
    folder.mkdir()
    program, shell = service.scratch / "program", service.scratch / "shell"
    text = f"#!/bin/sh\n{begin_and_end(0)}\n".replace("DIR", str(service.scratch))
    program.write_text(text)
    program.chmod(0o755)
    shutil.copy("/bin/sh", shell)
    pid = service.start(
        f"""
tasks:
  - {{name: program, schedule: "* * * * * *", command: [{program}]}}
  - {{name: shell, schedule: "* * * * * *", shell: {shell}, command: '{begin_and_end(0)}'}}
  - {{name: folder, schedule: "* * * * * *", cwd: {folder}, command: '{begin_and_end(0)}'}}
  - {{name: good, schedule: "* * * * * *", command: '{begin_and_end(0)}'}}
"""
    )
    tasks = ("program", "shell", "folder")
    for task in tasks:
        service.wait_begun(task, 1)
    program.unlink()
    shell.unlink()
    folder.rmdir()
    for task in tasks:
        until(f"{task} fails", partial(_fails, service, task))
    service.wait_more("good")
    folder.mkdir()
    program.write_text(text)
    program.chmod(0o755)
    shutil.copy("/bin/sh", shell)
    service.wait_more(*tasks)
    assert service.pid == pid
    service.torch("stop")
    assert service.processes() == []
    begun = {line.run for line in service.witness()}
    failed = [row for row in service.rows() if row["outcome"] == "failed"]
    assert {row["task"] for row in failed} == set(tasks)
    assert not [row for row in failed if row["id"] in begun]
    assert {row["exit_code"] for row in failed} == {None}  # nothing began, so nothing has a code


def _fails(service: Patient, task: str) -> bool:
    """Two fires have failed and never began."""
    begun = {line.run for line in service.begun(task)}
    rows = service.rows(task)
    return len([r for r in rows if r["outcome"] == "failed" and r["id"] not in begun]) >= 2
