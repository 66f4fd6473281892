"""kill -9 of the service, or of its reaper, at every system call of a short life of it: strace says
when."""

from __future__ import annotations

import random
import re
import shlex
import subprocess
import sys
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.patient import Patient
from tests.faults.reapers import earlier, wait_own
from tests.faults.witness import BEGIN, begin_and_end
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
    "dup dup2 pipe2 exit_group copy_file_range mknod mknodat".split()
)  # fmt: skip
"""System calls that change something which outlives the service, or that others see."""

SERVICE, REAPER = "the service", "its reaper"
READER = "the thread of its reaper that reads output"
EARLIER = "the reaper of the earlier service"
FIRST, SECOND = "the first life", "the second life"
Life = tuple[str, str]
LIVES: list[Life] = [
    (FIRST, SERVICE), (SECOND, SERVICE), (FIRST, REAPER), (SECOND, REAPER), (SECOND, EARLIER),
    (FIRST, READER),
]  # fmt: skip
LEAST = {SERVICE: 200, REAPER: 50, EARLIER: 10, READER: 10}
"""Calls that matter in a life, at least."""

_CALL = re.compile(r"(\w+)\(")
Point = tuple[str, int]


def live(service: Patient, strace: str, victim: str, point: Point | None) -> Path:
    """The fixed scenario: a start in the foreground, fires, a run by hand, a reload, a stop.
    `victim` is killed at its `point`, if it gets there. Returns the trace."""
    trace = service.folder / "trace"
    tracing = [strace, "-qq", "-y", "-s", "0", "-o", str(trace)]
    tracing += ["-e", f"inject={point[0]}:signal=KILL:when={point[1]}"] if point else []
    python, before_it, attached = sys.executable, [], None
    if victim == SERVICE:
        before_it = tracing
    elif victim == REAPER:
        python = traced_reapers(service, tracing)
    args = ["start", "--foreground"]
    process = subprocess.Popen(
        [*before_it, python, "-m", "torch", *args, *service.options(*args)],
        env=service.environ(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        if victim in (EARLIER, READER):
            attached = attach(service, tracing, victim)
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
        if attached is not None:
            attached.kill()
            attached.wait()
    return trace


def attach(service: Patient, tracing: list[str], victim: str) -> subprocess.Popen[bytes]:
    """To a reaper that lives: that of the earlier service, or the thread of ours that reads what
    runs print."""
    if victim == EARLIER:
        (traced,) = earlier(service)
    else:
        pid = wait_own(service)
        (traced,) = until("its thread is there", lambda: _threads(pid))
    return subprocess.Popen([*tracing, "-p", str(traced)], stderr=subprocess.DEVNULL)


def _threads(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").iterdir()
    return [int(each.name) for each in found if each.name != str(pid)]


def traced_reapers(service: Patient, tracing: list[str]) -> str:
    """An interpreter that is ours in all but this: the first reaper it starts is traced, and only
    its first thread, not the runs. Without a hook in what is tested: the service starts a reaper
    by the interpreter that it was started by itself."""
    ours = Path(sys.prefix)
    folder = service.folder / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").symlink_to(ours / "lib")
    (folder / "pyvenv.cfg").write_bytes((ours / "pyvenv.cfg").read_bytes())
    python = folder / "bin" / Path(sys.executable).name
    real, once = Path(sys.executable).resolve(), folder / "traced"
    python.write_text(
        f"""#!/bin/bash
if [[ " $* " == *" torch.reaper "* ]] && mkdir {once} 2>/dev/null; then
    exec {shlex.join(tracing)} -DDD /bin/bash -c 'exec -a "$0" {real} "$@"' "$0" "$@"
fi
exec -a "$0" {real} "$@"
"""
    )
    python.chmod(0o755)
    return str(python)


def _up(service: Patient) -> bool:
    return (service.state / "torch.pid").exists() and bool(service.pid)


def before(service: Patient, how: str) -> None:
    """What the scenario begins with: nothing, or what a killed service has left."""
    service.write(TASKS)
    if how == SECOND:
        service.start()
        service.torch("run", "by-hand")
        service.wait_begun("outlives", 1)
        service.wait_begun("by-hand", 1)
        service.wait_begun("keeper", 1)
        service.kill()


def after(service: Patient, victim: str) -> None:
    """A clean start, and the judgement."""
    if service.pid:  # a reaper alone was killed, and nobody told the service to stop
        service.finished("stop")
    service.start()
    service.wait_more("beat")
    until("the daemon task runs", lambda: service.living("keeper"))
    living = service.living("keeper")
    assert len(living) == 1, f"runs of the daemon task: {living}"
    service.torch("stop")
    service.judge(most=MOST, every_second=["beat", "outlives"], unknown=unknown(service, victim))


def unknown(service: Patient, victim: str) -> list[str]:
    """Nobody can know the ends of what the reaper of an earlier service had, and of the one run
    that a reaper was killed in the middle of starting."""
    rows = [row["id"] for row in service.rows() if row["outcome"] == "unknown"]
    if victim == EARLIER:
        first = service.rows()[0]["id"].partition("-")[0]
        return [row for row in rows if row.startswith(f"{first}-")]
    return rows[:1] if victim == REAPER else []


def points(trace: Path, victim: str) -> list[Point]:
    """Every call that matters, from the lock or the journal on: (name, how often it was made)."""
    counts: Counter[str] = Counter()
    found: list[Point] = []
    locked = victim in (EARLIER, READER)  # attached to later
    for line in trace.read_text(errors="replace").splitlines():
        if (call := _CALL.match(line)) is None:
            continue
        counts[call[1]] += 1
        locked = locked or "torch.lock" in line or "/reapers/" in line
        if locked and call[1] in MATTER and not _only_reads(line):
            found.append((call[1], counts[call[1]]))
    return found


def _only_reads(line: str) -> bool:
    """Reading our own program, or of processes, changes nothing for anybody."""
    if "torch.sock" in line or "/socket" in line:  # by way of /proc
        return False
    return any(text in line for text in (".py", ".so", "site-packages", "zoneinfo", "/proc/"))


def one(strace: str, folder: Path, life: Life, point: Point) -> str:
    """One kill, in a folder of its own; '' or what is wrong."""
    folder.mkdir(mode=0o755)
    service = Patient(folder)
    try:
        before(service, life[0])
        live(service, strace, life[1], point)
        after(service, life[1])
    except (AssertionError, subprocess.TimeoutExpired) as error:
        at = " < ".join(
            f"{Path(frame.filename).name}:{frame.lineno} {frame.line}"
            for frame in reversed(traceback.extract_tb(error.__traceback__)[-3:])
        )
        return f"{life[1]} killed at {point[0]} number {point[1]} in {life[0]}: {error} at {at}"
    finally:
        service.cleanup()
    return ""


def count(strace: str, folder: Path, life: Life) -> list[tuple[Life, Point]]:
    """The points of one life, which is traced and not killed."""
    folder.mkdir(mode=0o755)
    service = Patient(folder)
    try:
        before(service, life[0])
        found = points(live(service, strace, life[1], None), life[1])
        after(service, "")
    finally:
        service.cleanup()
    assert len(found) > LEAST[life[1]], f"{life} was traced"
    return [(life, point) for point in found]


def test_a_service_or_reaper_killed_at_any_system_call_loses_and_doubles_no_run(
    tmp_path, size, strace, figure
):
    """In a first life, and in a second, which recovers what a killed service has left."""
    tmp_path.chmod(0o755)
    with ThreadPoolExecutor(size.of(quick=8, long=6)) as pool:
        counted = [
            pool.submit(count, strace, tmp_path / f"count-{number}", life)
            for number, life in enumerate(LIVES)
        ]
        found = [each.result() for each in counted]
        chosen = [point for each in found for point in (each if size.long else _some(each))]
        tries = [
            pool.submit(one, strace, tmp_path / str(number), life, point)
            for number, (life, point) in enumerate(chosen)
        ]
        wrong = [text for each in tries if (text := each.result())]
    whole = ", ".join(f"{len(each)} of {each[0][0][1]}" for each in found)
    figure(f"kill -9 at a system call: {len(chosen)} points ({whole}), {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong[:5])


def _some(found: list[tuple[Life, Point]]) -> list[tuple[Life, Point]]:
    """By chance, and one where a run is ready and has not begun."""
    ready = [point for point in found if point[1][0] in ("mknod", "mknodat")]
    return random.Random(1).sample(found, 2) + ready[len(ready) // 2 :][:1]
