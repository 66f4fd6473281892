"""torch tasks: which ones are listed, and what is said of each."""

from __future__ import annotations

import json

import pytest

from torch.cli import run

FILE = """
tasks:
  - {name: web-1, type: daemon, command: run, owner: web, labels: {tier: front, team: web}}
  - {name: web-2, type: daemon, command: run, owner: web, labels: {tier: back}, enabled: false}
  - {name: nightly, schedule: "@daily", command: run, owner: ops, description: "cleans \\u5099"}
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch, capsys):
    for name in ("TORCH_FILE", "TORCH_STATE_DIR", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "tasks.yaml"
    path.write_text(FILE)
    path.chmod(0o644)

    def ask(*args: str, code: int = 0) -> str:
        at = ["-f", str(path), "--state-dir", str(tmp_path / "state")]
        assert run(["tasks", *args, *at]) == code
        said = capsys.readouterr()
        return str(said.err if code else said.out)

    return ask


def listed(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()[1:]]


def test_tasks_are_filtered_by_name_state_owner_and_label(tasks):
    assert listed(tasks()) == ["web-1", "web-2", "nightly"]
    assert listed(tasks("web-*")) == ["web-1", "web-2"]
    assert listed(tasks("nightly", "web-2")) == ["web-2", "nightly"]
    assert listed(tasks("--state", "disabled")) == ["web-2"]
    assert listed(tasks("--owner", "web")) == ["web-1", "web-2"]
    assert listed(tasks("--label", "tier=front")) == ["web-1"]
    assert listed(tasks("--label", "tier", "--label", "team=web")) == ["web-1"]
    assert listed(tasks("--owner", "nobody")) == []


def test_owner_labels_and_description_are_shown(tasks):
    head, first, _, last = tasks().splitlines()
    assert head.split()[4:] == ["OWNER", "LABELS", "SCHEDULE", "DESCRIPTION"]
    assert "tier=front,team=web" in first
    assert last.endswith("cleans 備")
    assert "LABELS" not in tasks("nightly")
    assert json.loads(tasks("web-1", "--json"))["tasks"][0]["labels"]["tier"] == "front"


def test_an_unknown_name_suggests_the_nearest(tasks):
    assert "did you mean 'nightly'?" in tasks("nigthly", code=64)


@pytest.mark.parametrize(
    ("signal", "words"), [(15, "a failed by signal 15"), (None, "a failed, exit code 143")]
)
def test_a_run_that_was_waited_for_ends_by_its_signal_or_with_its_exit_code(
    signal, words, tmp_path, monkeypatch, capsys
):
    ending = {"outcome": "failed", "exit_code": 143, "signal": signal, "reason": ""}
    monkeypatch.setattr(
        "torch.cli.targets.ask", lambda *_, **__: {"v": 1, "run": "r1", "ending": ending}
    )
    (tmp_path / "output" / "a").mkdir(parents=True)
    (tmp_path / "output" / "a" / "r1.log").touch()
    assert run(["run", "a", "--wait", "--state-dir", str(tmp_path)]) == 143
    assert capsys.readouterr().err == f"torch: {words} (run r1)\n"
