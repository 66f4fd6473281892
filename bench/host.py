"""A service of a benchmark's own: a temporary directory, the real command line, /proc."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from bench.processes import Together, reapers


class Host(Together):
    """`with Host() as host:` … everything it made is gone after it."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="torch-bench-")
        self.file = f"{self.folder}/tasks.yaml"
        self.state = f"{self.folder}/state"
        self.pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self.pid:
            self.torch("stop", "--now")
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, text: str) -> None:
        with open(f"{self.file}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(f"{self.file}.new", 0o644)
        os.rename(f"{self.file}.new", self.file)

    def torch(self, *args: str) -> str:
        command = [sys.executable, "-m", "torch", *args, "--state-dir", self.state]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"torch {args}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> float:
        """Starts the service; returns the seconds until `torch start` came back."""
        begin = time.monotonic()
        said = self.torch("start", "-f", self.file, "--address", "10.9.9.9")
        self.pid = int(said.split()[-1])
        return time.monotonic() - begin

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.torch("status", "--json"))
        return answer

    def outputs(self, task: str) -> list[float]:
        """The numbers that the runs of a task have printed, one a run."""
        folder = f"{self.state}/output/{task}"
        found = []
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(f"{folder}/{name}", encoding="ascii") as file:
                text = file.read()
            if text.endswith("\n"):
                found.append(float(text))
        return found

    def pids(self) -> list[int]:
        """The service and its reaper."""
        return [self.pid, *reapers(self.pid)]


def until(what: str, condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"after {seconds:g} s still not so: {what}")
        time.sleep(0.05)


def tasks(count: int, schedule: str, command: str = "[/bin/true]", first: int = 0) -> str:
    """A task file of `count` tasks, as people write them."""
    return "tasks:\n" + "".join(
        f"  - name: task-{number}\n"
        f'    schedule: "{schedule.format(minute=number % 60)}"\n'
        f"    command: {command}\n"
        f"    description: number {number} of a large file\n"
        f"    timeout: 20m\n"
        for number in range(first, first + count)
    )
