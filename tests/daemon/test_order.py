"""From a task to what runs: the order that is made of it, and what a reaper makes of that."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reaper.talking import Reaper
from tests.waiting import until
from torch.clock import FireTime
from torch.daemon import order as ordering
from torch.daemon.order import OrderError, Orders
from torch.run import Run, Trigger
from torch.task import Output, Privileges, Task, Via

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests with sudo")

RUN = f"r{os.getpid()}-1"
"""Processes are looked for on the whole host, where another test may have a run of this name."""


def make_run(**changes):
    run = Run(id=RUN, task="t", trigger=Trigger.SCHEDULE, fire_time=FireTime(60))
    return replace(run, **changes)


class Host:
    """A reaper, and the orders that a service would make for it."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.reaper = Reaper(folder).ready()
        self.output = folder / "output" / "t" / f"{RUN}.log"

    def start(self, command, **keys) -> Host:
        task = Task(name="t", command=command, **keys)
        order = Orders().make(make_run(), task, at=0.0, output=str(self.output))
        self.reaper.talk.send_raw(order.pack())
        return self

    def wait(self) -> int:
        """The exit code."""
        code = self.reaper.talk.code(RUN)
        self.reaper.talk.hear("closed", RUN)
        return code

    @property
    def pid(self) -> int:
        return self.reaper.talk.pid(RUN)

    def text(self) -> str:
        return self.output.read_text() if self.output.exists() else ""


@pytest.fixture
def host(tmp_path):
    tmp_path.chmod(0o755)
    made = Host(tmp_path)
    yield made
    made.reaper.close()


def make(command="true", run=None, **keys):
    task = Task(name="t", command=command, **keys)
    return Orders().make(run or make_run(), task, at=0.0, output=f"/output/t/{RUN}.log")


def test_the_journal_tells_start_and_exit_code(host):
    assert host.start("exit 7").wait() == 7
    said = host.reaper.journal().runs[RUN]
    assert (said.begun, said.pid, said.ended[0]) == (True, host.pid, 7)


def test_death_by_signal_is_reported_as_a_shell_reports_it_and_the_signal_is_known(host):
    assert host.start("kill -KILL $$").wait() == 128 + signal.SIGKILL
    assert host.reaper.journal().runs[RUN].ended[:2] == (137, 9)


def test_an_exit_code_above_128_is_no_signal(host):
    assert host.start("exit 143").wait() == 143
    assert host.reaper.journal().runs[RUN].ended[:2] == (143, None)


def test_sigterm_to_the_group_ends_the_command_and_leaves_the_reaper_to_tell(host):
    host.start("echo up; exec sleep 600")
    until("the command is up", lambda: "up" in host.text())
    host.reaper.talk.send(b"signal", RUN.encode(), b"15")
    assert host.wait() == 128 + signal.SIGTERM


