"""kill -9 of the service at every system call of a short life of it: strace says when."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.patient import Patient
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import let_pass, until

TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(3)}'
  - name: outlives
    schedule: "* * * * * *"
    max: 2
    command: '{begin_and_end(0, "sleep 1.3")}'
  - name: by-hand
    schedule: "@yearly"
    max: 2
    command: '{begin_and_end(7, "sleep 0.3")}'
  - name: keeper
    type: daemon
    command: '{BEGIN}; exec sleep 100000'
"""
MOST = {"beat": 1, "outlives": 2, "by-hand": 2}

MATTER = set(
    "write pwrite64 writev pwritev fsync fdatasync openat flock unlink unlinkat rename renameat "
    "renameat2 mkdir mkdirat ftruncate fallocate clone clone3 vfork fork wait4 waitid pidfd_open "
    "pidfd_send_signal kill tgkill close sendto sendmsg bind listen accept4 connect fchmod chmod "
    "dup dup2 pipe2 exit_group copy_file_range".split()
)  # fmt: skip
"""System calls that change something which outlives the service, or that others see."""

_CALL = re.compile(r"(\w+)\(")
Point = tuple[str, int]


def live(service: Patient, strace: str, point: Point | None) -> Path:
    """The fixed scenario: a start in the foreground, fires, a run by hand, a reload, a stop.
    Killed at its `point`, if it gets there. Returns the trace."""
    trace = service.folder / "trace"
    inject = ["-e", f"inject={point[0]}:signal=KILL:when={point[1]}"] if point else []
    args = ["start", "--foreground"]
    process = subprocess.Popen(
        [strace, "-qq", "-y", "-s", "0", "-o", str(trace), *inject,
         sys.executable, "-m", "torch", *args, *service.options(*args)],
        env=service.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until("it is up", lambda: _up(service) or process.poll() is not None)
        asked = service.popen("run", "by-hand")
        let_pass(1.1)
        service.write(TASKS + f"# {point}\n")
        reloading = service.popen("reload")
        asked.communicate(timeout=60)
        reloading.communicate(timeout=60)
        let_pass(0.3)
        if process.poll() is None:
            service.finished("stop")
        process.wait(timeout=60)
    finally:
        service.kill()
        process.kill()
        process.wait()
    return trace


def _up(service: Patient) -> bool:
    return (service.state / "torch.pid").exists() and bool(service.pid)


def before(service: Patient, how: str) -> None:
    """What the scenario begins with: nothing, or what a killed service has left."""
    service.write(TASKS)
    if how == "the second life":
        service.start()
        service.torch("run", "by-hand")
        service.wait_begun("outlives", 1)
        service.wait_begun("by-hand", 1)
        service.wait_begun("keeper", 1)
        service.kill()


def after(service: Patient) -> None:
    """A clean start, and the judgement."""
    service.start()
    service.wait_more("beat")
    living = [line.pid for line in service.begun("keeper") if alive(line.pid)]
    assert len(living) == 1
    service.torch("stop")
    service.judge(most=MOST, every_second=["beat", "outlives"])


def points(trace: Path) -> list[Point]:
    """Every call that matters, from the lock to the end: (name, how often it has been made)."""
    counts: Counter[str] = Counter()
    found: list[Point] = []
    locked = False
    for line in trace.read_text(errors="replace").splitlines():
        if (call := _CALL.match(line)) is None:
            continue
        counts[call[1]] += 1
        locked = locked or "torch.lock" in line
        if locked and call[1] in MATTER and not _only_reads(line):
            found.append((call[1], counts[call[1]]))
    return found


def _only_reads(line: str) -> bool:
    """Reading our own program, or of processes, changes nothing for anybody."""
    if "torch.sock" in line:  # by way of /proc
        return False
    return any(text in line for text in (".py", ".so", "site-packages", "zoneinfo", "/proc/"))


def one(strace: str, folder: Path, how: str, point: Point) -> str:
    """One kill, in a folder of its own; '' or what is wrong."""
    folder.mkdir(mode=0o755)
    service = Patient(folder)
    try:
        before(service, how)
        live(service, strace, point)
        after(service)
    except AssertionError as error:
        return f"killed at {point[0]} number {point[1]} in {how}: {error}"
    finally:
        service.cleanup()
    return ""


def count(strace: str, folder: Path, how: str) -> list[tuple[str, Point]]:
    """The points of one life, which is traced and not killed."""
    folder.mkdir(mode=0o755)
    service = Patient(folder)
    try:
        before(service, how)
        found = points(live(service, strace, None))
        after(service)
    finally:
        service.cleanup()
    assert len(found) > 200, "the scenario was traced"
    return [(how, point) for point in found]


def test_a_service_killed_at_any_system_call_loses_and_doubles_no_run(
    tmp_path, size, strace, figure
):
    """In its first life, and in its second, which recovers what a killed one has left."""
    tmp_path.chmod(0o755)
    with ThreadPoolExecutor(size.of(quick=8, long=6)) as pool:
        counted = [
            pool.submit(count, strace, tmp_path / name, f"the {name} life")
            for name in ("first", "second")
        ]
        found = [point for each in counted for point in each.result()]
        chosen = found if size.long else random.Random(1).sample(found, 8)
        tries = [
            pool.submit(one, strace, tmp_path / str(number), how, point)
            for number, (how, point) in enumerate(chosen)
        ]
        wrong = [text for each in tries if (text := each.result())]
    figure(f"kill -9 at a system call: {len(chosen)} of {len(found)} points, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong[:5])
