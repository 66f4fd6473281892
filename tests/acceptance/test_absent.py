"""A directory in which no service has been, or that may not be read, is no empty answer."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.test_believed import STRANGER, as_root
from torch.cli import run

OF_STATE = [
    ["status"], ["status", "--json"], ["top", "--once"], ["runs"], ["runs", "x"], ["logs"],
    ["logs", "x"], ["logs", "--all"], ["logs", "-f"], ["logs", "--json"], ["explain", "x"],
    ["notify", "history"], ["reload"], ["stop"], ["run", "x"], ["kill", "x"], ["pause", "x"],
    ["resume", "x"],
]  # fmt: skip
OF_FILE = [["plan"], ["next", "x"], ["diff"], ["tasks"], ["check"], ["notify", "list"]]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    for name in ("TORCH_FILE", "TORCH_ADDRESS", "TORCH_STATE_DIR", "TORCH_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.parametrize("command", OF_STATE, ids=" ".join)
def test_a_directory_that_is_missing_is_named_with_exit_code_3(command, tmp_path, capsys):
    missing = tmp_path / "missing"
    assert run([*command, "--state-dir", str(missing)]) == 3
    assert str(missing) in capsys.readouterr().err
    assert not missing.exists()


@pytest.mark.parametrize("command", [["logs"], ["logs", "--all"], ["runs"], ["status"]])
def test_a_directory_of_something_else_is_named_with_exit_code_3(command, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("")
    tmp_path.chmod(0o700)
    assert run([*command, "--state-dir", str(tmp_path)]) == 3
    assert str(tmp_path) in capsys.readouterr().err


@as_root
@pytest.mark.parametrize("command", [*OF_STATE, *OF_FILE], ids=" ".join)
def test_a_directory_that_this_user_cannot_read_is_named_with_exit_code_77(
    command, tmp_path, capsys
):
    forbidden = tmp_path / "forbidden"
    (forbidden / "output" / "x").mkdir(parents=True)
    forbidden.chmod(0o700)
    for above in forbidden.parents:
        if str(above) not in ("/", "/tmp"):
            above.chmod(above.stat().st_mode | 0o111)
    run([*command, "--state-dir", str(tmp_path / "missing")])  # all is imported, as root
    capsys.readouterr()
    os.seteuid(STRANGER)
    try:
        code = run([*command, "--state-dir", str(forbidden)])
    finally:
        os.seteuid(0)
    said = capsys.readouterr()
    assert code == 77, said
    assert str(forbidden) in said.err and said.out == ""


@as_root
def test_a_log_that_this_user_cannot_read_is_named_with_exit_code_77(tmp_path, capsys):
    (tmp_path / "torch.log").write_text("time=…\n")
    (tmp_path / "torch.log").chmod(0o600)
    for above in (tmp_path, *tmp_path.parents):
        if str(above) not in ("/", "/tmp"):
            above.chmod(above.stat().st_mode | 0o111)
    assert run(["logs", "--state-dir", str(tmp_path)]) == 0
    os.seteuid(STRANGER)
    try:
        assert run(["logs", "--state-dir", str(tmp_path)]) == 77
    finally:
        os.seteuid(0)
    assert "torch.log: permission denied" in capsys.readouterr().err
