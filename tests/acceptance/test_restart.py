"""A restart: what it keeps, what it takes over from the command line, and what it refuses first."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.acceptance.test_believed import STRANGER, as_root
from tests.faults.disks import mounted
from tests.service import ADDRESS, Service, alive
from torch.client.asking import ask
from torch.daemon.rehearsal import rehearse
from torch.errors import NotPermitted
from torch.settings import resolve

OTHER = "10.77.0.9"
FLEET = f"""
tasks:
  - {{name: long, type: daemon, command: 'echo $$ >>DIR/pids; exec sleep 600'}}
  - {{name: mine, schedule: "@daily", hosts: [{ADDRESS}], command: "true"}}
  - {{name: theirs, schedule: "@daily", hosts: [{OTHER}], command: "true"}}
"""


@pytest.fixture
def plain(service):
    """A service with a live run, and commands that name its state directory alone."""
    service.write(FLEET)
    service.torch("start", "--log-format", "json")
    service.wait_lines("pids", 1)
    service.options = lambda *_: ["--state-dir", str(service.state)]
    return service


def names(service: Service) -> list[str]:
    return [task["name"] for task in service.status()["tasks"]]


def restarted(service, *args, **variables):
    environ = service.environ()
    service.environ = lambda: environ | variables
    pid = int(service.torch("restart", *args).split()[-1])
    service.environ = lambda: environ
    assert len(service.lines("pids")) == 1
    return pid


def test_a_restart_keeps_what_the_service_was_started_with(plain):
    restarted(plain)
    status = plain.status()
    assert (status["address"], status["address_given"]) == (ADDRESS, True)
    assert status["version"]["file"] == str(plain.file)
    assert json.loads(plain.log().splitlines()[-1])["event"]


def test_a_restart_keeps_log_folder_and_limits_of_the_history(service):
    service.write(FLEET)
    logs = service.folder / "log"
    environ = service.environ()
    service.environ = lambda: environ | {"TORCH_HISTORY_DAYS": "3000"}
    service.torch("start", "--log-dir", str(logs))
    service.environ = lambda: environ
    service.options = lambda *_: ["--state-dir", str(service.state)]
    restarted(service)
    place = resolve({}, uid=0, state_dir=str(service.state))
    settings = ask(place, {"do": "file"}, timeout=10)["settings"]
    assert settings["history_days"] == 3000
    assert settings["log_dir"] == str(logs)
    assert not (service.state / "torch.log").exists()


def test_the_address_of_an_option_or_a_variable_counts(plain):
    assert names(plain) == ["long", "mine"]
    restarted(plain, "--address", OTHER)
    assert names(plain) == ["long", "theirs"]
    assert plain.status()["address"] == OTHER
    restarted(plain, TORCH_ADDRESS=ADDRESS)
    assert names(plain) == ["long", "mine"]


def test_the_file_of_a_variable_counts(plain):
    other = plain.folder / "other.yaml"
    other.write_text(plain.text(FLEET.replace("mine", "new")))
    restarted(plain, TORCH_FILE=str(other))
    assert names(plain) == ["long", "new"]


# ── what would fail is refused before the stop ────────────────────────────────────────────


def refused(service, *args, code, **variables):
    """The error of a restart that changes nothing."""
    pid = service.pid
    environ = service.environ()
    service.environ = lambda: environ | variables
    error = service.error("restart", *args, code=code)
    service.environ = lambda: environ
    assert service.status()["pid"] == pid and alive(pid)
    assert "stopping" not in service.log()
    assert len(service.lines("pids")) == 1
    return error


@pytest.mark.parametrize(
    ("text", "said"),
    [("tasks: [{name: a", "broken.yaml:"), (None, "broken.yaml"), ("tasks: [{name: a}]", "'a'")],
)
def test_a_file_that_is_broken_or_missing(plain, text, said):
    broken = plain.folder / "broken.yaml"
    if text is not None:
        broken.write_text(text)
    assert said in refused(plain, "-f", str(broken), code=65)
    assert said in refused(plain, code=65, TORCH_FILE=str(broken))


def test_a_file_that_is_wrong_only_for_the_new_address(plain):
    plain.write(
        FLEET
        + f'  - {{name: there, schedule: "@daily", hosts: ["{OTHER}"], command: x, cwd: /no}}\n'
    )
    assert "/no" in refused(plain, "--address", OTHER, code=65)


def test_a_file_that_others_may_write_to(plain):
    open_to_all = plain.folder / "open.yaml"
    open_to_all.write_text("tasks: []\n")
    open_to_all.chmod(0o666)
    assert "open.yaml" in refused(plain, "-f", str(open_to_all), code=65)


@pytest.mark.parametrize(
    ("args", "variables"),
    [(["--address", "10.0.0"], {}), ([], {"TORCH_ADDRESS": "web-1"}),
     ([], {"TORCH_LOG_FORMAT": "xml"}), ([], {"TORCH_HISTORY_DAYS": "soon"})],
)  # fmt: skip
def test_an_address_or_a_setting_of_no_form(plain, args, variables):
    refused(plain, *args, code=78, **variables)


def test_an_address_that_no_task_file_can_be_placed_by(plain):
    assert "::1%x" in refused(plain, "--address", "::1%x", code=78)


def test_a_log_folder_that_cannot_be_had(plain):
    file = plain.folder / "a-file"
    file.write_text("")
    sticky = plain.folder / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    for folder in (file, file / "below", sticky):
        assert str(folder) in refused(plain, "--log-dir", str(folder), code=78)
    (plain.folder / "logs" / "torch.log").mkdir(parents=True)
    (plain.folder / "logs").chmod(0o700)
    assert "torch.log" in refused(plain, "--log-dir", str(plain.folder / "logs"), code=78)


def test_another_state_directory_than_the_service_has(plain):
    args = ["--run-dir", str(plain.state), "--state-dir", str(plain.folder / "elsewhere")]
    plain.options = lambda *words: [] if words[0] == "restart" else ["--state-dir", plain.state]
    assert "elsewhere" in refused(plain, *args, code=64)
    assert not (plain.folder / "elsewhere").exists()


BROKEN = """
import sys
from torch.cli import run
from torch.daemon import launch
whole = launch._argv
start = "import sys; sys.modules['daemon'] = None; import runpy;"
start += " runpy.run_module('torch.daemon', run_name='__main__')"
def argv(*args, **keys):
    python, *_, order = whole(*args, **keys)
    return [python, "-I", "-c", start, order]