def test_a_command_may_trap_sigterm(host):
    host.start("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    until("the command is up", lambda: "up" in host.text())
    host.reaper.talk.send(b"signal", RUN.encode(), b"15")
    assert host.wait() == 5
    assert "bye" in host.text()


def test_a_list_is_run_as_it_is_without_a_shell(host):
    assert host.start(("/bin/echo", "$HOME", "a b", "")).wait() == 0
    assert host.text() == "$HOME a b \n"


def test_a_list_never_means_a_builtin_of_the_shell(host):
    program = host.folder / "echo"
    program.write_text("#!/bin/sh\nprintf 'the program %s\\n' $1\n")
    program.chmod(0o755)
    env = (("PATH", f"{host.folder}:/bin:/usr/bin"),)
    assert host.start(("echo", "x"), env=env).wait() == 0
    assert host.text() == "the program x\n"


def test_a_list_whose_program_is_not_in_the_path_does_not_start():
    with pytest.raises(OrderError, match="'no-such-program' is not in"):
        make(("no-such-program",))


def test_standard_input_is_empty_and_both_outputs_go_to_the_file(host):
    assert host.start("cat; echo one; echo two >&2").wait() == 0
    assert host.text() == "one\ntwo\n"


def test_a_missing_program_of_a_list_is_refused_and_has_no_exit_code(host):
    host.start(("/no/such/program",))
    assert "/no/such/program" in host.reaper.talk.refusal(RUN)
    assert host.reaper.talk.find("ended") is None


def test_a_missing_program_in_a_text_ends_with_127_as_the_shell_says(host):
    assert host.start("/no/such/program").wait() == 127
    assert "/no/such/program" in host.text()


@pytest.mark.parametrize("keys", [{"nice": 5}, {"nice": 5, "shell": "/bin/bash"}])
def test_a_missing_program_behind_a_wrapper_is_refused_too(host, keys):
    host.start(("/no/such/program",), **keys)
    assert "nice could not start its command" in host.reaper.talk.refusal(RUN)
    assert host.reaper.talk.find("ended") is None


def test_the_environment_is_clean_and_names_the_run(host, monkeypatch):
    for name in ("PYTHONPATH", "SECRET_OF_SERVICE", "TORCH_STATE_DIR", "LD_X", "LC_ALL", "TERM"):
        monkeypatch.setenv(name, "/from/the/service")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    host.start(("/usr/bin/env",), env=(("A", "b c"), ("PATH", "/bin")))
    assert host.wait() == 0
    seen = dict(line.split("=", 1) for line in host.text().splitlines())
    assert set(seen) == set(
        "PATH HOME LANG USER LOGNAME SHELL A TORCH_TASK TORCH_RUN_ID TORCH_FIRE_TIME"
        " TORCH_ATTEMPT".split()
    )
    assert (seen["A"], seen["PATH"], seen["LANG"]) == ("b c", "/bin", "de_DE.UTF-8")
    assert (seen["TORCH_TASK"], seen["TORCH_RUN_ID"], seen["TORCH_ATTEMPT"]) == ("t", RUN, "1")
    assert seen["TORCH_FIRE_TIME"].startswith("1970-01-01T")


def test_a_run_that_no_fire_names_has_an_empty_fire_time():
    run = make_run(trigger=Trigger.DAEMON, fire_time=None)
    made = Orders().environment(run, Task(name="t", command="true"))
    assert made["TORCH_FIRE_TIME"] == ""


def test_cwd_umask_and_shell_are_the_tasks(host):
    host.start("pwd; umask; echo $0", cwd="/usr", umask=0o027, shell="/bin/bash")
    assert host.wait() == 0
    assert host.text().split() == ["/usr", "0027", "/bin/bash"]


def test_without_a_umask_a_task_has_022_whatever_the_service_has(host):
    before = os.umask(0o077)
    try:
        host.start("umask; pwd")
    finally:
        os.umask(before)
    assert host.wait() == 0
    assert host.text().split() == ["0022", "/"]


def test_a_task_gets_the_limit_of_open_files_that_the_service_found(host):
    assert host.start("ulimit -S -n").wait() == 0
    assert host.text().strip() in (str(ordering.SOFT_FILES), "unlimited")


def test_a_task_that_asks_for_it_writes_its_file_itself(host):
    host.start("readlink /proc/self/fd/1 /proc/self/fd/2", output=Output(via=Via.FILE))
    assert host.wait() == 0
    assert host.text().split() == [str(host.output)] * 2


# ── nice ──────────────────────────────────────────────────────────────────────────────────

_NICE = """
import os, sys, zoneinfo  # which another user may not be able to read
from tests.daemon.test_order import make
from torch.daemon.order import OrderError
os.nice({ours} - os.getpriority(os.PRIO_PROCESS, 0))
{before}
try:
    order = make("nice", nice={wanted})
except OrderError as error:
    print("refused:", error)
else:
    print(os.getpriority(os.PRIO_PROCESS, 0), flush=True)
    environ = dict(each.split(b"=", 1) for each in order.environ)
    os.execve(order.argv[0], order.argv, environ)
"""


def nice_under(ours: int, wanted: int, before: str = "") -> list[str]:
    """What a service at `ours` makes of a task's nice: its own after it, and the command's."""
    code = _NICE.format(ours=ours, wanted=wanted, before=before)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.split("\n")[:-1]


AS_OTHER = "os.setgid(54321); os.setuid(54321)"


@pytest.mark.parametrize(("ours", "wanted"), [(0, 7), (5, 5), (5, 12)])
def test_nice_is_absolute_and_not_above_the_services(ours, wanted):
    assert nice_under(ours, wanted) == [str(ours), str(wanted)]


@AS_ROOT
@pytest.mark.parametrize(("ours", "wanted"), [(5, 0), (0, -5), (5, -5)])
def test_a_service_of_root_gives_less_than_its_own_nice(ours, wanted):
    assert nice_under(ours, wanted) == [str(ours), str(wanted)]


@AS_ROOT
@pytest.mark.parametrize("wanted", [0, -5])
def test_a_nice_below_the_services_is_refused_where_it_cannot_be_given(wanted):
    (line,) = nice_under(5, wanted, AS_OTHER)
    assert line == (
        f"refused: its nice {wanted} is below the service's 5, which needs CAP_SYS_NICE"
    )


@AS_ROOT
def test_whoever_is_not_root_may_go_as_low_as_its_limit_says():
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NICE, (18, 18))"  # down to 2
    if resource_nice_hard() < 18:
        limit = "pass"
    found = nice_under(5, 2, f"{limit}; {AS_OTHER}")
    assert found == ["5", "2"] or limit == "pass"


