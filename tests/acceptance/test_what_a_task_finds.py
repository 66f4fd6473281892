"""What a task finds when it begins, line by line, under a service of the dirtiest starter."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.service import ADDRESS, Service
from tests.waiting import until
from torch.reaper import marks

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests with sudo")

TASKS = """
tasks:
  - {name: plain, type: daemon, command: [/bin/sleep, "100000"]}
  - {name: text, type: daemon, command: "exec sleep 100000"}
  - {name: file, type: daemon, command: [/bin/sleep, "100000"], output: {via: file}}
  - name: told
    type: daemon
    command: [/bin/sleep, "100000"]
    cwd: /usr
    umask: "027"
    nice: 10
    env: {A: "b", TEST_FOLDER: DIR}
"""

_DIRTY = """
import os, resource, signal, sys
for name in "CHLD QUIT ALRM TSTP INT HUP PIPE USR1 USR2 XFSZ TERM WINCH".split():
    signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGALRM, signal.SIGRTMIN})
os.setpriority(os.PRIO_PROCESS, 0, 5)
os.umask(0)
for limit, value in ((resource.RLIMIT_NOFILE, 128), (resource.RLIMIT_CORE, 4096)):
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (value if hard == -1 else min(value, hard), hard))
os.mkdir(sys.argv[1])
os.chdir(sys.argv[1])
os.rmdir(sys.argv[1])
for fd in os.pipe():
    os.dup2(fd, fd + 50, inheritable=True)
os.dup2(1, 77, inheritable=True)
os.close(0)
environ = dict(os.environ, TORCH_TASK="x", TORCH_RUN_ID="r-x", TORCH_LEFT="1", LD_BIND_NOW="1",
               LD_LIBRARY_PATH="/nowhere", PYTHONPATH="/nowhere", LC_ALL="C", LANG="de_DE.UTF-8",
               SECRET="s", IFS="x", ENV="/nowhere", BASH_ENV="/nowhere")
os.execve(sys.argv[2], sys.argv[2:], environ)
"""
SERVICE_NICE, SOFT_FILES, CORE = 5, 128, 4096
STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture
def service(tmp_path):
    tmp_path.chmod(0o755)
    made = Service(tmp_path)
    yield made
    made.cleanup()
    while STARTED:
        STARTED.pop().wait(60)


def start(service: Service, how: str, text: str) -> None:
    service.write(text)
    command = [sys.executable, "-I", "-m", "torch", "start", *service.options("start")]
    dirty = [sys.executable, "-c", _DIRTY, str(service.folder / "cwd"), *command]
    if how == "background":
        subprocess.run(dirty, check=True, timeout=60)
    else:
        folder = service.folder / "foreground"
        with open(folder, "wb") as file:
            STARTED.append(subprocess.Popen([*dirty, "--foreground"], stdout=file, stderr=file))
    until("the service is there", lambda: service.pid)


def first(service: Service, task: str) -> int:
    """The pid of its run, once it is the program that it shall be."""

    def found() -> int | None:
        if service.finished("status").returncode:
            return None
        runs = service.json("runs", task)["runs"]
        pid = runs[0]["pid"] if runs else None
        if pid is None or read(pid, "comm") != "sleep\n":
            return None
        return int(pid)

    return until(f"{task} runs", found)


def read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""


def status(pid: int, *names: str) -> dict[str, str]:
    lines = dict(line.split(":", 1) for line in read(pid, "status").splitlines())
    return {name: lines[name].strip() for name in names}


def limits(pid: int) -> dict[int, tuple[int, int]]:
    """Each by its number."""
    return {n: resource.prlimit(pid, n) for n in range(16)}


def descriptors(pid: int) -> dict[int, str]:
    """What each is: a FIFO, a file, or its name."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{entry}"
        mode = os.stat(path).st_mode
        kind = "FIFO" if stat.S_ISFIFO(mode) else "file" if stat.S_ISREG(mode) else ""
        found[int(entry)] = kind or os.readlink(path)
    return found


def finds(pid: int) -> dict[str, object]:
    """Everything that a task can see of how it was started, but its limits."""
    fields = read(pid, "stat").rpartition(")")[2].split()
    parent, group, session, terminal = (int(field) for field in fields[1:5])
    environ = dict(each.split("=", 1) for each in read(pid, "environ").split("\0")[:-1])
    return {
        "signals ignored": int(status(pid, "SigIgn")["SigIgn"], 16) & ~LIBRARY,
        "signals blocked": status(pid, "SigBlk")["SigBlk"],
        "signals caught": status(pid, "SigCgt")["SigCgt"],
        "signals waiting": (status(pid, "SigPnd", "ShdPnd")),
        "nice": os.getpriority(os.PRIO_PROCESS, pid),
        "umask": status(pid, "Umask")["Umask"],
        "descriptors": descriptors(pid),
        "directory": os.readlink(f"/proc/{pid}/cwd"),
        "leads its group": group == pid,
        "leads its session": session == pid,
        "terminal": terminal,
        "parent": "torch.reaper" in read(parent, "cmdline").split("\0"),
        "new privileges": status(pid, "NoNewPrivs")["NoNewPrivs"],
        "dumpable": os.stat(f"/proc/{pid}").st_uid == os.stat(f"/proc/{parent}").st_uid,
        "environment": sorted(environ),
        "LANG": environ.get("LANG"),
    }


