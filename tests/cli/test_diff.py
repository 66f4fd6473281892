"""torch diff without a service: where the old version comes from, what is shown, what is not."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from torch.cli import run
from torch.cli.diff import values
from torch.cli.diff.revision import read_revision
from torch.errors import NotPermitted, ServiceUnreachable, UsageError
from torch.task import Alert, Output, Retry

OLD = """
groups: {web: [10.0.1.11]}
tasks:
  - {name: stays, schedule: "@every 1h", command: echo}
  - {name: edited, schedule: "@every 1h", command: echo, env: {TOKEN: old-secret}}
  - {name: goes, schedule: "@every 1m", command: echo, hosts: [web]}
  - {name: kept, type: daemon, command: serve}
"""
NEW = """
groups: {web: [10.0.1.11]}
tasks:
  - name: edited
    schedule: "@every 30m"
    command: echo
    timeout: 5m
    retry: {attempts: 3}
    env: {TOKEN: new-secret}
  - {name: stays, schedule: "@every 1h", command: echo}
  - {name: comes, schedule: "0 4 * * *", command: echo, hosts: [web]}
  - {name: kept, type: daemon, command: serve, max: 2}
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("TORCH_", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TORCH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TORCH_ADDRESS", "10.0.1.11")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clone" / "tasks.yaml"
    path.parent.mkdir()
    write(path, OLD)
    git(path, "init", "-q", "-b", "main")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "one")
    return path


def write(path, text):
    path.write_text(text)
    path.chmod(0o644)


def git(path, *words):
    as_one = ["-c", "user.name=t", "-c", "user.email=t@example.net"]
    subprocess.run(
        ["git", "-C", str(path.parent), *as_one, *words], check=True, capture_output=True
    )


@pytest.fixture
def diff(file, capsys):
    def diff(*argv: str, code: int = 0):
        capsys.readouterr()
        assert run(["diff", *argv, "-f", str(file)]) == code
        return capsys.readouterr()

    return diff


def test_an_untouched_file_differs_in_nothing(diff):
    out = diff().out
    assert "4 unchanged\nno differences\n" in out
    assert "no service is running here" in out
    diff("--exit-code")


def test_an_edit_is_told_task_by_task_and_key_by_key(file, diff):
    write(file, NEW)
    out = diff().out
    assert "1 added, 1 removed, 2 changed, 1 unchanged" in out
    assert "+ comes: 0 4 * * * (at 04:00:00 every day)" in out
    assert "- goes: @every 1m (every minute)" in out
    assert "~ edited\n    schedule: @every 1h -> @every 30m\n    timeout: none -> 5m\n" in out
    assert "    retry: none -> {attempts: 3, delay: 30s, backoff: 2, max_delay: 10m}\n" in out
    assert "    env.TOKEN: changed, values are not shown\n" in out
    assert "~ kept\n    max: 1 -> 2\n" in out
    assert "secret" not in out


def test_the_starts_of_a_day_are_told_before_and_after_for_each_kind_of_host(file, diff):
    write(file, NEW)
    found = json.loads(diff("--json").out)
    starts = {
        host["label"]: (host["starts_before"], host["starts_after"]) for host in found["hosts"]
    }
    assert starts == {"web": (24 + 24 + 1440, 48 + 24 + 1), "every other host": (48, 72)}
    assert (found["here"]["starts_before"], found["here"]["starts_after"]) == (1488, 73)
    assert found["here"]["added"] == ["comes"]


def test_the_document_has_the_keys_and_no_secret(file, diff):
    write(file, NEW)
    found = json.loads(diff("--json").out)
    assert (found["added"], found["removed"], found["unchanged"]) == (["comes"], ["goes"], 1)
    edited, _ = found["tasks"]
    assert [(key["key"], key["old"], key["new"], key["hidden"]) for key in edited["keys"]] == [
        ("schedule", ["@every 1h"], ["@every 30m"], False),
        ("timeout", None, "5m", False),
        ("retry", None, "{attempts: 3, delay: 30s, backoff: 2, max_delay: 10m}", False),
        ("env.TOKEN", None, None, True),
    ]
    assert found["from"]["revision"] == "HEAD" and len(found["from"]["commit"]) == 40
    assert found["service"] is None
    assert "secret" not in json.dumps(found)


