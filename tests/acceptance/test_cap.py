"""The cap on output holds whoever writes, how fast, and how late: judged by the disk."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.acceptance.test_output import output, over, task
from tests.service import Service, alive
from tests.waiting import until

KIB = 1024
MIB = 1024 * KIB


class Watched:
    """The most that a file takes on disk, and how much was written into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.most = 0

    def look(self) -> os.stat_result | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        self.most = max(self.most, found.st_blocks * 512)
        return found

    def until_written(self, size: int) -> None:
        def enough() -> bool:
            found = self.look()
            return found is not None and found.st_size >= size

        until(f"{size} bytes are written", enough, pause=0.001, deadline=90)


def test_at_full_speed_a_file_is_never_twice_its_cap(service):
    service.start("tasks:\n" + task("t", "exec yes", "output: {max_size: 4MiB}"))
    run = service.torch("run", "t").strip()
    watched = Watched(output(service, "t", run))
    watched.until_written(1024 * MIB)
    service.torch("kill", "t", "--now")
    until("it is over", lambda: over(service, run))
    until("it is cut", lambda: watched.path.stat().st_size <= 4 * MIB)
    assert watched.most <= 2 * 4 * MIB


GOES_ON = """
(echo $$ >DIR/begun; head -c 1073741824 /dev/zero | tr '\\0' x; echo; echo the end; touch DIR/done;
exec sleep 600) &
echo $! >DIR/pid
"""


def test_what_goes_on_after_the_end_of_the_command_and_of_the_service_is_capped(service):
    service.start("tasks:\n" + task("t", GOES_ON, "output: {max_size: 64KiB}"))
    run = service.torch("run", "t").strip()
    until("the command has ended", lambda: over(service, run))
    watched = Watched(output(service, "t", run))
    watched.until_written(200 * MIB)
    service.torch("stop")
    pid = int(service.lines("pid")[0])
    assert alive(pid)  # it was left behind, and stays
    watched.until_written(1024 * MIB)
    until("all is written", lambda: (service.scratch / "done").exists())
    assert watched.most <= 2 * 64 * KIB
    reapers = _reapers(service)
    assert len(reapers) == 1  # it lives on for the writer
    os.kill(pid, signal.SIGKILL)
    until("the reaper has ended", lambda: not _reapers(service))
    assert watched.path.stat().st_size <= 64 * KIB
    assert watched.path.read_bytes().endswith(b"x\nthe end\n")
    assert service.torch("logs", run).endswith("the end\n")


def _reapers(service: Service) -> list[int]:
    wanted = f"torch.reaper\0{service.state}/reapers/".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and alive(int(process.name)):
            try:
                said = (process / "cmdline").read_bytes()
            except OSError:
                continue
            found += [int(process.name)] if wanted in said else []
    return found
