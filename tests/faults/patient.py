"""The service of a fault test: it is killed, frozen and starved, and then judged."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.witness import Line, broken
from tests.service import Service, alive
from tests.waiting import until
from torch.history import query


class Patient(Service):
    # ── what it suffers ───────────────────────────────────────────────────────────────────

    def begin_start(self) -> subprocess.Popen[str]:
        """`torch start` without waiting for it."""
        return self.popen("start")

    def popen(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "torch", *args, *self.options(*args)], env=self.environ(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def kill(self) -> bool:
        """kill -9 of the service; returns when its lock is free. False: there was none."""
        pid = self.pid
        if not pid:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        until("the service is dead", lambda: not alive(pid) and self.pid != pid)
        return True

    def edit_history(self, *statements: str) -> None:
        """Changes the history behind the service's back."""
        with contextlib.closing(sqlite3.connect(self.state / "history.db")) as db, db:
            for statement in statements:
                db.execute(statement)

    def kill_tasks(self) -> None:
        """kill -9 of everything that tasks have started."""
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        kill_hard(*pids)

    # ── what tasks say ────────────────────────────────────────────────────────────────────

    def witness(self) -> list[Line]:
        return [Line.parse(text) for text in self.lines("witness")]

    def begun(self, task: str) -> list[Line]:
        return [line for line in self.witness() if line.kind == "B" and line.task == task]

    def wait_begun(self, task: str, count: int) -> list[Line]:
        def enough() -> list[Line] | None:
            found = self.begun(task)
            return found if len(found) >= count else None

        return until(f"{task} has begun {count} times", enough)

    def wait_more(self, *tasks: str, more: int = 1) -> None:
        """Until each task has begun `more` times from now on: the service goes on."""
        wanted = {task: len(self.begun(task)) + more for task in tasks}
        for task, count in wanted.items():
            self.wait_begun(task, count)

    def live(self) -> dict[str, set[str]]:
        """Task -> run ids of which processes live, as /proc says."""
        found = defaultdict(set)
        for pid in self.processes():
            if alive(pid) and (run := environ_of(pid)).get("TORCH_RUN_ID"):
                found[run["TORCH_TASK"]].add(run["TORCH_RUN_ID"])
        return found

    def living(self, task: str) -> list[int]:
        """Pids of a task's commands. Looked at twice: a pid may be another process's by now."""
        begun = self.begun(task)
        return [
            b.pid for b in begun
            if alive(b.pid) and environ_of(b.pid).get("TORCH_RUN_ID") == b.run
        ]  # fmt: skip

    def processes_of(self, run: str) -> list[int]:
        return [p for p in self.processes() if environ_of(p).get("TORCH_RUN_ID") == run]

    def wait_running(self, task: str) -> None:
        """Until the history knows the pid of the task's newest run."""
        until(f"{task} runs", lambda: self.rows(task)[-1]["state"] == "running")

    # ── the judgement ─────────────────────────────────────────────────────────────────────

    def rows(self, task: str | None = None) -> list[dict[str, Any]]:
        """Every row, oldest first; read without a process of its own, to be asked often."""
        found = query.runs(self.history, task=task, limit=100_000)
        return [row.as_json() for row in found[::-1]]

    def row(self, run_id: str) -> dict[str, Any]:
        found = query.find(self.history, run_id)
        assert found is not None, f"{run_id} has no row"
        return found.as_json()

    @property
    def history(self) -> str:
        return str(self.state / "history.db")

    def wait_row(self, run_id: str, state: str = "finished") -> dict[str, Any]:
        until(f"{run_id} is {state}", lambda: self.row(run_id)["state"] == state)
        return self.row(run_id)

    def judge(
        self, *, most: Mapping[str, int], every_second: Collection[str] = (),
        unknown: Collection[str] = (), over: bool = True,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Fails with every broken promise; returns the rows. Call it after `torch stop`."""
        rows: list[dict[str, Any]] = self.json("runs", "--limit", "100000")["runs"][::-1]
        found = broken(
            self.witness(), rows, most=most, every_second=every_second, unknown=unknown, over=over
        )
        if over:
            found += [f"left behind: process {pid}" for pid in self.processes()]
            found += [f"left behind: run file {path.name}" for path in self.run_files()]
            found += self._left_of_reapers()
        assert not found, "\n" + "\n".join(found[:20])
        return rows

    def _left_of_reapers(self) -> list[str]:
        """A reaper ends when it has no run and no output left, a moment after its service."""
        with contextlib.suppress(AssertionError):
            until("no reaper is left", lambda: not self.reaper_files() and not self.reapers())
        left = [f"left behind: {path}" for path in self.reaper_files()]
        return [*left, *(f"left behind: reaper {pid}" for pid in self.reapers())]

    def reaper_files(self) -> list[Path]:
        folder = self.state / "reapers"
        return sorted(folder.rglob("*")) if folder.exists() else []

    def reapers(self) -> dict[int, Path]:
        """Pid -> directory of every reaper of this test that lives, by its command line."""
        found = {}
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, IndexError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                directory = Path(os.fsdecode(words[-2]))
                ours = b"torch.reaper" in words and directory.parent == self.state / "reapers"
                if ours and alive(int(process.name)):
                    found[int(process.name)] = directory
        return found

    def cleanup(self) -> None:
        super().cleanup()
        for pid in self.reapers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def seconds(self, text: str) -> float:
        """A time of our records in epoch seconds."""
        return datetime.fromisoformat(text).timestamp()

    def run_files(self) -> list[Path]:
        folder = self.state / "runs"
        return sorted(folder.iterdir()) if folder.exists() else []

    def run_file(self, run_id: str) -> Path:
        return self.state / "runs" / run_id


def once(seconds: float) -> str:
    """A schedule that names the one second so far from now, in UTC."""
    return time.strftime("%S %M %H %d %m *", time.gmtime(time.time() + seconds))


def environ_of(pid: int) -> dict[str, str]:
    """The environment a process was started with; {} when it is gone."""
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    return dict(pair.partition("=")[::2] for pair in text.split("\0") if "=" in pair)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_hard(*pids: int) -> None:
    """kill -9, and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(f"{pids} are gone", lambda: not any(map(alive, pids)))