def test_exit_code_is_1_when_asked_for_and_something_differs(file, diff):
    write(file, NEW)
    diff("--exit-code", code=1)
    diff(code=0)


def test_any_revision_can_be_named(file, diff):
    write(file, NEW)
    git(file, "commit", "-q", "-a", "-m", "two")
    git(file, "tag", "now")
    assert "no differences" in diff().out
    assert "no differences" in diff("now").out
    for old in ("HEAD~1", "main^", "HEAD@{1}"):
        assert "1 added, 1 removed" in diff(old).out


def test_two_files_are_compared_without_git(file, diff, tmp_path):
    write(tmp_path / "old.yaml", OLD)
    write(file, NEW)
    found = json.loads(diff("--json", "--from", str(tmp_path / "old.yaml")).out)
    assert found["added"] == ["comes"]
    assert found["from"] == {"revision": None, "commit": None, "file": str(tmp_path / "old.yaml")}


def test_a_command_over_several_lines_is_told_line_by_line(file, diff):
    write(file, OLD + "  - name: long\n    type: daemon\n    command: |\n      one\n      two\n")
    git(file, "commit", "-q", "-a", "-m", "two")
    write(file, file.read_text().replace("two", "three"))
    assert "    command:\n      -two\n      +three\n" in diff().out


def test_tasks_in_another_order_are_told(file, diff):
    lines = OLD.splitlines(keepends=True)
    write(file, "".join([*lines[:3], lines[4], lines[3], *lines[5:]]))
    assert "moved: edited (tasks due in one second start in file order)" in diff().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nope"], "git knows no revision 'nope' here"),
        (["--", "--output=x"], "git knows no revision '--output=x' here"),
        (["HEAD:tasks.yaml"], "git knows no revision 'HEAD:tasks.yaml' here"),
        (["HEAD~7"], "git knows no revision 'HEAD~7' here"),
        (["main..main"], "git knows no revision"),
        (["HEAD", "--from", "x"], "a revision and --from cannot be combined"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_way_out(file, capsys, argv, words):
    assert run(["diff", "-f", str(file), *argv]) == 64
    assert words in capsys.readouterr().err


def test_a_file_that_was_not_there_yet_is_said_to_be_new(file, capsys):
    other = file.parent / "other.yaml"
    write(other, NEW)
    assert run(["diff", "-f", str(other)]) == 64
    err = capsys.readouterr().err
    assert "other.yaml is not a file in HEAD" in err and "it may be new" in err


def test_a_folder_without_git_is_said_to_have_none(tmp_path, capsys):
    write(tmp_path / "tasks.yaml", NEW)
    assert run(["diff", "-f", str(tmp_path / "tasks.yaml")]) == 64
    assert "is not in a git repository" in capsys.readouterr().err


def test_an_old_version_that_is_refused_is_told_with_its_problems(file, diff):
    write(file, OLD.replace("schedule", "shedule", 1))
    git(file, "commit", "-q", "-a", "-m", "bad")
    write(file, NEW)
    err = diff(code=65).err
    assert "HEAD:tasks.yaml has errors and cannot be compared:" in err
    assert "HEAD:tasks.yaml:4:19: unknown key 'shedule'" in err


def test_an_edit_that_is_refused_is_told_with_its_problems(file, diff):
    write(file, NEW.replace("timeout", "timout"))
    assert "unknown key 'timout', did you mean 'timeout'?" in diff(code=65).err


def test_a_file_that_others_may_write_is_compared_and_said_to_be_refused(file, diff):
    write(file, NEW)
    file.chmod(0o666)
    found = diff()
    assert "a service would refuse this file in its present place" in found.err
    assert "1 added, 1 removed" in found.out


def test_a_symlink_is_followed_into_its_repository(file, tmp_path, capsys):
    link = tmp_path / "tasks.yaml"
    link.symlink_to(file)
    write(file, NEW)
    assert run(["diff", "-f", str(link)]) == 0
    assert "1 added" in capsys.readouterr().out


# ── a service that cannot say ─────────────────────────────────────────────────────────────


ANSWER = {"accepted": True, "problems": [], "version": {}, "unchanged": 1, "hash": ""}


def answering(monkeypatch, answer):
    def ask(settings, request, *, timeout):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("torch.cli.diff.command.ask", ask)


def test_a_service_that_does_not_answer_is_told_and_the_rest_is_said(file, diff, monkeypatch):
    write(file, NEW)
    answering(monkeypatch, ServiceUnreachable("the service did not answer within 30 s"))
    out = diff().out
    assert "1 added, 1 removed" in out
    assert "not checked with the service here: the service did not answer within 30 s" in out
    assert "error" in json.loads(diff("--json").out)["service"]


def test_a_service_of_an_older_version_is_told_to_be_one(file, diff, monkeypatch):
    names: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}
    answering(monkeypatch, ANSWER | names)
    assert "it is of an older version without this function" in diff().out


