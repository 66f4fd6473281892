"""A restart: what it keeps, what it takes over from the command line, and what it refuses first."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.acceptance.test_believed import STRANGER, as_root
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
