"""Completion as a real shell asks for it: names of tasks and ids of runs, and never an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.past import Past
from tests.history.rows import T0
from torch.cli import run
from torch.cli.completion import SHELLS
from torch.testing.tasks import cron

ASK = """
eval "$(torch completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
_torch_completion torch
printf '%s\\n' "${COMPREPLY[@]}"
"""

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


@pytest.fixture
def past(tmp_path):
    made = Past(tmp_path)
    for name in ("backup", "beat", "nightly"):
        made.defined(cron(name, "0 * * * *"))
        made.ran(name, T0)
    yield made
    made.close()


@pytest.fixture
def complete(past, tmp_path):
    """What bash offers for the last of some words."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "torch"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m torch "$@"\n')
    command.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TORCH_")}

    def ask(*words: str, state: Path = tmp_path) -> list[str]:
        done = subprocess.run(
            ["bash", "--norc", "-c", ASK, "bash", "torch", *words], capture_output=True, text=True,
            env=kept | {"PATH": path, "TORCH_STATE_DIR": str(state)}, check=True, timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split()

    return ask


@bash
def test_bash_completes_commands_options_tasks_and_runs(complete):
    assert complete("st") == ["start", "stop", "status"]
    assert "--strict" in complete("status", "--st")
    assert complete("run", "b") == ["backup", "beat"]
    assert complete("logs", "backup", "b") == ["beat"]
    assert complete("kill", "r") == ["r3", "r2", "r1"]
    assert complete("runs", "--outcome", "f") == ["failed"]


@bash
def test_the_options_before_a_word_say_whose_names_it_means(complete, past, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    assert complete("run", "b", state=elsewhere) == []
    assert complete("run", "--state-dir", str(past.folder), "b", state=elsewhere) == [
        "backup",
        "beat",
    ]


@bash
def test_whatever_is_wrong_nothing_is_said_and_nothing_offered(complete, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "history.db").write_bytes(b"this is no database" * 999)
    assert complete("run", "b", state=broken) == []
    assert complete("no-such-command", "b") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_lines(shell, capsys):
    assert run(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert "_TORCH_COMPLETE" in said and "torch" in said


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_lines_are_good_shell(shell, capsys):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    run(["completion", shell])
    said = capsys.readouterr().out
    subprocess.run([shell, "-n"], input=said, text=True, check=True, timeout=60)


def test_an_unknown_shell_is_a_usage_error(capsys):
    assert run(["completion", "tcsh"]) == 64
