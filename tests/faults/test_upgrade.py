"""An upgrade from the version before the reaper, with that version's own code: its runs have a
shell around them, the shim, and a run file. They are adopted, end with their codes, and can be
stopped."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.faults.patient import Patient, kill_hard, parent_of
from tests.faults.witness import BEGIN, begin_and_end
from tests.service import alive
from tests.waiting import until

BEFORE = "29ca8b4"
"""The last commit whose runs had a shim."""

ROOT = Path(__file__).parents[2]
TASKS = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(3)}'
  - name: waits
    schedule: "@yearly"
    max: 2
    grace: 1s
    command: '{begin_and_end(7, "echo one; while [ ! -e DIR/go ]; do sleep 0.05; done; echo two")}'
  - name: limited
    schedule: "@yearly"
    timeout: 4s
    grace: 1s
    command: '{BEGIN}; exec sleep 100000'
  - name: keeper
    type: daemon
    max: 2
    command: '{BEGIN}; exec sleep 100000'
"""
MOST = {"beat": 1, "waits": 2}


class Upgraded(Patient):
    """Its first service is the old one."""

    def start_old(self, text: str) -> None:
        python = self._old_python()
        self.write(text)
        done = subprocess.run(
            [python, "-m", "torch", "start", *self.options("start")], env=self.environ(),
            capture_output=True, text=True, check=False, cwd="/", timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def wait_recorded(self, task: str, count: int) -> None:
        """Until the history, which is still of the old shape, has the pids of so many runs."""
        sql = "SELECT count(*) FROM run WHERE task = ? AND pid IS NOT NULL"

        def enough() -> bool:
            with contextlib.closing(sqlite3.connect(self.history)) as db:
                return bool(db.execute(sql, (task,)).fetchone()[0] >= count)

        until(f"{count} runs of {task} are recorded", enough)

    def _old_python(self) -> Path:
        """An interpreter that finds the old code, and all else where ours finds it."""
        old, venv = self.folder / "old", self.folder / "venv"
        code = subprocess.run(
            ["git", "-C", str(ROOT), "archive", BEFORE, "torch"], capture_output=True, check=False
        )
        if code.returncode:
            pytest.skip(f"the code before the reaper is not here: {code.stderr.decode().strip()}")
        old.mkdir()
        subprocess.run(["tar", "-x", "-C", str(old)], input=code.stdout, check=True)
        site = Path(sysconfig.get_path("purelib"))
        its = venv / site.relative_to(sys.prefix)
        its.mkdir(parents=True)
        (its / "old.pth").write_text(f"{old}\n{site}\n")
        (venv / "bin").mkdir()
        (venv / "pyvenv.cfg").write_bytes((Path(sys.prefix) / "pyvenv.cfg").read_bytes())
        python = venv / "bin" / "python"
        python.symlink_to(Path(sys.executable).resolve())
        return python


@pytest.fixture
def upgraded(tmp_path):
    tmp_path.chmod(0o755)
    made = Upgraded(tmp_path)
    yield made
    made.cleanup()


def _old_runs(service: Upgraded) -> dict[str, list[str]]:
    """Runs that the old service has begun, by task; each has a shim."""
    service.start_old(TASKS)
    for task in ("waits", "waits", "limited"):
        service.torch("run", task)
    service.wait_begun("waits", 2)
    service.wait_begun("limited", 1)
    service.wait_begun("keeper", 2)
    service.wait_more("beat")
    for task, count in (("waits", 2), ("limited", 1), ("keeper", 2)):
        service.wait_recorded(task, count)
    found = {task: [b.run for b in service.begun(task)] for task in ("waits", "limited", "keeper")}
    assert {path.name for path in service.run_files()} >= {
        r for runs in found.values() for r in runs
    }
    return found


def test_runs_of_the_version_before_are_adopted_and_end_with_their_codes(upgraded):
    runs = _old_runs(upgraded)
    upgraded.kill()
    upgraded.start()
    assert upgraded.task("waits")["running"] == 2 and upgraded.task("keeper")["running"] == 2
    assert "max is 2" in upgraded.error("run", "waits", code=75)
    upgraded.torch("kill", runs["waits"][1])
    assert upgraded.wait_row(runs["waits"][1])["outcome"] == "killed"
    assert upgraded.wait_row(runs["limited"][0])["outcome"] == "timed_out"
    upgraded.torch("restart")
    (upgraded.scratch / "go").touch()
    assert upgraded.wait_row(runs["waits"][0])["exit_code"] == 7
    assert upgraded.torch("logs", runs["waits"][0]) == "one\ntwo\n"
    upgraded.wait_more("beat")
    assert len(upgraded.begun("keeper")) == 2
    upgraded.torch("stop")
    assert not any(alive(line.pid) for line in upgraded.begun("keeper"))
    upgraded.judge(most={"beat": 1}, every_second=["beat"])


def test_runs_of_the_version_before_end_while_nobody_looks(upgraded):
    runs = _old_runs(upgraded)
    upgraded.kill()
    (upgraded.scratch / "go").touch()
    until("they are over", lambda: not any(map(upgraded.processes_of, runs["waits"])))
    upgraded.start()
    assert [upgraded.wait_row(run)["exit_code"] for run in runs["waits"]] == [7, 7]
    upgraded.torch("stop", "--now")
    upgraded.judge(most=MOST, every_second=["beat"])


def test_a_killed_shims_run_keeps_its_slot_and_its_end_is_unknown(upgraded):
    runs = _old_runs(upgraded)
    first = next(line for line in upgraded.begun("waits") if line.run == runs["waits"][0])
    upgraded.kill()
    kill_hard(parent_of(first.pid))
    upgraded.start()
    assert alive(first.pid) and "max is 2" in upgraded.error("run", "waits", code=75)
    (upgraded.scratch / "go").touch()
    assert upgraded.wait_row(first.run)["outcome"] == "unknown"
    assert upgraded.wait_row(runs["waits"][1])["exit_code"] == 7
    upgraded.torch("stop", "--now")
    upgraded.judge(most={"beat": 1}, every_second=["beat"], unknown=[first.run])


UNKNOWN: dict[str, bytes] = {
    "as the shim left it": b"S\n",
    "half-an-end": b"S\nX",
    "half-an-end-with-a-code": b"S\nX 0",
    "a-code-that-is-none": b"S\nX abc\n",
    "a-code-too-large": b"S\nX 999\n",
    "binary": bytes(range(256)) * 40,
    "a-start-of-everybody": b"S 0 0\n",
    "a-huge-pid": b"S 99999999999999999999999 7\n",
    "emptied": b"",
}


def test_of_a_run_file_only_whole_lines_count(upgraded):
    """Commands and shims are killed while the service is down; then the files are changed."""
    tasks = {case: f"t{number}" for number, case in enumerate([*UNKNOWN, "whole"])}
    upgraded.start_old(
        "tasks:\n"
        + "".join(
            f"  - {{name: {name}, schedule: '@yearly', command: '{BEGIN}; exec sleep 100000'}}\n"
            for name in tasks.values()
        ).replace("'@yearly'", '"@yearly"')
    )
    runs = {case: upgraded.torch("run", name).strip() for case, name in tasks.items()}
    for name in tasks.values():
        upgraded.wait_begun(name, 1)
        upgraded.wait_recorded(name, 1)
    upgraded.kill()
    upgraded.kill_tasks()
    for case, text in UNKNOWN.items():
        path = upgraded.run_file(runs[case])
        whole = path.read_bytes().splitlines()[0] + b"\n"
        path.write_bytes(text.replace(b"S\n", whole))
    with upgraded.run_file(runs["whole"]).open("a") as file:
        file.write("X 3\n")
    upgraded.start()
    for case in UNKNOWN:
        row = upgraded.wait_row(runs[case])
        assert (row["outcome"], row["exit_code"]) == ("unknown", None), case
    assert upgraded.wait_row(runs["whole"])["exit_code"] == 3
    upgraded.torch("stop")