def resource_nice_hard() -> int:

    hard = resource.getrlimit(resource.RLIMIT_NICE)[1]
    return 40 if hard == resource.RLIM_INFINITY or _may_raise_limits() else hard


def _may_raise_limits() -> bool:
    with open("/proc/self/status") as file:
        caps = next(line for line in file if line.startswith("CapEff"))
    return bool(int(caps.split()[1], 16) >> 24 & 1)


def test_nice_reaches_the_command(host):
    assert host.start("nice", nice=7).wait() == 0
    assert host.text().strip() == "7"


# ── another user ──────────────────────────────────────────────────────────────────────────


@AS_ROOT
def test_user_drops_uid_gid_groups_and_new_privileges(host):
    host.start("id -u; id -g; id -G; grep NoNewPrivs /proc/self/status", user="nobody")
    assert host.wait() == 0
    uid, gid, groups, no_new = host.text().splitlines()
    nobody = subprocess.run(["id", "-u", "nobody"], capture_output=True, text=True).stdout.strip()
    assert uid == nobody
    assert (
        gid
        == groups
        == subprocess.run(["id", "-g", "nobody"], capture_output=True, text=True).stdout.strip()
    )
    assert no_new.split() == ["NoNewPrivs:", "1"]


@pytest.fixture
def open_folder():
    """One that other users reach."""
    with tempfile.TemporaryDirectory(prefix="torch-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@AS_ROOT
@pytest.mark.parametrize(("word", "no_new", "euid"), [("drop", "1", "65534"), ("keep", "0", "0")])
def test_a_setuid_program_has_its_effect_only_if_privileges_are_kept(
    host, open_folder, word, no_new, euid
):
    program = open_folder / "setuid-id"
    shutil.copy("/usr/bin/id", program)
    program.chmod(0o4755)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        pytest.skip("set-uid programs have no effect on this file system")
    command = f"grep NoNewPrivs /proc/self/status | tr -dc 01; echo; {program} -u; id -u"
    host.start(command, user="65534", privileges=Privileges(word), nice=3)
    assert host.wait() == 0
    assert host.text().split() == [no_new, euid, "65534"]


@AS_ROOT
def test_the_tasks_user_can_open_its_outputs_anew_and_nothing_else_of_the_reaper(host):
    host.start(
        f"echo one >/dev/stderr; echo two >/dev/stdout; ls {host.reaper.directory} && echo seen;"
        " exit 3", user="nobody",
    )  # fmt: skip
    assert host.wait() == 3
    assert host.text().splitlines()[:2] == ["one", "two"]
    assert "seen" not in host.text()


@AS_ROOT
def test_the_tasks_user_cannot_end_the_reaper(host):
    host.start("kill -KILL $PPID; echo refused=$?", user="nobody")
    assert host.wait() == 0
    assert "refused=1" in host.text()


@AS_ROOT
def test_nice_and_user_together_reach_the_command(host):
    host.start("nice; id -u", nice=3, user="nobody")
    assert host.wait() == 0
    assert host.text().split()[0] == "3" and host.text().split()[1] != "0"


# ── what cannot start ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"user": "no_such_user_xyz"}, "no user 'no_such_user_xyz'"),
        ({"group": "no_such_group_xyz"}, "no group 'no_such_group_xyz'"),
        ({"env_file": "/no/such/file"}, "env_file /no/such/file"),
        ({"env": (("A", "\ud800"),)}, "cannot be passed to a process"),
    ],
)
def test_what_is_known_to_be_impossible_is_refused_before_anything_exists(keys, words):
    with pytest.raises(OrderError, match=words):
        make(**keys)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"cwd": "/no/such/folder"}, "its directory /no/such/folder cannot be entered"),
        ({"env": (("A", "a\0b"),)}, "cannot be given"),
        ({"command": "a\0b"}, "cannot be given"),
        ({"shell": "/no/such/shell"}, "/no/such/shell"),
        ({"command": "x" * 200_000}, "Argument list too long"),
    ],
)
def test_what_cannot_start_says_why_and_leaves_nothing(host, keys, words):
    host.start(**{"command": "true", **keys})
    assert words in host.reaper.talk.refusal(RUN)
    assert not host.output.exists()
    assert not host.reaper.journal().runs[RUN].begun
    until("nobody has its output open", lambda: open_files(host) == ["journal"])


def open_files(host) -> list[str]:
    return [p.name for p in host.reaper.directory.iterdir() if host.reaper.has_open(p)]
