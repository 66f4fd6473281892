"""The protocol of a run, with real processes: what the shim writes, holds and passes on."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import until
from torch.clock import FireTime
from torch.daemon import spawn as spawning
from torch.daemon.spawn import SpawnError, environment, release, spawn
from torch.run import Run, Trigger
from torch.task import Task

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests with sudo")


def make_run(**changes):
    run = Run(id="r-1", task="t", trigger=Trigger.SCHEDULE, fire_time=FireTime(60))
    return replace(run, **changes)


class Started:
    """A run spawned for a test, waited for and cleaned up."""

    def __init__(
        self, folder: Path, task: Task, run: Run | None = None, runs: Path | None = None
    ) -> None:
        self.run = run or make_run()
        self.output = folder / "out"
        self.run_file = folder / self.run.id
        fd = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            spawned = spawn(self.run, task, runs_dir=str(runs or folder), output_fd=fd)
        finally:
            os.close(fd)
        self.pid = spawned.pid
        assert release(spawned.go)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def text(self) -> str:
        return self.output.read_text()


def start(folder: Path, command: str | tuple[str, ...], **keys) -> Started:
    return Started(folder, Task(name="t", command=command, **keys))


def test_a_folder_of_run_files_that_was_taken_away_is_made_again(tmp_path):
    folder = tmp_path / "runs"
    run = Started(tmp_path, Task(name="t", command="true"), runs=folder)
    assert run.wait() == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "r-1").exists()


def test_the_run_file_tells_start_and_exit_code(tmp_path):
    run = start(tmp_path, "exit 7")
    assert run.wait() == 7
    begun, ended = run.run_file.read_text().splitlines()
    assert begun == f"S {run.pid}"
    assert ended == "X 7"


def test_the_run_file_is_locked_exactly_as_long_as_the_shim_lives(tmp_path):
    release = tmp_path / "release"
    os.mkfifo(release)
    run = start(tmp_path, f"read line <{release}")
    with open(run.run_file) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    release.write_text("go\n")
    assert run.wait() == 0
    with open(run.run_file) as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_a_process_that_outlives_its_run_does_not_hold_the_run_file(tmp_path):
    release = tmp_path / "release"
    os.mkfifo(release)
    run = start(tmp_path, f"(read line <{release}) & exit 0")
    assert run.wait() == 0
    with open(run.run_file) as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    release.write_text("go\n")


def test_death_by_signal_is_reported_as_a_shell_reports_it(tmp_path):
    run = start(tmp_path, "kill -KILL $$")
    assert run.wait() == 128 + signal.SIGKILL
    assert run.run_file.read_text().endswith("X 137\n")


def test_sigterm_to_the_group_ends_the_command_and_leaves_the_shim_to_tell(tmp_path):
    run = start(tmp_path, "echo up; exec sleep 600")
    until("the command is up", lambda: "up" in run.text())
    os.killpg(run.pid, signal.SIGTERM)
    assert run.wait() == 128 + signal.SIGTERM
    assert run.run_file.read_text().endswith("X 143\n")


def test_a_command_may_trap_sigterm_although_the_shim_stays(tmp_path):
    run = start(tmp_path, "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    until("the command is up", lambda: "up" in run.text())
    os.killpg(run.pid, signal.SIGTERM)
    assert run.wait() == 5
    assert "bye" in run.text()


def test_a_list_is_run_as_it_is_without_a_shell(tmp_path):
    run = start(tmp_path, ("/bin/echo", "$HOME", "a b", ""))
    assert run.wait() == 0
    assert run.text() == "$HOME a b \n"


def test_a_list_never_means_a_builtin_of_the_shell(tmp_path):
    program = tmp_path / "echo"
    program.write_text("#!/bin/sh\nprintf 'the program %s\\n' $1\n")
    program.chmod(0o755)
    run = start(tmp_path, ("echo", "x"), env=(("PATH", f"{tmp_path}:/bin:/usr/bin"),))
    assert run.wait() == 0
    assert run.text() == "the program x\n"


def test_a_list_whose_program_is_not_in_the_path_does_not_start(tmp_path):
    with pytest.raises(SpawnError, match="'no-such-program' is not in"):
        start(tmp_path, ("no-such-program",))


def test_standard_input_is_empty_and_both_outputs_go_to_the_file(tmp_path):
    run = start(tmp_path, "cat; echo one; echo two >&2")
    assert run.wait() == 0
    assert run.text() == "one\ntwo\n"


def test_a_missing_command_ends_with_127_and_says_so(tmp_path):
    run = start(tmp_path, ("/no/such/program",))
    assert run.wait() == 127
    assert "/no/such/program" in run.text()


def test_the_environment_is_clean_and_names_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/from/the/service")
    monkeypatch.setenv("SECRET_OF_SERVICE", "1")
    run = start(tmp_path, ("/usr/bin/env",), env=(("A", "b c"), ("PATH", "/bin")))
    assert run.wait() == 0
    seen = dict(line.split("=", 1) for line in run.text().splitlines())
    assert seen.keys() >= {"HOME", "LANG", "USER", "SHELL"}
    assert not seen.keys() & {"PYTHONPATH", "SECRET_OF_SERVICE", "VIRTUAL_ENV"}
    assert seen["A"] == "b c"
    assert seen["PATH"] == "/bin"
    assert seen["TORCH_TASK"] == "t"
    assert seen["TORCH_RUN_ID"] == "r-1"
    assert seen["TORCH_ATTEMPT"] == "1"
    assert seen["TORCH_FIRE_TIME"].startswith("1970-01-01T")


def test_a_run_that_no_fire_names_has_an_empty_fire_time():
    run = make_run(trigger=Trigger.DAEMON, fire_time=None)
    assert environment(run, Task(name="t", command="true"))["TORCH_FIRE_TIME"] == ""


def test_cwd_umask_and_shell_are_the_tasks(tmp_path):
    run = start(tmp_path, "pwd; umask; echo $0", cwd="/usr", umask=0o027, shell="/bin/bash")
    assert run.wait() == 0
    assert run.text().split() == ["/usr", "0027", "/bin/bash"]


def test_without_a_umask_a_task_has_022_whatever_the_service_has(tmp_path):
    before = os.umask(0o077)
    try:
        run = start(tmp_path, "umask")
    finally:
        os.umask(before)
    assert run.wait() == 0
    assert run.text().strip() == "0022"


def test_nice_reaches_the_command(tmp_path):
    run = start(tmp_path, "nice", nice=7)
    assert run.wait() == 0
    assert run.text().strip() == "7"


def test_a_task_gets_the_limit_of_open_files_that_the_service_found(tmp_path):
    run = start(tmp_path, "ulimit -S -n")
    assert run.wait() == 0
    assert run.text().strip() in (str(spawning.SOFT_LIMIT), "unlimited")


@AS_ROOT
def test_user_drops_uid_gid_groups_and_new_privileges(tmp_path):
    tmp_path.chmod(0o755)
    run = start(tmp_path, "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status", user="nobody")
    assert run.wait() == 0
    uid, gid, groups, no_new = run.text().splitlines()
    nobody = subprocess.run(["id", "-u", "nobody"], capture_output=True, text=True).stdout.strip()
    assert uid == nobody
    assert (
        gid
        == groups
        == subprocess.run(["id", "-g", "nobody"], capture_output=True, text=True).stdout.strip()
    )
    assert no_new.split() == ["NoNewPrivs:", "1"]


@AS_ROOT
def test_the_tasks_user_cannot_end_the_shim(tmp_path):
    run = start(tmp_path, "kill -KILL $PPID; echo refused=$?", user="nobody")
    assert run.wait() == 0
    assert "refused=1" in run.text()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"cwd": "/no/such/folder"}, "/no/such/folder"),
        ({"user": "no_such_user_xyz"}, "no user 'no_such_user_xyz'"),
        ({"group": "no_such_group_xyz"}, "no group 'no_such_group_xyz'"),
        ({"env_file": "/no/such/file"}, "env_file /no/such/file"),
    ],
)
def test_what_cannot_start_says_why_and_leaves_no_run_file(tmp_path, keys, words):
    with pytest.raises(SpawnError, match=words):
        start(tmp_path, "true", **keys)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_what_no_process_can_be_given_is_a_named_error_and_leaves_nothing(tmp_path, value):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SpawnError, match="no process can be given"):
        start(tmp_path, "true", env=(("A", value),))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_same_run_cannot_be_started_twice(tmp_path):
    first = start(tmp_path, "exit 0")
    first.wait()
    with pytest.raises(SpawnError):
        start(tmp_path, "exit 0")


def test_a_shim_that_is_never_released_starts_nothing_and_leaves_its_run_file_empty(tmp_path):
    fd = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT, 0o600)
    spawned = spawn(
        make_run(), Task(name="t", command="echo ran"), runs_dir=str(tmp_path), output_fd=fd
    )
    os.close(fd)
    with open(tmp_path / "r-1") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(spawned.go)  # as when the service dies
    os.waitpid(spawned.pid, 0)
    assert (tmp_path / "r-1").read_text() == ""
    assert (tmp_path / "out").read_text() == ""
