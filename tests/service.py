"""A real service in a directory of its own: real processes, signals, files and clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.waiting import until
from torch.daemon.lock import holder

ADDRESS = "10.77.0.1"

MARKED = "defaults: {env: {TEST_FOLDER: DIR}}\n"
"""By this every process of a test's tasks is known, wherever it hides."""


class Service:
    """One state directory and the commands a person would type against it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.file = folder / "tasks.yaml"
        self.scratch = folder / "scratch"
        self.more_options: list[str] = []
        self.scratch.mkdir()

    def write(self, text: str) -> None:
        """The task file, replaced by rename; DIR stands for a scratch folder of tasks."""
        new = self.folder / "tasks.yaml.new"
        new.write_text(self.text(text))
        new.chmod(0o644)
        new.rename(self.file)

    def text(self, text: str) -> str:
        marked = text if "defaults:" in text else text + MARKED
        return marked.replace("DIR", str(self.scratch))

    def torch(self, *args: str, code: int = 0, deadline: float = 60) -> str:
        """Runs `torch ARGS`; returns stdout. Fails if the exit code is another."""
        done = self.finished(*args, deadline=deadline)
        assert done.returncode == code, (
            f"torch {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def error(self, *args: str, code: int) -> str:
        """Runs `torch ARGS`, which must fail with this code; returns stderr, never a traceback."""
        done = self.finished(*args)
        assert done.returncode == code, (
            f"torch {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        assert "Traceback" not in done.stderr
        return done.stderr

    def finished(self, *args: str, deadline: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "torch", *args, *self.options(*args)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=deadline, check=False,
            env=self.environ(),
        )  # fmt: skip

    def options(self, *args: str) -> list[str]:
        if args[0] in ("version", "schema", "next", "check"):
            return []
        options = ["--state-dir", str(self.state), *self.more_options]
        if args[0] in ("start", "restart", "plan", "tasks", "explain"):
            options += ["-f", str(self.file), "--address", ADDRESS]
        return options

    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TORCH_")}
        return kept | {"NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}

    def start(self, text: str | None = None) -> int:
        if text is not None:
            self.write(text)
        return int(self.torch("start").split()[-1])

    def json(self, *args: str) -> Any:
        return json.loads(self.torch(*args, "--json"))

    def status(self) -> Any:
        return self.json("status")

    def task(self, name: str) -> dict[str, Any]:
        return next(task for task in self.status()["tasks"] if task["name"] == name)

    def lines(self, name: str) -> list[str]:
        """What tasks have written to a file of the scratch folder, whole lines only."""
        path = self.scratch / name
        text = path.read_text() if path.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def wait_lines(self, name: str, count: int) -> list[str]:
        def enough() -> list[str] | None:
            found = self.lines(name)
            return found if len(found) >= count else None

        return until(f"{name} has {count} lines", enough)

    @property
    def pid(self) -> int:
        return holder(str(self.state / "torch.lock")) or 0

    def log(self) -> str:
        paths = [self.state / "torch.log", self.folder / "log" / "torch.log"]
        path = paths[bool(self.more_options)]
        return path.read_text() if path.exists() else ""

    def wait_log(self, text: str) -> None:
        until(f"the log says {text!r}", lambda: text in self.log())

    def cleanup(self) -> None:
        if pid := self.pid:
            self.finished("stop", "--now")
        if pid and self.pid == pid:
            os.kill(pid, signal.SIGKILL)
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and self.owns(process):
                os.kill(int(process.name), signal.SIGKILL)

    def owns(self, process: Path) -> bool:
        """Whether a process was started by a task of this test (they all know their folder)."""
        try:
            return str(self.folder).encode() in (process / "environ").read_bytes()
        except OSError:
            return False

    def processes(self) -> list[int]:
        """Pids of what tasks of this test have left behind."""
        found = Path("/proc").iterdir()
        return [int(p.name) for p in found if p.name.isdigit() and self.owns(p)]


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"
