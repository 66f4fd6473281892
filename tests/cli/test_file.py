"""check, plan, next, schema, tasks, version: what needs no service."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest

from torch import __version__, cli
from torch.cli import COMMANDS, run

GOOD = """
groups:
  web: [10.0.1.0/24]
tasks:
  - name: beat
    schedule: "*/5 * * * * *"
    command: echo beat
  - name: nightly
    schedule: "30 3 * * *"
    command: echo night
    hosts: [web]
    timezone: Europe/Berlin
    description: what the night is for
  - name: keeper
    type: daemon
    command: sleep 600
    max: 2
"""
BAD = GOOD.replace('schedule: "30', 'shedule: "30').replace("max: 2", "max: two")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("TORCH_FILE", "TORCH_STATE_DIR", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text(GOOD)
    path.chmod(0o644)
    return path


def test_check_says_ok_and_how_many_tasks(file, capsys):
    assert run(["check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok, 3 tasks\n"


def test_check_shows_every_problem_with_line_caret_and_suggestion(file, capsys):
    file.write_text(BAD)
    assert run(["check", str(file)]) == 65
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{file}:9:5: unknown key 'shedule', did you mean 'schedule'?" in err
    assert '  9 |     shedule: "30 3 * * *"\n    |     ^\n' in err
    assert f"{file}:17:10: " in err


def test_check_takes_several_files_and_refuses_if_one_is_bad(file, tmp_path, capsys):
    other = tmp_path / "other.yaml"
    other.write_text(BAD)
    assert run(["check", str(file), str(other)]) == 65
    out, err = capsys.readouterr()
    assert f"{file}: ok" in out
    assert str(other) in err


def test_check_as_json_is_one_document(file, capsys):
    file.write_text(BAD)
    assert run(["check", str(file), "--format", "json"]) == 65
    found = json.loads(capsys.readouterr().out)
    assert found["v"] == 1
    assert found["problems"][0]["line"] == 9
    assert found["problems"][0]["key"] == "shedule"
    assert found["problems"][0]["severity"] == "error"


def test_check_for_github_is_one_annotation_a_problem(file, capsys):
    file.write_text(BAD)
    assert run(["check", str(file), "--format", "github"]) == 65
    lines = capsys.readouterr().out.splitlines()
    place = f"file={file},line=9,col=5,title=torch%3A shedule"
    assert lines[0].startswith(f"::error {place}::unknown key 'shedule'")
    assert len(lines) == 2


def test_check_tells_what_the_host_lacks_though_another_task_is_wrong(file, capsys):
    file.write_text(BAD + "  - {name: away, type: daemon, command: x, cwd: /no/such/folder}\n")
    assert run(["check", str(file)]) == 65
    err = capsys.readouterr().err
    assert f"{file}:18:49: 'cwd': '/no/such/folder' does not exist on this host" in err
    assert err.index(f"{file}:9:5") < err.index(f"{file}:17:10") < err.index(f"{file}:18:49")


def test_anywhere_only_what_is_written_counts(file, capsys):
    file.write_text(GOOD + "  - {name: away, type: daemon, command: x, cwd: /no/such/folder}\n")
    file.chmod(0o666)
    assert run(["check", str(file)]) == 65
    assert "writable by all users" in capsys.readouterr().err
    assert run(["check", "--anywhere", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok, 4 tasks\n"
    file.write_text(BAD)
    assert run(["check", "--anywhere", str(file)]) == 65
    assert "did you mean 'schedule'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.write_bytes(b"#" * (8 * 2**20 + 1)), "is larger than 8 MiB"),
    ],
)
def test_anywhere_what_is_no_file_is_named_and_never_waited_for(make, words, tmp_path, capsys):
    make(tmp_path / "tasks.yaml")
    assert run(["check", "--anywhere", str(tmp_path / "tasks.yaml")]) == 65
    assert words in capsys.readouterr().err


def test_check_as_json_has_a_place_a_key_and_a_severity_for_every_problem(file, capsys):
    file.write_text(BAD.replace("echo beat", "curl --password hunter22"))
    assert run(["check", str(file), "--format", "json"]) == 65
    found = json.loads(capsys.readouterr().out)["problems"]
    assert [(p["severity"], p["line"], p["key"]) for p in found] == [
        ("warning", 7, "command"),
        ("error", 9, "shedule"),
        ("error", 17, "max"),
    ]
    assert {*found[0]} == {"file", "line", "column", "key", "severity", "message", "hint"}


def test_check_of_a_missing_file_names_it(tmp_path, capsys):
    assert run(["check", str(tmp_path / "none.yaml")]) == 65
    assert "none.yaml" in capsys.readouterr().err


def test_next_of_an_expression(capsys):
    assert run(["next", "30 3 * * *", "-n", "2", "--tz", "Europe/Berlin"]) == 0
    first, one, two = capsys.readouterr().out.splitlines()
    assert "03:30:00" in first and "Europe/Berlin" in first
    assert "T03:30:00+0" in one and "T03:30:00+0" in two


def test_next_of_a_task_uses_its_zone(file, capsys):
    assert run(["next", "nightly", "-f", str(file), "-n", "1", "--json"]) == 0
    (time,) = json.loads(capsys.readouterr().out)["times"]
    assert "T03:30:00+0" in time


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["next", "61 * * * * *"], 65, "second"),
        (["next", "* * * * *", "--tz", "Mars/Olympus"], 64, "unknown zone 'Mars/Olympus'"),
        (["next", "* * * * *", "--tz", "Europe/Berlim"], 64, "did you mean 'Europe/Berlin'?"),
        (["next"], 64, "Missing argument"),
        (["plan", "--host", "10.0.0.0/8"], 64, "write a single address"),
        (["plan", "--for", "soon"], 64, "examples: 30m"),
        (["plan", "--address", "10.0.0.300"], 78, "is not an IP address"),
        (["chekc"], 64, "chekc"),
    ],
)
def test_a_wrong_word_gets_its_exit_code_and_the_way_out(file, capsys, argv, code, words):
    extra = ["-f", str(file)] if argv[0] in ("plan", "next") else []
    assert run([*argv, *extra]) == code
    assert words in capsys.readouterr().err


def test_next_of_an_unknown_task_suggests_the_nearest(file, capsys):
    assert run(["next", "nihgtly", "-f", str(file)]) == 64
    assert "did you mean 'nightly'?" in capsys.readouterr().err


def test_tasks_come_from_the_file_when_no_service_runs(file, tmp_path, capsys):
    argv = ["tasks", "-f", str(file), "--state-dir", str(tmp_path / "s"), "--address", "10.0.1.7"]
    assert run([*argv, "--json"]) == 0
    tasks = json.loads(capsys.readouterr().out)["tasks"]
    assert [task["name"] for task in tasks] == ["beat", "nightly", "keeper"]
    assert tasks[1]["description"] == "what the night is for"


def test_schema_is_a_json_schema(capsys):
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org/")


def test_version(capsys):
    assert run(["version"]) == 0
    assert capsys.readouterr().out == f"torch {__version__}\n"
    assert run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"v": 1, "version": __version__}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    assert run([command, "--help"]) == 0
    assert "Usage: torch " + command in capsys.readouterr().out


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "0", "-1", "soon"])
def test_a_timeout_that_is_no_time_is_a_usage_error(value, capsys):
    assert run(["status", f"--timeout={value}"]) == 64
    assert "0.1 to 86400" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [">&-", ">&- 2>&-", ">/dev/full"])
def test_a_closed_or_full_stdout_is_no_traceback(ending, tmp_path):
    command = f"{sys.executable} -m torch version {ending} 2>{tmp_path}/err"
    subprocess.run(command, shell=True, check=False)
    assert "Traceback" not in (tmp_path / "err").read_text()


def test_a_folder_that_is_gone_is_named(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone}; rmdir {gone}; {sys.executable} -P -m torch check x.yaml -f y.yaml"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "the current directory is gone" in done.stderr


def test_a_reader_that_leaves_ends_the_command_in_silence():
    command = f"{sys.executable} -m torch next '* * * * * *' -n 10000 | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("* * * * * *")
    assert done.stderr == ""


def test_json_of_a_check_is_that_of_its_format(tmp_path, capsys):
    file = tmp_path / "tasks.yaml"
    file.write_text("tasks: [{name: a}]\n")
    file.chmod(0o644)
    assert run(["check", str(file), "--json"]) == 65
    found = json.loads(capsys.readouterr().out)
    assert found["v"] == 1 and not found["ok"] and found["problems"]
    assert run(["check", str(file), "--format", "json"]) == 65
    assert json.loads(capsys.readouterr().out) == found
    assert run(["check", str(file), "--json", "--format", "github"]) == 64


ACTING = {"start", "stop", "restart", "import"}
TEXTS = {"schema", "unit", "completion"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_reads_has_json(name):
    command = cli.torch.get_command(click.Context(cli.torch), name)
    assert command is not None
    parts = command.commands.values() if isinstance(command, click.Group) else [command]
    has = all(any("--json" in option.opts for option in part.params) for part in parts)
    assert has == (name not in ACTING | TEXTS)
