"""What is mistyped is answered with what was meant; a way out can be typed as it stands."""

from __future__ import annotations

import pytest

from torch import __version__
from torch.cli import run
from torch.cli.options import repeated


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("TORCH_FILE", "TORCH_STATE_DIR", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("argv", "meant"),
    [(["stauts"], "Did you mean 'status'?"), (["expalin"], "Did you mean 'explain'?"),
     (["STATUS"], "Did you mean 'status'?"), (["status", "--jsn"], "--json"),
     (["runs", "--outcome", "faild"], "failed"), (["tasks", "--state", "runing"], "'running'")],
)  # fmt: skip
def test_a_mistyped_word_is_answered_with_the_nearest(argv, meant, capsys):
    assert run(argv) == 64
    assert meant in capsys.readouterr().err


def test_a_word_that_is_like_none_suggests_none(capsys):
    assert run(["xyzzy"]) == 64
    assert "mean" not in capsys.readouterr().err


def test_the_version_is_an_option_too(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"torch {__version__}\n"


def test_a_hint_keeps_the_options_that_say_where_the_service_is(tmp_path, capsys):
    folder = str(tmp_path / "a b")
    assert run(["status", "--state-dir", folder]) == 3
    assert f"start it: torch start --state-dir '{folder}'" in capsys.readouterr().err


def test_options_are_given_only_to_commands_that_take_them():
    given = {"state_dir": "/s", "task_file": "/t.yaml", "address": None}
    start = repeated("start it: torch start", given)
    assert start == "start it: torch start --state-dir /s -f /t.yaml"
    assert repeated("stop it (torch stop)", given) == "stop it (torch stop --state-dir /s)"
    assert repeated("the torch service", given) == "the torch service"
    assert repeated("upgrade torch?", given) == "upgrade torch?"
