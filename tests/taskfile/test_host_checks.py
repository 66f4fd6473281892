"""What a task needs of the host it is on."""

from __future__ import annotations

import os
import pwd

import pytest

from tests.taskfile.making import file_with, read
from torch.taskfile.host_checks import check_host, forget


@pytest.fixture(autouse=True)
def _nothing_is_remembered():
    forget()
    yield
    forget()


def found(text: str):
    """Problems of the file's tasks on this host."""
    file = read(text)
    return check_host(file, file.tasks)


def one(lines: str):
    (problem,) = found(file_with(lines))
    return problem


@pytest.fixture
def not_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "getegid", lambda: 54321)


def test_a_plain_task_needs_nothing():
    assert found(file_with("")) == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("user: no_such_user_xyz", "'user': there is no user 'no_such_user_xyz' on this host"),
        ('user: "54321"', "'user': there is no user '54321' on this host"),
        ("group: no_such_group", "'group': there is no group 'no_such_group' on this host"),
        ("cwd: /no/such/dir", "'cwd': '/no/such/dir' does not exist on this host"),
        ("cwd: /etc/passwd", "'cwd': '/etc/passwd' is not a directory on this host"),
        ("shell: /no/such/shell", "'shell': '/no/such/shell' is not a program on this host"),
        ("shell: /etc/passwd", "'shell': '/etc/passwd' is not a program on this host"),
        ("shell: /etc", "'shell': '/etc' is not a program on this host"),
    ],
)
def test_what_every_run_would_fail_by_is_an_error_at_its_key(lines, message):
    problem = one(lines)
    assert problem.message == message
    assert (problem.line, problem.warning) == (5, False)
    assert problem.key == lines.partition(":")[0]
    assert "without 'hosts' it runs on every host" in problem.hint


@pytest.mark.parametrize(
    "lines", ["user: root", "group: root", "cwd: /", "shell: /bin/sh", 'user: "0"']
)
def test_what_is_there_is_no_problem(lines):
    if os.geteuid() != 0 and lines.startswith(("user", "group")):
        pytest.skip("needs root: run the tests with sudo")
    assert found(file_with(lines)) == ()


def test_another_user_needs_a_service_of_root(not_root):
    assert one("user: root").message == "'user': only root can run a task as 'root'"
    assert one("group: root").message == "'group': only root can run a task under 'root'"
    assert one("nice: -1").message == "'nice' below 0 needs a service that runs as root"
    assert found(file_with("nice: 1")) == ()


def test_ones_own_user_needs_no_root(monkeypatch):
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: nobody.pw_gid)
    assert found(file_with(f'user: nobody\ngroup: "{nobody.pw_gid}"')) == ()


def test_a_disabled_task_is_not_judged():
    assert found(file_with("user: no_such_user_xyz\ncwd: /no/such\nenabled: false")) == ()


def test_a_program_that_is_not_there_is_a_warning():
    text = "tasks: [{name: a, type: daemon, command: [no-such-program, x]}]"
    (warning,) = found(text)
    assert warning.warning
    assert warning.message == "'command': there is no program 'no-such-program' on this host"
    assert "it was searched for in /usr/local/sbin:" in warning.hint


def test_a_program_is_searched_for_in_the_tasks_own_path_and_directory(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    task = "tasks: [{{name: a, type: daemon, command: [{}]{}}}]"
    assert found(task.format("program", f", env: {{PATH: {tmp_path}}}")) == ()
    assert found(task.format("./program", f", cwd: {tmp_path}")) == ()
    assert found(task.format(program, "")) == ()
    assert len(found(task.format("./program", ""))) == 1
    program.chmod(0o644)
    forget()
    assert len(found(task.format(program, ""))) == 1


def test_what_the_shell_would_run_only_the_shell_knows():
    assert found("tasks: [{name: a, type: daemon, command: no-such-program x}]") == ()


@pytest.mark.parametrize(
    ("mode", "doubt"),
    [
        (0o600, ""),
        (0o400, ""),
        (0o640, "is accessible to other users"),
        (0o604, "is accessible to other users"),
    ],
)
def test_an_env_file_must_be_closed_to_others(tmp_path, mode, doubt):
    path = tmp_path / "x.env"
    path.write_text("A=b\n")
    path.chmod(mode)
    problems = found(file_with(f"env_file: {path}"))
    assert [each.message.endswith(doubt) for each in problems] == [True] * bool(doubt)
    assert all(each.warning and "chmod 600" in each.hint for each in problems)


def test_an_env_file_that_is_missing_or_no_file_is_a_warning(tmp_path):
    assert one(f"env_file: {tmp_path}/gone").message.endswith("no such file or directory")
    forget()
    assert one(f"env_file: {tmp_path}").message.endswith("is not a regular file")
    (tmp_path / "real").write_text("")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert found(f"tasks: [{{name: a, type: daemon, command: x, env_file: {tmp_path}/link}}]") == ()


def test_a_problem_of_a_default_stands_at_the_default():
    (problem, again) = found(
        "defaults: {cwd: /no/such}\ntasks:\n"
        "  - {name: a, type: daemon, command: x}\n  - {name: b, type: daemon, command: x}\n"
    )
    assert (problem.line, again.line) == (1, 1)


def test_a_hundred_problems_are_enough():
    lines = "".join(f"  - {{name: t{n}, type: daemon, command: x, cwd: /no}}\n" for n in range(150))
    assert len(found("tasks:\n" + lines)) == 100