def test_a_service_with_another_version_in_force_says_what_it_would_do(file, diff, monkeypatch):
    write(file, NEW)
    run = {"task": "kept", "run": "r1", "becomes": "stopped", "reason": "max was lowered to 1"}
    names = {"added": ["x"], "removed": [], "changed": ["kept"]}
    answering(monkeypatch, ANSWER | names | {"runs": [run, run | {"run": "r2"}]})
    out = diff().out
    assert "the service here has loaded another version; effect of a reload of this file:" in out
    assert "  added: x\n  changed: kept\n" in out
    assert "  kept: 2 active runs are stopped (max was lowered to 1)\n" in out


# ── git is given nothing that it could run ────────────────────────────────────────────────


def test_nothing_that_a_repository_configures_is_run(file, tmp_path, diff):
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "diff.x.textconv",
        "filter.x.smudge",
    ):
        git(file, "config", key, str(trap))
    git(file, "config", "diff.x.command", str(trap))
    (file.parent / ".gitattributes").write_text("* diff=x filter=x\n")
    write(file, NEW)
    assert "1 added" in diff().out
    assert not (tmp_path / "sprung").exists()
    git(file, "diff")
    assert (tmp_path / "sprung").exists(), "the trap is one"


def test_a_hook_of_git_may_ask_though_it_stands_in_gits_environment(file, diff, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    write(file, NEW)
    assert "1 added" in diff().out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests with sudo")
def test_a_repository_of_another_user_stays_refused_with_the_way_out(file, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    for path in (file.parent, file.parent / ".git"):
        os.chown(path, 4242, 4242)
    with pytest.raises(NotPermitted) as caught:
        read_revision(str(file), "HEAD")
    assert "belongs to another user" in caught.value.message
    assert "safe.directory" in caught.value.hint


def test_a_folder_in_the_place_of_the_file_is_no_file(file):
    with pytest.raises(UsageError, match="is not a file in HEAD"):
        read_revision(str(file.parent / "missing"), "HEAD")


# ── values as they would be written ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "value", "text", "plain"),
    [
        ("timeout", 5400.0, "1h30m", "1h30m"),
        ("timeout", None, "none", None),
        ("umask", 0o027, "027", "027"),
        ("enabled", False, "false", False),
        ("max", 3, "3", 3),
        ("command", ("a", "b c"), '[a, "b c"]', ["a", "b c"]),
        ("command", "echo 'x'", "echo 'x'", "echo 'x'"),
        ("schedule", ("* * * * *", "@reboot"), "* * * * *, @reboot", ["* * * * *", "@reboot"]),
        ("hosts", (), "none", []),
        ("success_codes", frozenset({3, 0}), "[0, 3]", "[0, 3]"),
        ("labels", (("a", "b"),), "{a: b}", {"a": "b"}),
        ("output", Output(keep=5), "{keep: 5, max_size: 16MiB}", "{keep: 5, max_size: 16MiB}"),
        ("retry", Retry(attempts=1), "{attempts: 1, delay: 30s, backoff: 2, max_delay: 10m}", ...),
        ("alert_on", (Alert(pattern="x", notify=("o",)),), "[{pattern: x, notify: [o]}]", ...),
    ],
)
def test_a_value_looks_as_in_the_file(key, value, text, plain):
    assert values.written(key, value) == text
    assert values.plain(key, value) == (text if plain is ... else plain)