launch._argv = argv
sys.exit(run(["restart", "--state-dir", sys.argv[1]]))
"""
"""A restart after an upgrade that went wrong half way: a library is missing."""


def test_a_torch_that_cannot_be_imported(plain):
    pid = plain.pid
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(plain.state)], capture_output=True, text=True,
        check=False, env=plain.environ(),
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert "import of daemon halted" in done.stderr
    assert plain.status()["pid"] == pid and alive(pid)


@as_root
def test_directories_that_this_user_cannot_write_to(plain):
    """Root has no such directory; a service of another user would."""
    settings = resolve(
        {}, uid=0, state_dir=str(plain.folder / "new"), task_file=str(plain.file)
    )  # fmt: skip
    plain.folder.chmod(0o755)
    os.seteuid(STRANGER)
    try:
        with pytest.raises(NotPermitted):
            rehearse(settings)
    finally:
        os.seteuid(0)
    assert not (plain.folder / "new").exists()


# ── nothing is lost between the two services ──────────────────────────────────────────────

STAGED = """
import os, signal, sys
from torch.cli import lifecycle, run
from torch.daemon import launch
from torch.errors import TryAgain
stop, start = lifecycle.stop_service, launch.in_background
def killed(*args, **keys):
    kept = stop(*args, **keys)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    return kept
def held(*args, **keys):
    kept = stop(*args, **keys)
    print("stopped", flush=True)
    sys.stdin.readline()
    return kept
def fails_once(*args, **keys):
    launch.in_background = start
    raise TryAgain("no memory for it", hint="free memory")
def fails_for_the_new_one(settings, *args, **keys):
    if settings.address == "10.77.0.9":
        raise TryAgain("no memory for it", hint="free memory")
    return start(settings, *args, **keys)
how = sys.argv[1]
if how in ("killed", "held"):
    lifecycle.stop_service = globals()[how]
else:
    launch.in_background = globals()[how]
