"""The channels of a task file: what may stand under `notify`, and that no problem repeats it."""

from __future__ import annotations

import pytest

from tests.taskfile.making import read, refused, told
from torch.channel import Channel, Way
from torch.report.problems import render

SECRET = "S3CR3T"


def channels(lines: str) -> dict[str, Channel]:
    return dict(read(f"notify:\n{lines}\ntasks: []\n").channels)


def problem(value: str):
    """The one problem of a channel `ops` with this value."""
    (found,) = refused(f"notify:\n  ops: {value}\ntasks: []\n")
    return found


def test_each_way_is_read_as_it_is_written():
    found = channels(
        """\
  hook: {webhook: "https://chat.example/hook"}
  text: {exec: 'logger "$TORCH_MESSAGE_TITLE"'}
  list: {exec: [logger, -t, torch]}
  mail: {apprise: "mailtos://a:b@mail.example"}
  short: mailtos://a:b@mail.example
  kept: {webhook: {file: /etc/torch/ops.url}}
  also: {apprise: {file: /etc/torch/ops.url}}
"""
    )
    mail = "mailtos://a:b@mail.example"
    assert found == {
        "hook": Channel(name="hook", way=Way.WEBHOOK, target="https://chat.example/hook"),
        "text": Channel(name="text", way=Way.EXEC, target='logger "$TORCH_MESSAGE_TITLE"'),
        "list": Channel(name="list", way=Way.EXEC, target=("logger", "-t", "torch")),
        "mail": Channel(name="mail", way=Way.APPRISE, target=mail),
        "short": Channel(name="short", way=Way.APPRISE, target=mail),
        "kept": Channel(name="kept", way=Way.WEBHOOK, file="/etc/torch/ops.url"),
        "also": Channel(name="also", way=Way.APPRISE, file="/etc/torch/ops.url"),
    }


def test_a_file_without_notify_has_no_channels():
    assert read("tasks: []\n").channels == {}


def test_a_channel_that_no_task_names_is_no_problem():
    assert read('notify: {ops: {webhook: "https://x.example"}}\ntasks: []\n').problems == ()


@pytest.mark.parametrize(
    ("value", "place", "message", "hint"),
    [
        (
            '{command: "true"}',
            "2:9",
            "unknown key 'command' in 'notify.ops', did you mean 'exec'?",
            "",
        ),
        ("{webhok: x}", "2:9", "unknown key 'webhok' in 'notify.ops', did you mean 'webhook'?", ""),
        ("{zzzz: x}", "2:9", "unknown key 'zzzz' in 'notify.ops'", "webhook, exec, apprise"),
        (
            '{webhook: "mailto://x"}',
            "2:18",
            "'webhook' must begin with https:// or http://",
            "apprise",
        ),
        ('{webhook: "https://"}', "2:18", "'webhook' is not a valid URL", "example"),
        ("nothing", "2:8", "'notify.ops' is not a valid URL", "mailto://"),
        ("{apprise: nothing}", "2:18", "'apprise' is not a valid URL", "mailto://"),
        ('{exec: ""}', "2:15", "'exec' must be a command", ""),
        ('{exec: " "}', "2:15", "'exec' is blank", "/bin/true"),
        ("{exec: []}", "2:15", "'exec' must be a command, not an empty list", ""),
        ("{exec: 7}", "2:15", "'exec' must be a command, not the number 7", "quotes"),
        ("{webhook: {file: ops.url}}", "2:25", "'file' must be an absolute path", ""),
        ("{webhook: {}}", "2:18", "'webhook' needs 'file'", "contains the URL"),
        ("{exec: {file: /x}}", "2:15", "'exec' must be a command, not a mapping", ""),
        ("[a]", "2:8", "'notify.ops' must be an apprise URL, or one of", ""),
        ("{}", "2:8", "'notify.ops' must be an apprise URL, or one of", ""),
        ('{webhook: "https://x", exec: "y"}', "2:8", "'notify.ops' must be an apprise URL", ""),
    ],
)
def test_what_is_no_channel_is_a_problem_with_its_place(value, place, message, hint):
    found = problem(value)
    assert f"{found.line}:{found.column}" == place
    assert found.message.startswith(message)
    assert hint in found.hint


def test_a_bad_channel_is_one_problem_and_not_one_for_each_task_that_names_it():
    text = """\
notify: {ops: {webhook: nothing}}
tasks:
  - {name: a, command: x, schedule: "* * * * *", on_failure: [ops]}
"""
    assert "unknown channel" not in " ".join(told(refused(text)))


def test_a_command_with_a_secret_in_it_is_a_doubt():
    found = read("notify: {ops: {exec: 'curl -u bob:S3CR3T x'}}\ntasks: []\n").problems
    assert [each.warning for each in found] == [True]
    assert found[0].message.startswith("'exec' seems to contain a secret (-u user:password)")


@pytest.mark.parametrize(
    "lines",
    [
        "  ops: {command: 'https://S3CR3T:S3CR3T@x.example/S3CR3T'}",
        "  ops: {webhook: 'mailto://S3CR3T@x.example/S3CR3T'}",
        "  ops: {webhook: 'https://a b/S3CR3T'}",
        "  ops: {webhok: S3CR3T}",
        "  ops: {webhook: {file: S3CR3T}}",
        "  ops: {webhook: {fil: S3CR3T}}",
        "  ops: {'https://x.example/S3CR3T': x}",
        "  ops: {https://x.example/S3CR3T}",
        "  ops: S3CR3T",
        "  ops: [S3CR3T, S3CR3T]",
        "  'https://x.example/S3CR3T': S3CR3T",
        "  ops:\n    S3CR3T",
        "  ops: {webhook: {apprise: S3CR3T}}",
        "  ops: https://x.example/S3CR3T\n  ops: https://x.example/S3CR3T",
        "  ops: https://x.example/S3CR3T\n bad: indent",
    ],
)
def test_no_problem_shows_what_a_channel_keeps_secret(lines):
    found = refused(f"notify:\n{lines}\ntasks: []\n")
    for each in found:
        shown = render(each)
        assert SECRET not in shown, shown
        assert SECRET not in each.message + each.hint + each.source + each.key


def test_the_lines_of_tasks_are_quoted_as_ever():
    text = """\
notify: {ops: "mailto://a:b@x.example"}
tasks:
  - {name: a, command: x, shedule: "* * * * *"}
"""
    assert "shedule" in refused(text)[0].source