NOTHING = "0000000000000000"
LIBRARY = 1 << 31 | 1 << 32
"""Signals 32 and 33: glibc keeps them to itself, lets no program name them, and its posix_spawn
leaves them ignored. It sets a handler of its own where it needs one."""

VARIABLES = (
    "HOME LANG LOGNAME PATH SHELL TEST_FOLDER TORCH_ATTEMPT TORCH_FIRE_TIME TORCH_RUN_ID TORCH_TASK"
    " USER"
).split()

PLAIN: dict[str, object] = {
    "signals ignored": 0,
    "signals blocked": NOTHING,
    "signals caught": NOTHING,
    "signals waiting": {"SigPnd": NOTHING, "ShdPnd": NOTHING},
    "nice": SERVICE_NICE,
    "umask": "0022",
    "descriptors": {0: "/dev/null", 1: "FIFO", 2: "FIFO"},
    "directory": "/",
    "leads its group": True,
    "leads its session": True,
    "terminal": 0,
    "parent": True,
    "new privileges": "0",
    "dumpable": True,
    "environment": VARIABLES,
    "LANG": "de_DE.UTF-8",
}

DIFFERENT: dict[str, dict[str, object]] = {
    "plain": {},
    "text": {"environment": sorted([*VARIABLES, "PWD"])},  # the shell's own
    "file": {"descriptors": {0: "/dev/null", 1: "file", 2: "file"}},
    "told": {
        "nice": 10, "umask": "0027", "directory": "/usr", "environment": sorted([*VARIABLES, "A"]),
    },
}  # fmt: skip


@pytest.mark.parametrize("how", ["background", "foreground"])
def test_a_task_finds_the_same_whoever_started_the_service(service, how):
    start(service, how, TASKS)
    for task, different in DIFFERENT.items():
        assert finds(first(service, task)) == PLAIN | different, task


@pytest.mark.parametrize("how", ["background", "foreground"])
def test_a_tasks_limits_are_those_that_the_service_was_started_with(service, how):
    start(service, how, TASKS)
    wanted = {number: resource.getrlimit(number) for number in range(16)}
    wanted[resource.RLIMIT_NOFILE] = (SOFT_FILES, wanted[resource.RLIMIT_NOFILE][1])
    hard = wanted[resource.RLIMIT_CORE][1]
    wanted[resource.RLIMIT_CORE] = (CORE if hard == -1 else min(CORE, hard), hard)
    for task in DIFFERENT:
        pid = first(service, task)
        found = limits(pid)
        mark, hard = found.pop(marks.RTTIME)
        assert mark == marks.of(pid) >= 1 << 62  # its mark, and no limit that anybody reaches
        assert hard == wanted[marks.RTTIME][1]
        assert found == {number: each for number, each in wanted.items() if number != marks.RTTIME}


@AS_ROOT
def test_a_task_of_another_user_finds_the_same_and_can_gain_no_privileges(service):
    start(service, "background", """
tasks:
  - {name: other, type: daemon, user: nobody, command: [/bin/sleep, "100000"]}
  - {name: nicer, type: daemon, user: nobody, nice: 0, command: [/bin/sleep, "100000"]}
""")  # fmt: skip
    same = PLAIN | {"new privileges": "1", "dumpable": False}
    assert finds(first(service, "other")) == same
    assert finds(first(service, "nicer")) == same | {"nice": 0}
    assert status(first(service, "other"), "CapEff", "CapPrm", "CapInh", "CapAmb") == {
        "CapEff": NOTHING, "CapPrm": NOTHING, "CapInh": NOTHING, "CapAmb": NOTHING,
    }  # fmt: skip


@AS_ROOT
def test_the_nice_of_a_task_is_absolute_under_a_service_with_another(service):
    start(service, "background", """
tasks:
  - {name: zero, type: daemon, nice: 0, command: [/bin/sleep, "100000"]}
  - {name: lower, type: daemon, nice: -3, command: [/bin/sleep, "100000"]}
""")  # fmt: skip
    assert finds(first(service, "zero")) == PLAIN | {"nice": 0}
    assert finds(first(service, "lower")) == PLAIN | {"nice": -3}


def test_a_service_in_the_foreground_holds_no_directory_of_its_starter(service):
    start(service, "foreground", TASKS)
    pid = first(service, "plain")
    parent = int(read(pid, "stat").rpartition(")")[2].split()[1])
    assert os.readlink(f"/proc/{parent}/cwd") == "/"
    assert ADDRESS in service.torch("status")


def test_a_task_is_ended_by_each_signal_that_its_starter_had_ignored(service):
    start(service, "background", """
tasks:
  - name: t
    type: daemon
    restart: {delay: 100ms, max_delay: 100ms}
    command: [/bin/sleep, "100000"]
""")  # fmt: skip
    for name in ("HUP", "PIPE", "USR1", "ALRM", "QUIT", "XFSZ", "TERM"):
        pid = first(service, "t")
        os.kill(pid, getattr(signal, f"SIG{name}"))
        until(f"SIG{name} ends it", partial(_is_another, service, pid))


def _is_another(service: Service, pid: int) -> bool:
    return first(service, "t") != pid
