"""Pages whose examples are to work as they stand: for library users, and of the first alert."""

from __future__ import annotations

import subprocess

import pytest

from tests.test_docs import blocks, text
from torch.cli import run
from torch.taskfile.parse import parse

LIBRARY = text("docs/library.md")
ALERTS = blocks(text("docs/alerts-quickstart.md"), "yaml")


def test_every_block_of_the_page_for_library_users_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (file,) = blocks(LIBRARY, "yaml")
    (tmp_path / "tasks.yaml").write_text(file, encoding="utf-8")
    code = blocks(LIBRARY, "python")
    assert len(code) > 8
    names: dict[str, object] = {}
    for block in code:
        exec(compile(block, "docs/library.md", "exec"), names)


def test_what_the_page_says_is_exported_is_what_is_exported():
    from torch import testing

    assert [name for name in testing.__all__ if f"`{name}`" not in LIBRARY] == []


@pytest.mark.parametrize("example", ALERTS)
def test_the_smallest_files_with_an_alert_pass_check_and_use_the_channel(
    example, tmp_path, monkeypatch, capsys
):
    url = tmp_path / "ops.url"
    url.write_text("mailtos://cron:x@mail.example?from=a@mail.example&to=b@mail.example\n")
    url.chmod(0o600)
    path = tmp_path / "tasks.yaml"
    path.write_text(example.replace("/etc/torch/ops.url", str(url)), encoding="utf-8")
    assert len(example.splitlines()) == 3
    assert run(["check", str(path)]) == 0
    assert capsys.readouterr() == (f"{path}: ok, 1 task\n", "")
    file = parse(path.read_bytes(), file="tasks.yaml", host_zone="UTC")
    assert file.tasks[0].on_failure == tuple(file.channels)


def test_the_mail_that_the_sendmail_example_writes_has_a_subject_and_a_body(tmp_path):
    (example,) = [each for each in ALERTS if "sendmail" in each]
    (channel,) = parse(example.encode(), file="x", host_zone="UTC").channels.values()
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "to $1" >{tmp_path}/mail; cat >>{tmp_path}/mail\n')
    sendmail.chmod(0o755)
    assert isinstance(channel.target, str)
    command = channel.target.replace("/usr/sbin/sendmail", str(sendmail))
    subprocess.run(
        ["/bin/sh", "-c", command], check=True, timeout=30,
        env={"TORCH_MESSAGE_TITLE": "backup fails: 100%", "TORCH_MESSAGE_BODY": "one\\n\ntwo"},
    )  # fmt: skip
    wanted = "to ops@mail.example\nSubject: backup fails: 100%\n\none\\n\ntwo\n"
    assert (tmp_path / "mail").read_text() == wanted
