"""Run files that lie, and a host that booted: what nobody can know is unknown, never a guess."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.patient import Patient, once
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import until


def _write(text: str | bytes) -> Callable[[Path, str], None]:
    def change(path: Path, whole: str) -> None:
        new = text if isinstance(text, bytes) else text.replace("S\n", whole).encode()
        path.write_bytes(new)

    return change


def _directory(path: Path, whole: str) -> None:
    path.unlink()
    path.mkdir()


def _symlink(path: Path, whole: str) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _fifo(path: Path, whole: str) -> None:
    path.unlink()
    os.mkfifo(path)


UNKNOWN: dict[str, Callable[[Path, str], None]] = {
    "as the shim left it": _write("S\n"),
    "half-an-end": _write("S\nX"),
    "half-an-end-with-a-code": _write("S\nX 0"),
    "an-end-without-a-code": _write("S\nX \n"),
    "a-code-that-is-none": _write("S\nX abc\n"),
    "a-code-too-large": _write("S\nX 999\n"),
    "a-negative-code": _write("S\nX -1\n"),
    "binary": _write(bytes(range(256)) * 40),
    "nul": _write(b"\0" * 100),
    "half-a-start": _write("S 12"),
    "a-start-of-nobody": _write("S 99999999 5\n"),
    "a-start-of-everybody": _write("S 0 0\n"),
    "a-negative-pid": _write("S -1 7\n"),
    "a-huge-pid": _write("S 99999999999999999999999 7\n"),
    "emptied": _write(b""),
    "removed": lambda path, whole: path.unlink(),
    "a-directory": _directory,
    "a-symlink": _symlink,
    "a-fifo": _fifo,
}
KNOWN = {
    "a-whole-end": (_write("S\nX 3\n"), 3),
    "a-whole-end-and-half-another": (_write("S\nX 0\nX 1"), 0),
}


def test_of_a_run_file_only_whole_lines_count(service):
    """The command and its shim are killed while the service is down; then the file is changed."""
    cases = [*UNKNOWN, *KNOWN]
    names = {case: f"t{number}" for number, case in enumerate(cases)}
    service.start("tasks: []\n")
    schedule = once(2.5)
    service.write(
        "tasks:"
        + "".join(
            f"""
  - name: {name}
    schedule: "{schedule}"
    timezone: UTC
    command: '{BEGIN}; exec sleep 100000'"""
            for name in names.values()
        )
        + "\n"
    )
    until("all have begun", lambda: len(service.witness()) == len(names))
    until("all run", lambda: {row["state"] for row in service.rows()} == {"running"})
    begun = {line.task: line.run for line in service.witness()}
    runs = {case: begun[name] for case, name in names.items()}
    service.kill()
    service.kill_tasks()
    before = Path("/etc/passwd").read_bytes()
    for case, run in runs.items():
        change = UNKNOWN[case] if case in UNKNOWN else KNOWN[case][0]
        path = service.run_file(run)
        change(path, path.read_text().splitlines()[0] + "\n")
    service.start()
    for case, run in runs.items():
        row = service.wait_row(run)
        if case in UNKNOWN:
            assert (row["outcome"], row["exit_code"]) == ("unknown", None), case
        else:
            assert row["exit_code"] == KNOWN[case][1], case
    service.torch("run", "t0", code=0)
    service.wait_begun("t0", 2)
    for name in list(names.values())[1:]:
        assert len(service.begun(name)) == 1
    service.torch("stop")
    assert Path("/etc/passwd").read_bytes() == before


@pytest.mark.parametrize("by", ["stop", "kill", "a timeout"])
def test_a_stranger_with_a_repeated_pid_is_never_signalled(service, by):
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        service.start(
            f"""
tasks:
  - name: t
    schedule: "@yearly"
    timeout: {"2s" if by == "a timeout" else "1h"}
    command: '{BEGIN}; exec sleep 100000'
"""
        )
        run = service.torch("run", "t").strip()
        service.wait_begun("t", 1)
        service.wait_running("t")
        service.kill()
        service.kill_tasks()
        service.run_file(run).write_text(f"S {stranger.pid} 12345\n")
        service.edit_history(f"UPDATE run SET pid = {stranger.pid}")
        service.start()
        assert service.wait_row(run)["outcome"] == "unknown"
        if by == "kill":
            assert run not in service.finished("kill", "t").stdout
        if by == "a timeout":  # another run of the task passes it, and so would the first
            service.wait_row(service.torch("run", "t").strip())
        service.torch("stop")
        assert stranger.poll() is None and alive(stranger.pid)
        service.judge(most={}, unknown=[run])
    finally:
        stranger.kill()
        stranger.wait()


def test_after_a_boot_what_ran_is_unknown_and_everything_goes_on(service):
    service.start(
        f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(3)}'
  - name: slow
    schedule: "@yearly"
    command: '{BEGIN}; exec sleep 100000'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
  - name: at-boot
    schedule: "@reboot"
    command: '{begin_and_end(0)}'
"""
    )
    service.torch("run", "slow")
    (slow,), (keeper,) = service.wait_begun("slow", 1), service.wait_begun("keeper", 1)
    service.wait_more("beat")
    booted = len(service.begun("at-boot"))
    _boot(service)
    service.start()
    service.wait_begun("keeper", 2)
    service.wait_begun("at-boot", booted + 1)
    service.wait_more("beat")
    assert len(service.begun("slow")) == 1
    service.torch("stop")
    cut_off = [r["id"] for r in service.rows("beat") if r["outcome"] == "unknown"]
    assert len(cut_off) <= 1  # the beat that the boot ended, if it hit one
    service.judge(most={"beat": 1}, every_second=["beat"], unknown=[slow.run, keeper.run, *cut_off])


def _boot(service: Patient) -> None:
    """What a boot does: the service and all processes die, and the kernel has a new name."""
    service.kill()
    service.kill_tasks()
    service.edit_history(
        "UPDATE run SET boot_id = 'another'",
        "UPDATE meta SET value = 'another' WHERE key = 'boot_id'",
    )
