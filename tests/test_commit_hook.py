"""The entry for pre-commit: its command exists, takes the right files, and refuses a bad one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def judge(path: Path) -> subprocess.CompletedProcess[str]:
    """What pre-commit runs, with our own program for the one that it would install."""
    program, *words = shlex.split(HOOK["entry"])
    assert program == "torch"
    return subprocess.run(
        [sys.executable, "-m", "torch", *words, str(path)],
        capture_output=True, text=True, check=False, timeout=60, cwd=path.parent,
    )  # fmt: skip


def test_the_hook_has_the_keys_that_pre_commit_wants():
    assert HOOK["id"] == "torch-check"
    assert HOOK["language"] == "python"
    assert HOOK["types"] == ["yaml"]


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("tasks.yaml", True),
        ("config/tasks.yaml", True),
        ("hosts/web/tasks.yml", True),
        ("batch-tasks.yaml", True),
        ("batch.tasks.yaml", True),
        ("mytasks.yaml", False),
        ("tasks.yaml.orig", False),
        ("tasks/main.yaml", False),
        ("config/tasks.schema.json", False),
    ],
)
def test_the_hook_takes_task_files_and_no_others(path, taken):
    assert bool(re.search(HOOK["files"], path)) == taken


def test_the_hook_passes_the_shipped_file_and_refuses_a_bad_one(tmp_path):
    shipped = ROOT / "config" / "tasks.yaml"
    assert judge(shipped).returncode == 0, judge(shipped).stderr
    bad = tmp_path / "tasks.yaml"
    bad.write_text(shipped.read_text().replace("timeout: 20s", "timout: 20s"))
    done = judge(bad)
    assert done.returncode == 65
    assert "did you mean 'timeout'?" in done.stderr


def test_what_the_hosts_lack_is_not_the_business_of_a_commit(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(
        "tasks:\n- {name: a, type: daemon, command: x, cwd: /no/such, user: nobody-here}\n"
    )
    path.chmod(0o666)
    assert judge(path).returncode == 0
