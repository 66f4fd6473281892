"""Asking systemd by its own command, which a script stands in for."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from torch.cli import restart as restarting
from torch.cli import run
from torch.daemon import systemctl
from torch.errors import NotPermitted, SettingsError


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Makes a systemctl that ends with a code, after a word on stderr."""

    def made(script: str) -> Path:
        path = tmp_path / "systemctl"
        path.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return Path(tmp_path / "asked")

    return made


def test_the_version_is_read_from_its_first_line(stand_in):
    stand_in("echo 'systemd 257 (257.13-1~deb13u1)'; echo +PAM +AUDIT")
    assert systemctl.version() == 257


@pytest.mark.parametrize("script", ["exit 1", "echo what", "echo systemd next"])
def test_without_a_version_there_is_none(stand_in, script):
    stand_in(script)
    assert systemctl.version() is None


def test_without_systemctl_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert systemctl.version() is None
    with pytest.raises(SettingsError, match="systemctl restart -- torch"):
        systemctl.restart("torch.service", of_user=False)


def test_a_restart_is_asked_of_the_systemd_that_has_the_unit(stand_in):
    asked = stand_in("exit 0")
    systemctl.restart("torch.service", of_user=False)
    assert asked.read_text() == "restart -- torch.service\n"
    systemctl.restart("torch.service", of_user=True)
    assert asked.read_text() == "--user restart -- torch.service\n"


def test_a_restart_that_is_not_allowed_or_fails_says_so(stand_in):
    stand_in("echo 'Access denied' >&2; exit 4")
    with pytest.raises(NotPermitted) as denied:
        systemctl.restart("torch.service", of_user=False)
    assert "sudo" in denied.value.hint
    stand_in("echo 'Job for torch.service failed.' >&2; exit 1")
    with pytest.raises(SettingsError, match="Job for torch") as failed:
        systemctl.restart("torch.service", of_user=False)
    assert failed.value.hint == "see: systemctl status torch.service"


def test_torch_restart_checks_the_file_and_leaves_the_rest_to_systemd(
    stand_in, monkeypatch, tmp_path, capsys
):
    asked = stand_in("exit 0")
    accepted = True

    def ask(_: object, request: dict[str, Any], **__: object) -> dict[str, Any]:
        if request["do"] == "status":
            return {
                "version": {"file": "/t.yaml"}, "address": "10.0.0.1", "address_given": False,
                "unit": {"name": "torch.service", "user": False}, "pid": 4711,
            }  # fmt: skip
        assert request["do"] in ("reload", "rehearse")
        problem = {"file": "/t.yaml", "line": 1, "column": 1, "key": "", "message": "bad"}
        return {"accepted": accepted, "problems": [] if accepted else [problem]}

    monkeypatch.setattr(restarting, "ask", ask)
    monkeypatch.setattr(systemctl, "is_unit_of", lambda *_, **__: True)
    restart = ["restart", "--state-dir", str(tmp_path)]
    assert run(restart) == 0
    assert asked.read_text() == "restart -- torch.service\n"
    assert capsys.readouterr().out == "torch.service is restarted\n"

    asked.unlink()
    assert run([*restart, "-f", "/other.yaml"]) == 64
    assert "torch.service sets its task file" in capsys.readouterr().err
    accepted = False
    assert run(restart) == 65
    assert not asked.exists()


def test_a_unit_is_a_services_only_if_its_control_group_says_so(monkeypatch):
    said = ""
    monkeypatch.setattr("builtins.open", lambda *_, **__: io.StringIO(said))
    said = "0::/system.slice/torch.service\n"
    assert systemctl.is_unit_of(4711, "torch.service", of_user=False)
    assert not systemctl.is_unit_of(4711, "sshd.service", of_user=False)
    assert not systemctl.is_unit_of(4711, "torch.service", of_user=True)
    user = f"user.slice/user-7.slice/user@{os.geteuid()}.service/app.slice/torch.service"
    said = f"0::/{user}\n"
    assert systemctl.is_unit_of(4711, "torch.service", of_user=True)
    said = "0::/user.slice/user-7.slice/user@4242.service/app.slice/torch.service\n"
    assert not systemctl.is_unit_of(4711, "torch.service", of_user=True), "of another user"


def test_a_process_that_is_gone_is_of_no_unit():
    assert not systemctl.is_unit_of(2**22 + 1, "torch.service", of_user=False)