sys.exit(run(["restart", *sys.argv[2:]]))
"""
"""A restart to which something happens between the two services."""


def staged(service, how: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STAGED, how, "--state-dir", str(service.state), *args],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=service.environ(),
    )  # fmt: skip


def is_as_before(service, pid: int) -> None:
    """Another service with the same settings, and the same run."""
    status = service.status()
    assert status["pid"] != pid and status["ready"]
    assert (status["address"], status["version"]["file"]) == (ADDRESS, str(service.file))
    assert len(service.lines("pids")) == 1


def test_a_signal_between_the_two_services_is_heard_after_the_new_one_is_ready(plain):
    pid = plain.pid
    said, _ = staged(plain, "killed").communicate(timeout=60)
    is_as_before(plain, pid)
    assert f"torch is ready, pid {plain.pid}" in said


def test_one_restart_follows_another_and_neither_takes_other_settings(plain):
    pid = plain.pid
    with staged(plain, "held") as first:
        assert first.stdout is not None and first.stdout.readline() == "stopped\n"
        said = plain.error("restart", "--timeout", "0.3", code=75)
        assert "another torch restart is in progress" in said and "--timeout" in said
        assert plain.pid == 0
        second = subprocess.Popen(
            [sys.executable, "-m", "torch", "restart", "--state-dir", str(plain.state)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=plain.environ(),
        )  # fmt: skip
        _, wrong = first.communicate("go on\n", timeout=60)
        assert first.returncode == 0, wrong
    _, wrong = second.communicate(timeout=60)
    assert second.returncode == 0, wrong
    is_as_before(plain, pid)


def test_the_lock_of_restarts_is_opened_as_carefully_as_that_of_the_service(plain):
    victim = plain.folder / "victim"
    victim.write_text("")
    (plain.state / "restart.lock").symlink_to(victim)
    assert "restart.lock cannot be opened" in refused(plain, code=78)
    (plain.state / "restart.lock").unlink()
    (plain.state / "restart.lock").touch(mode=0o600)
    (plain.state / "restart.lock").chmod(0o666)
    assert "other users can write to" in refused(plain, code=78)


def test_a_service_that_does_not_start_is_started_once_more(plain):
    pid = plain.pid
    process = staged(plain, "fails_once")
    said, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    assert "no memory for it" in wrong and "trying once more" in wrong
    is_as_before(plain, pid)
    assert f"pid {plain.pid}" in said


def test_if_only_the_old_settings_start_a_service_that_is_said_and_no_success(plain):
    pid = plain.pid
    process = staged(plain, "fails_for_the_new_one", "--address", OTHER)
    _, wrong = process.communicate(timeout=60)
    assert process.returncode == 75, wrong
    assert "the service runs again with its old settings" in wrong
    is_as_before(plain, pid)


@pytest.mark.parametrize(("limit", "said"), [("-n 20", "open files"), ("-f 1", "bytes")])
def test_a_limit_under_which_no_service_starts(plain, limit, said):
    pid = plain.pid
    done = subprocess.run(
        ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", sys.executable, "-m", "torch", "restart",
         "--state-dir", str(plain.state)],
        capture_output=True, text=True, check=False, env=plain.environ(),
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert said in done.stderr and "ulimit" in done.stderr
    assert plain.pid == pid and plain.status()["ready"]


@as_root
def test_a_disk_without_room(service):
    with mounted(service.folder / "disk", "4m") as disk:
        disk.chmod(0o700)
        service.state = disk / "state"
        service.write(FLEET)
        service.torch("start", "--log-dir", str(service.folder / "log"))
        service.wait_lines("pids", 1)
        pid = service.pid
        service.options = lambda *_: ["--state-dir", str(service.state)]
        with pytest.raises(OSError, match="space"), open(disk / "filler", "wb", 0) as file:
            while True:
                file.write(bytes(4096))
        error = service.error("restart", code=78)
        assert "No space left on device" in error and "free disk space" in error
        assert service.pid == pid and alive(pid)
        assert not [*service.state.glob("restart-check*")]
        (disk / "filler").unlink()
        service.torch("restart")
        service.torch("stop", "--now")


# ── the time zone ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("caller", ["Nowhere/X", "America/Lima", None])
def test_the_zone_is_that_of_the_running_service(service, caller):
    service.write(FLEET)
    plain = service.environ()
    service.environ = lambda: plain | {"TZ": "Asia/Tokyo"}
    service.torch("start")
    service.wait_lines("pids", 1)
    plain.pop("TZ", None)
    service.environ = lambda: plain | ({"TZ": caller} if caller else {})
    service.torch("restart")
    service.torch("restart")
    service.environ = lambda: plain
    assert service.status()["timezone"] == "Asia/Tokyo"


def test_a_service_without_tz_gets_none_by_a_restart(plain):
    environ = plain.environ()
    environ.pop("TZ", None)
    plain.environ = lambda: environ
    restarted(plain)
    before = plain.status()["timezone"]
    restarted(plain, TZ="Asia/Tokyo" if before != "Asia/Tokyo" else "America/Lima")
    assert plain.status()["timezone"] == before


def test_a_start_with_a_tz_that_means_nothing_is_an_error_of_settings(service):
    service.write(FLEET)
    environ = service.environ() | {"TZ": "Nowhere/X"}
    service.environ = lambda: environ
    for command in ("start", "restart"):
        assert "TZ is 'Nowhere/X'" in service.error(command, code=78)
    environ.pop("TZ")
    assert service.pid == 0
