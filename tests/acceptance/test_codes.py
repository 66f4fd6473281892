"""What never began has no exit code, whatever the exit codes of success are."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_output import reaper
from tests.service import Service
from tests.waiting import until

EVERY_CODE = f"success_codes: {[*range(256)]}"
HARD = resource.getrlimit(resource.RLIMIT_NPROC)[1]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def task(name: str, command: str, *more: str, schedule: str = "@yearly") -> str:
    keys = "".join(f"    {line}\n" for line in (*more, EVERY_CODE))
    return f'  - name: {name}\n    schedule: "{schedule}"\n    command: {command}\n{keys}'


def newest(service: Service, name: str) -> dict[str, Any]:
    runs = service.json("runs", name)["runs"]
    return runs[0] if runs else {}


def did_not_start(service: Service, name: str, reason: str) -> None:
    """By hand: `torch run --wait` says so, and exits with 1."""
    said = service.error("run", name, "--wait", code=1)
    assert said.startswith(f"torch: {name} did not start: "), said
    assert reason in said
    run = newest(service, name)
    assert (run["outcome"], run["exit_code"], run["signal"]) == ("failed", None, None)
    assert (run["started_at"], run["pid"]) == (None, None)
    assert reason in run["reason"]


@contextlib.contextmanager
def no_more_processes(pid: int) -> Iterator[None]:
    """The process has reached its limit of processes: a cgroup for root, whom the other limit does
    not hold."""
    if os.geteuid():
        before = resource.prlimit(pid, resource.RLIMIT_NPROC)
        resource.prlimit(pid, resource.RLIMIT_NPROC, (1, before[1]))
        yield
        resource.prlimit(pid, resource.RLIMIT_NPROC, before)
        return
    top = Path("/sys/fs/cgroup/pids")
    group = (top if top.is_dir() else Path("/sys/fs/cgroup")) / f"torch-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
        (group / "pids.max").write_text((group / "pids.current").read_text())
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no cgroup of processes can be made here: {error}")
    try:
        yield
    finally:
        for each in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (group.parent / "cgroup.procs").write_text(each)
        until("the cgroup is empty", lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_where_no_process_can_be_made_a_run_did_not_start_and_the_next_one_may(service):
    service.start("tasks:\n" + task("t", "date; date") + task("u", "[/bin/date]"))
    with no_more_processes(reaper(service)):
        did_not_start(service, "t", "Resource temporarily unavailable")
        did_not_start(service, "u", "Resource temporarily unavailable")
    service.torch("run", "t", "--wait")
    assert newest(service, "t")["exit_code"] == 0


@AS_ROOT
def test_a_shell_whose_user_may_have_no_more_processes_has_not_succeeded(service):
    service.start("tasks:\n" + task("t", "date; date", "user: nobody"))
    before = resource.prlimit(reaper(service), resource.RLIMIT_NPROC, (0, HARD))
    service.finished("run", "t", "--wait")
    run = newest(service, "t")
    assert run["outcome"] == "failed"
    assert "limit of processes" in run["reason"] or run["exit_code"] is None
    resource.prlimit(reaper(service), resource.RLIMIT_NPROC, before)
    service.torch("run", "t", "--wait")
    assert newest(service, "t")["outcome"] == "succeeded"


FOLDERS = {"gone": "No such file", "file": "Not a directory"}


def test_a_directory_that_cannot_be_entered_is_no_start_by_hand_and_on_schedule(service):
    folder = service.folder
    for name in FOLDERS:
        (folder / name).mkdir()
    made = "".join(
        task(f"{kind}-{name}", "date", f"cwd: {folder}/{name}", schedule=schedule)
        for name in FOLDERS
        for kind, schedule in (("hand", "@yearly"), ("fire", "* * * * * *"))
    )
    service.start("tasks:\n" + made)
    for name in FOLDERS:
        (folder / name).rmdir()
    (folder / "file").touch()
    for name, reason in FOLDERS.items():
        did_not_start(service, f"hand-{name}", reason)
        fired = f"fire-{name}"
        until("a fire did not start", partial(_says, service, fired, reason))
        run = newest(service, fired)
        assert (run["outcome"], run["exit_code"]) == ("failed", None)
        assert "event=run_not_started" in service.log()


def _says(service: Service, name: str, reason: str) -> bool:
    return reason in newest(service, name).get("reason", "")


MISSING = {
    "by-path": ("[/no/such/program, x]", ()),
    "by-path-nice": ("[/no/such/program, x]", ("nice: 5",)),
    "no-interpreter": ("[SCRIPT]", ()),
    "not-executable": ("[FOLDER/data]", ()),
    "shell": ("date", ("shell: SHELL",)),
}
MISSING_AS_ANOTHER = {
    f"{name}-user": (command, (*keys, "user: nobody")) for name, (command, keys) in MISSING.items()
}


def test_a_program_that_is_missing_is_no_start_with_and_without_a_user(service):
    script = service.folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    (service.folder / "data").touch()
    shell = service.folder / "shell"
    shell.symlink_to("/bin/sh")
    tasks = MISSING | (MISSING_AS_ANOTHER if os.geteuid() == 0 else {})
    made = "".join(task(name, command, *keys) for name, (command, keys) in tasks.items())
    service.start(
        "tasks:\n"
        + made.replace("SCRIPT", str(script))
        .replace("FOLDER", str(service.folder))
        .replace("SHELL", str(shell))
    )
    shell.unlink()
    for name in tasks:
        did_not_start(service, name, "its command")


def test_a_program_that_is_nowhere_in_the_path_is_no_start(service):
    service.start("tasks:\n" + task("t", "[no-such-program]"))
    did_not_start(service, "t", "'no-such-program' is not in ")


def test_a_command_that_ends_as_a_wrapper_would_has_its_own_code(service):
    user = ["user: nobody"] if os.geteuid() == 0 else []
    made = "".join(
        task(f"c{code}", f"exit {code}", "nice: 3", *user) for code in (1, 125, 126, 127)
    )
    service.start("tasks:\n" + made)
    for code in (1, 125, 126, 127):
        service.torch("run", f"c{code}", "--wait", code=code)
        assert newest(service, f"c{code}")["exit_code"] == code


BECOMES = {
    "nice": ("exec nice /no/such/program", 127),
    "options-of-nice": ("exec nice --no-such-option", 125),
    "options-of-setpriv": ("exec setpriv --no-such-option", 1),
}


def test_a_command_that_becomes_nice_or_setpriv_itself_has_its_own_code(service):
    users = {"": ["nice: 3"], "-user": ["user: nobody"], "-both": ["nice: 3", "user: nobody"]}
    if os.geteuid():
        del users["-user"], users["-both"]
    made = {
        f"{name}{user}": (task(f"{name}{user}", command, *keys), code)
        for name, (command, code) in BECOMES.items()
        for user, keys in users.items()
    }
    service.start("tasks:\n" + "".join(text for text, _ in made.values()))
    for name, (_, code) in made.items():
        service.torch("run", name, "--wait", code=code)
        run = newest(service, name)
        assert (run["outcome"], run["exit_code"]) == ("succeeded", code)
        assert run["started_at"] is not None
