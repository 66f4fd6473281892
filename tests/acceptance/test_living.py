"""A service as a host's own programs see it: systemd's protocol, a container's first process,
another user than root, and logrotate. Each of them is stood in for, or is, the real one."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service import Service, alive
from tests.waiting import until

TASKS = """
tasks:
  - name: shows
    schedule: "* * * * * *"
    command: env >>DIR/env
  - name: stays
    type: daemon
    command: exec sleep 600
"""
BEAT = 0.2
"""Seconds within which the stand-in for systemd wants two signs of life."""

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextlib.contextmanager
def foreground(
    service: Service,
    *before: str,
    more: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    command = [
        *before, sys.executable, "-m", "torch", "start", "--foreground", *more,
        *service.options("start"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=service.environ() | (environ or {}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


# ── systemd ───────────────────────────────────────────────────────────────────────────────


class Manager:
    """Hears what a service says, as systemd would, and remembers all of it.

    A thread of its own hears: the kernel keeps 10 messages, which are the beats of one second,
    and a test on a busy host is longer away than that. The next message would be lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.heard: list[dict[str, str]] = []
        self._come: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()

    def _hear(self) -> None:
        while text := self._socket.recv(4096).decode():
            self._come.put(text)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.path)
        self._thread.join()
        self._socket.close()

    def listen(self) -> int:
        """Takes what has come by now; how many messages that were."""
        before = len(self.heard)
        with contextlib.suppress(queue.Empty):
            while True:
                text = self._come.get_nowait()
                self.heard.append(dict(line.split("=", 1) for line in text.split("\n")))
        return len(self.heard) - before

    def until(self, what: str, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The next message that is wanted; what came before it is dropped."""

        def found() -> dict[str, str] | None:
            self.listen()
            while self.heard:
                message = self.heard.pop(0)
                if wanted(message):
                    return message
            return None

        return until(what, found)

    def until_said(self, name: str) -> dict[str, str]:
        return self.until(f"the service says {name}", lambda message: name in message)


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def test_systemd_is_told_of_a_file_that_is_being_saved_and_not_of_each_look_at_it(service, manager):
    service.write(TASKS)
    environ = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(int(BEAT * 1e6))}
    with foreground(service, more=("--log-file",), environ=environ) as process:
        manager.until_said("READY")
        with open(service.file, "a") as file:
            os.kill(process.pid, signal.SIGHUP)
            manager.until_said("RELOADING")
            assert "is being written" in manager.until_said("STATUS")["STATUS"]
            assert manager.until_said("READY") == {"READY": "1"}
            for _ in range(20):  # beats; the file is looked at several times meanwhile
                assert manager.until("anything", bool) == {"WATCHDOG": "1"}
            file.write("# saved\n")
        manager.until("it stands well again", lambda m: "reloaded" in m.get("STATUS", ""))


def test_systemd_hears_of_start_reload_refusal_hang_and_stop(service, manager):
    service.write(TASKS)
    environ = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(int(BEAT * 1e6))}
    with foreground(service, more=("--log-file",), environ=environ) as process:
        ready = manager.until_said("READY")
        assert ready["STATUS"].startswith(f"ready, pid {process.pid}: 2 tasks")
        assert service.status()["ready"]
        for _ in range(3):
            manager.until_said("WATCHDOG")

        # It reloads by itself, by signal and by command; each is told from begin to end.
        service.write(TASKS.replace("exec sleep 600", "exec sleep 601"))
        assert int(manager.until_said("RELOADING")["MONOTONIC_USEC"]) > 0
        assert "changed stays" in manager.until_said("STATUS")["STATUS"]
        assert manager.until_said("READY") == {"READY": "1"}

        service.write("tasks: 7\n")
        assert "refused" in manager.until_said("STATUS")["STATUS"]
        manager.until_said("READY")
        service.error("reload", code=65)
        manager.until_said("RELOADING")
        manager.until_said("READY")
        service.write(TASKS.replace("exec sleep 600", "exec sleep 601"))
        status = manager.until("it stands well again", lambda m: "changed" in m.get("STATUS", ""))
        assert "changed stays" in status["STATUS"]

        # A service that hangs is silent; when it goes on, so do the beats.
        os.kill(process.pid, signal.SIGSTOP)
        until("it is frozen", lambda: "T" in state_of(process.pid))
        manager.listen()
        with pytest.raises(AssertionError):
            until("it beats all the same", manager.listen, deadline=BEAT * 4)
        os.kill(process.pid, signal.SIGCONT)
        manager.until_said("WATCHDOG")

        assert service.wait_lines("env", 1)
        os.kill(process.pid, signal.SIGTERM)
        assert manager.until_said("STOPPING")["STATUS"].startswith("stopping (SIGTERM)")
        manager.until_said("EXTEND_TIMEOUT_USEC")
        assert process.wait(30) == 0
        assert process.stdout is not None and process.stdout.read() == ""  # all is in torch.log
    assert "event=service_stopped" in service.log()
    leaked = [line for line in service.lines("env") if line.startswith(("NOTIFY", "WATCHDOG"))]
    assert leaked == []


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_service_in_the_background_does_not_speak_for_who_started_it(service, manager):
    service.write("tasks: []\n")
    done = subprocess.run(
        [sys.executable, "-m", "torch", "start", *service.options("start")], check=False,
        env=service.environ() | {"NOTIFY_SOCKET": manager.path}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    service.torch("stop")
    assert manager.listen() == 0


# ── the first process of a container ──────────────────────────────────────────────────────


@root_only
def test_as_process_1_it_reaps_orphans_and_stops_on_a_signal(service):
    if subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("no namespace of processes can be made here")
    service.write("""
tasks:
  - name: stays
    type: daemon
    command: exec sleep 600
  - name: leaves
    schedule: "* * * * * *"
    command: |
      (sh -c 'sleep 0.1; echo $$ >>DIR/orphans' &)
      for f in /proc/[0-9]*/stat; do cat $f; done 2>/dev/null | grep ') Z 1 ' >>DIR/zombies
      cat /proc/1/comm >DIR/init
""")
    with foreground(
        service, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"
    ) as outside:
        service.wait_lines("orphans", 3)
        inside = int(Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text())
        orphans = [p for p in children(inside) if state_of(p) == "Z"]
        until("no orphan is left as a zombie", lambda: not [p for p in orphans if is_there(p)])
        assert service.status()["ready"]
        (main,) = [p for p in children(inside) if "torch.daemon" in command_of(p)]
        os.kill(inside, signal.SIGTERM)
        assert outside.wait(30) == 0
        assert not alive(main)
        text = outside.stdout.read() if outside.stdout else ""
    assert "stopping (SIGTERM)" in text and "stopped: " in text
    # The heartbeat of the process table: no orphan was seen dead and unreaped by a later run.
    assert len(service.lines("zombies")) <= 1


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


# ── the log ───────────────────────────────────────────────────────────────────────────────


def test_a_log_in_json_has_one_object_a_line(service):
    service.write(TASKS)
    service.torch("start", "--log-format", "json")
    service.wait_log('"event": "run_ended"')
    service.write("tasks: 7\n")
    service.wait_log('"event": "reload_refused"')
    service.torch("stop")
    for line in service.log().splitlines():
        found = json.loads(line)
        assert list(found)[:3] == ["time", "level", "event"], line


def test_logrotate_moves_the_log_away_and_loses_no_line(service):
    logrotate = shutil.which("logrotate", path="/usr/sbin:/sbin:/usr/bin")
    if logrotate is None:
        pytest.skip("logrotate is not installed: sudo apt-get install logrotate")
    service.start("""
tasks:
  - {name: beat, schedule: "* * * * * *", command: "true"}
""")
    snippet = service.torch("unit", "logrotate")
    for form in (snippet, snippet.partition("    postrotate")[0] + "}\n"):
        rotate(service, logrotate, form)
    service.torch("stop")
    kept = sorted(service.state.glob("torch.log*"))
    assert len(kept) == 3
    text = "".join(read_log(path) for path in kept)
    ended = [line for line in text.splitlines() if "event=run_ended" in line]
    assert len(ended) == len(service.json("runs", "--limit", "1000")["runs"])


def rotate(service: Service, logrotate: str, form: str) -> None:
    config = service.folder / "logrotate.conf"
    config.write_text(form)
    config.chmod(0o644)
    log = service.state / "torch.log"
    before = log.stat().st_ino
    done = subprocess.run(
        [logrotate, "-f", "-s", str(service.folder / "rotated"), str(config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert log.stat().st_ino != before
    until("the service writes into the new file", lambda: log.stat().st_size)
    assert log.stat().st_mode & 0o777 == 0o640


def read_log(path: Path) -> str:
    if path.suffix != ".gz":
        return path.read_text()
    return subprocess.run(["gzip", "-dc", path], capture_output=True, text=True, check=True).stdout


# ── another user than root ────────────────────────────────────────────────────────────────

NOBODY = 65534


class Ordinary(Service):
    """Commands that a user without rights types, with everything under the home directory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home = folder / "home"
        self.file = self.home / ".config/torch/tasks.yaml"
        self.file.parent.mkdir(parents=True)
        self.state = self.home / ".local/state/torch/run"
        self.runtime: str | None = None
        self.before: list[str] = []
        if os.geteuid() == 0:
            self.before = [*_way_to(sys.executable, folder), "setpriv", f"--reuid={NOBODY}",
                           f"--regid={NOBODY}", "--clear-groups", "--"]  # fmt: skip

    def write(self, text: str) -> None:
        self.file.write_text(self.text(text))
        if self.before:
            for path in (self.scratch, self.home, *self.home.rglob("*")):
                os.chown(path, NOBODY, NOBODY)

    def finished(self, *args: str, deadline: float = 60) -> subprocess.CompletedProcess[str]:
        environ = {k: v for k, v in self.environ().items() if not k.startswith("XDG_")}
        environ["HOME"] = str(self.home)
        if self.runtime is not None:
            environ["XDG_RUNTIME_DIR"] = self.runtime
        return subprocess.run(
            [*self.before, sys.executable, "-m", "torch", *args], capture_output=True, text=True,
            timeout=deadline, check=False, env=environ, cwd=self.home,
        )  # fmt: skip


def _way_to(program: str, folder: Path) -> list[str]:
    """What makes a Python that lies in root's home reachable for others, for one process."""
    closed = [p for p in Path(program).resolve().parents if not p.stat().st_mode & 0o001]
    if not closed:
        return []
    for name in ("up", "work"):
        (folder / name).mkdir(mode=0o755)
    mount = (
        f"mount -t overlay overlay -o lowerdir={closed[-1]},upperdir={folder}/up,"
        f'workdir={folder}/work {closed[-1]} && exec "$@"'
    )
    way = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    command = [*way, "setpriv", f"--reuid={NOBODY}", sys.executable, "-c", "import torch"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip(f"this Python cannot be run by another user: {program}")
    return way


@pytest.fixture
def ordinary():
    # Not tmp_path: nobody else than its owner may look into what lies above it.
    with tempfile.TemporaryDirectory(prefix="torch-test-") as folder:
        Path(folder).chmod(0o755)
        made = Ordinary(Path(folder))
        yield made
        made.cleanup()


def test_an_ordinary_user_has_a_whole_service_at_home(ordinary):
    ordinary.start(TASKS.replace("env >>DIR/env", "id -u >>DIR/users"))
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    assert set(ordinary.wait_lines("users", 1)) == {str(uid)}
    (run,) = ordinary.task("stays")["runs"]
    ordinary.write(TASKS.replace("* * * * * *", "*/2 * * * * *"))
    ordinary.torch("reload")

    os.kill(ordinary.pid, signal.SIGKILL)
    until("the service is dead", lambda: not ordinary.pid)
    ordinary.torch("start")
    (adopted,) = ordinary.task("stays")["runs"]
    assert (adopted["pid"], adopted["adopted"]) == (run["pid"], True)
    checks = {check["name"]: check for check in ordinary.json("doctor")["checks"]}
    assert "bad" not in {check["verdict"] for check in checks.values()}, checks

    # Another session may have another run directory: that is no second service.
    ordinary.runtime = str(ordinary.home / "elsewhere")
    assert "is already running" in ordinary.error("start", code=75)
    assert f"pid {ordinary.pid}) is not in" in ordinary.error("status", code=69)
    ordinary.torch("stop")
    assert not alive(run["pid"])


@pytest.mark.parametrize("key", ["user: root", "group: root", "nice: -5"])
def test_what_only_root_may_is_refused_to_others_with_the_way_out(ordinary, key):
    ordinary.write(f"tasks: [{{name: a, schedule: '@daily', command: x, {key}}}]\n")
    assert "root" in ordinary.error("start", code=65)
