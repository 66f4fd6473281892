"""The peer as a side: installed into an environment of its own, started in a session of its own,
ended with everything it runs.

Both sides get the same commands, and each keeps the output of its runs as it does by default:
ours a file for each run, cronstable what a run says on stderr. Its log is off; ours is on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import bare
from bench.processes import Together, descendants
from bench.sides import Task
from bench.table import say

VERSION = "1.2.72"
HOME = Path(__file__).parents[2] / ".venv-peers" / f"cronstable-{VERSION}"
PATIENCE = 120.0
"""Seconds for a start."""

ASK = """
import platform
from importlib.metadata import version
print(f"cronstable {version('cronstable')}, its Python {platform.python_version()}")
"""


def install(*, speedups: bool) -> Peers:
    """Installs the pinned version, once; with `speedups` together with uvloop and the like."""
    home = HOME.with_name(f"{HOME.name}-speedups") if speedups else HOME
    if not (home / "ready").exists():
        say(f"installing cronstable {VERSION} into {home}")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        extra = "[speedups]" if speedups else ""
        pip = [
            str(home / "bin/python"),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "-q",
        ]
        subprocess.run([*pip, f"cronstable{extra}=={VERSION}"], check=True)
        (home / "ready").touch()
    return Peers(home)


class Peers:
    """An installed peer: each call gives a side."""

    def __init__(self, home: Path) -> None:
        self.home = home
        asked = [str(home / "bin/python"), "-c", ASK]
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
        self.version = done.stdout.strip()
        if home != HOME:
            self.version += ", with its speedups"

    def __call__(self) -> Peer:
        return Peer(self.home / "bin/cronstable")


class Peer(Together):
    def __init__(self, program: Path) -> None:
        self.folder = tempfile.mkdtemp(prefix="torch-bench-peer-")
        self._program = program
        self._file = f"{self.folder}/tasks.yaml"
        self._ready = f"{self.folder}/ready"
        self._service: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._service is not None:
            _end(self._service)
        shutil.rmtree(self.folder, ignore_errors=True)

    def give(self, tasks: Sequence[Task]) -> None:
        """A task of its own comes with them, which tells when the first pass has been made."""
        ready = Task(name="ready", schedule="@reboot", command=f"touch {self._ready}")
        with open(f"{self._file}.new", "w", encoding="utf-8") as file:
            file.write("jobs:\n" + "".join(map(_theirs, [*tasks, ready])))
        os.rename(f"{self._file}.new", self._file)

    def start(self) -> float:
        """Returns the seconds until it has run what it runs at its start."""
        with open(f"{self.folder}/out", "ab") as out, open(f"{self.folder}/err", "ab") as err:
            begin = time.monotonic()
            self._service = subprocess.Popen(
                [self._program, "-c", self._file, "--log-level", "ERROR"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                cwd=self.folder,
            )  # fmt: skip
        while not os.path.exists(self._ready):
            if self._service.poll() is not None or time.monotonic() > begin + PATIENCE:
                said = Path(self.folder, "err").read_text(encoding="utf-8")
                raise SystemExit(f"cronstable does not start:\n{said[-2000:]}")
            time.sleep(0.005)
        return time.monotonic() - begin

    def reload(self) -> None:
        """It looks at its file once a minute; a signal lets it look now."""
        os.kill(self.pids()[0], signal.SIGHUP)

    def printed(self, task: str) -> list[float]:
        """What a run prints goes where the service itself prints: one task prints, no other."""
        assert task
        return bare.numbers(f"{self.folder}/out")

    def pids(self) -> list[int]:
        assert self._service is not None
        return [self._service.pid]


def _theirs(task: Task) -> str:
    seconds = len(task.schedule.split()) == 6  # seven fields here: the last one is the year
    if isinstance(task.command, str):
        command = f" {json.dumps(task.command)}"
    else:
        command = "".join(f"\n      - {json.dumps(word)}" for word in task.command)
    return (
        f"  - name: {task.name}\n"
        f"    command:{command}\n"
        f'    schedule: "{task.schedule}{" *" if seconds else ""}"\n'
    )


def _end(service: subprocess.Popen[bytes]) -> None:
    """It would wait for its runs before it goes. So it is stopped, and reaps nobody: the pid of
    a child stays that child's until the child has been ended."""
    service.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, service.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    for pid in descendants(service.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.kill()
    service.wait()
