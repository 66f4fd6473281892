"""torch unit: what it prints is what systemd and logrotate understand."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from torch.cli import run
from torch.daemon import systemctl

ROOT = ["TORCH_FILE", "TORCH_STATE_DIR", "TORCH_RUN_DIR", "TORCH_LOG_DIR", "TORCH_ADDRESS",
        "TORCH_HISTORY_DAYS", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"]  # fmt: skip


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ROOT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def printed(capsys):
    def of(*args: str) -> str:
        assert run(["unit", *args]) == 0
        return str(capsys.readouterr().out)

    return of


def value(text: str, name: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return str(found)


def test_the_usual_places_need_no_options(printed):
    text = printed("--systemd", "252")
    assert value(text, "ExecStart").endswith("/torch start --foreground --log-file")
    assert value(text, "ExecReload").endswith("/torch reload")
    assert value(text, "StateDirectoryMode") == "0700"
    assert value(text, "RuntimeDirectoryPreserve") == "yes"
    assert value(text, "WantedBy") == "multi-user.target"


def test_a_unit_names_the_program_that_printed_it(printed):
    program = value(printed(), "ExecStart").split()[0]
    assert os.path.dirname(program) == os.path.dirname(sys.executable)
    assert os.access(program, os.X_OK)


def test_other_places_are_options_of_every_command_of_the_unit(printed):
    text = printed(
        "-f", "/srv/t.yaml", "--state-dir", "/srv/s", "--log-dir", "/srv/log",
        "--address", "10.0.1.11", "--log-format", "json",
    )  # fmt: skip
    places = "--state-dir /srv/s --log-dir /srv/log"
    assert value(text, "ExecStart").endswith(
        f"{places} -f /srv/t.yaml --address 10.0.1.11 --log-format json"
    )
    assert value(text, "ExecReload").endswith(places)
    assert value(text, "ExecStop").endswith(f"stop --keep-runs {places}")
    assert value(text, "RequiresMountsFor") == "/srv/s /srv/log /srv/t.yaml"
    assert "StateDirectory" not in text


def test_what_no_option_says_is_in_the_environment(printed, monkeypatch):
    monkeypatch.setenv("TORCH_HISTORY_DAYS", "7")
    assert value(printed(), "Environment") == "TORCH_HISTORY_DAYS=7"


def test_a_stop_lets_the_signal_end_the_runs_and_a_restart_keeps_them(printed):
    text = printed()
    assert value(text, "KillMode") == "process"
    assert value(text, "ExecStop").startswith("-/bin/sh -c 'systemctl list-jobs")
    assert '" restart "' in text and '"$$@"' in text


@pytest.mark.parametrize(("version", "kind"), [("252", "notify"), ("253", "notify-reload")])
def test_the_kind_of_the_unit_is_what_its_systemd_knows(printed, version, kind):
    assert value(printed("--systemd", version), "Type") == kind


def test_a_newer_systemd_waits_longer_from_try_to_try(printed):
    assert "RestartSteps" not in printed("--systemd", "253")
    assert value(printed("--systemd", "254"), "RestartSteps") == "8"


def test_nothing_that_tasks_would_inherit_holds_them_in(printed):
    text = re.sub("^#.*$", "", printed(), flags=re.MULTILINE)
    for word in ("NoNewPrivileges", "Protect", "Private", "OOMScoreAdjust", "CapabilityBounding"):
        assert word not in text


def test_a_unit_of_a_user_asks_the_users_own_systemd(printed):
    text = printed("--user")
    assert "systemctl --user list-jobs" in value(text, "ExecStop")
    assert value(text, "WantedBy") == "default.target"
    assert "network-online" not in text and "LimitNOFILE" not in text


def test_what_systemd_would_expand_is_written_so_that_it_does_not(printed):
    text = printed("-f", "/srv/100% sure/t.yaml", "--state-dir", "/s")
    assert value(text, "ExecStart").endswith("-f '/srv/100%% sure/t.yaml'")
    assert "'/srv/100%% sure/t.yaml'" in value(text, "RequiresMountsFor")


@pytest.mark.parametrize("path", ["/a'b", '/a"b', "/a$b", "/a\\b", "/a\nExecStart=evil"])
def test_a_path_that_could_be_read_as_something_else_is_refused(capsys, path):
    assert run(["unit", "--state-dir", path]) == 64
    assert "cannot be written in a unit" in capsys.readouterr().err


def test_an_unknown_kind_or_version_is_a_usage_error(capsys):
    assert run(["unit", "sysv"]) == 64
    assert run(["unit", "--systemd", "100"]) == 64


@pytest.mark.parametrize(
    "args",
    [(), ("--user",), ("--state-dir", "/srv/a b", "-f", "/srv/5%/t.yaml", "--address", "::1")],
)
def test_systemd_itself_finds_nothing_wrong(printed, tmp_path, args):
    verify = shutil.which("systemd-analyze")
    if verify is None or systemctl.version() is None:
        pytest.skip("systemd is not installed: sudo apt-get install systemd")
    unit = tmp_path / "torch.service"
    unit.write_text(printed(*args))
    manager = ["--user"] if "--user" in args else ["--system"]
    environ = dict(os.environ) | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(
        [verify, *manager, "--man=no", "--recursive-errors=no", "verify", str(unit)],
        capture_output=True, text=True, timeout=60, check=False, env=environ,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_what_is_wrong(printed, tmp_path):
    verify = shutil.which("systemd-analyze")
    if verify is None or systemctl.version() is None:
        pytest.skip("systemd is not installed: sudo apt-get install systemd")
    unit = tmp_path / "torch.service"
    unit.write_text(printed().replace("KillMode=process", "KillMode=proces"))
    done = subprocess.run(
        [verify, "--system", "--man=no", "verify", str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "kill mode" in done.stderr


def test_the_logrotate_snippet_names_log_and_lock(printed):
    text = printed("logrotate", "--state-dir", "/srv/s")
    assert text.count("{") == text.count("}") == 2
    assert '"/srv/s/torch.log" {' in text
    assert "/srv/s/torch.lock" in text
    assert "copytruncate" not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_the_logrotate_snippet_signals_no_process_of_another_user(printed, tmp_path):
    """Whoever may write the lock file can name any pid in it."""
    script = printed("logrotate", "--state-dir", str(tmp_path))
    script = script.partition("postrotate\n")[2].partition("    endscript")[0]
    lock = tmp_path / "torch.lock"
    named = subprocess.Popen(["sleep", "600"])
    held = lock.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        lock.write_text(f"{named.pid}\n")
        os.chown(lock, 65534, 65534)
        subprocess.run(["sh", "-c", script], check=False)
        assert named.poll() is None
        os.chown(lock, 0, 0)
        subprocess.run(["sh", "-c", script], check=True)
        assert named.wait(30) == -signal.SIGUSR1
    finally:
        held.close()
        named.kill()
        named.wait()
