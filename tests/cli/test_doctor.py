"""torch doctor: each check finds what it is for, and says what to do."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import sqlite3
from dataclasses import replace
from importlib import metadata

import pytest

from torch import __version__, zone
from torch.cli import run
from torch.cli.doctor import checks, crontabs, host, place, program, service
from torch.cli.doctor.checks import CHECKS, examine
from torch.cli.doctor.subject import Subject, Verdict
from torch.errors import NotPermitted, NotRunning, ServiceUnreachable
from torch.history import integrity
from torch.history.integrity import Looked
from torch.history.store import Store
from torch.settings import Settings

NOW = 1_800_000_000.0
TASKS = """
tasks:
  - {name: beat, schedule: "* * * * *", command: "/usr/local/bin/beat --all"}
  - {name: other, schedule: "* * * * *", command: [/usr/bin/touch, /var/tmp/x], max: 3}
"""


@pytest.fixture
def subject(tmp_path):
    tmp_path.chmod(0o755)
    file = tmp_path / "tasks.yaml"
    file.write_text(TASKS)
    file.chmod(0o644)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    settings = Settings(
        task_file=str(file), run_dir=str(state), state_dir=str(state), log_dir=str(state),
        address="10.0.1.11",
    )  # fmt: skip
    return Subject(settings, NOW, lambda: 0.0)


def answering(subject: Subject, **changes: object) -> Subject:
    """The same with a living service that answers so."""
    answer = {
        "pid": 4711, "ready": True, "stopping": False, "address": "10.0.1.11",
        "address_given": True, "torch": __version__, "unit": None,
        "version": {"problem": None}, "tasks": [],
    }  # fmt: skip
    subject.__dict__["answer"] = answer | changes
    return subject


# ── the program ───────────────────────────────────────────────────────────────────────────


def test_this_environment_is_fit(subject):
    for check in (program.python, program.libraries, program.pytorch, program.programs):
        assert check(subject).verdict is Verdict.OK, check


def test_a_library_that_is_missing_is_named(subject, monkeypatch):
    def version(name: str) -> str:
        if name == "croniter":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    found = program.libraries(subject)
    assert (found.verdict, found.sentence) == (Verdict.BAD, "missing: croniter")


def test_pytorch_in_the_same_environment_is_bad(subject, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda _: "2.9.0")
    found = program.pytorch(subject)
    assert found.verdict is Verdict.BAD
    assert "PyTorch 2.9.0" in found.sentence and "venv" in found.advice


def test_another_torch_in_the_path_is_named(subject, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no torch in the PATH" in program.command(subject).sentence
    other = tmp_path / "torch"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert str(other) in program.command(subject).sentence


def test_what_tasks_need_is_looked_for_where_the_service_looks(subject, monkeypatch):
    monkeypatch.setattr(program, "PATH", "/nonexistent")
    found = program.programs(subject)
    assert found.verdict is Verdict.BAD and "sh (for every task)" in found.sentence


# ── the host ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kept", "verdict"), [(True, Verdict.OK), (False, Verdict.WARN), (None, Verdict.OK)]
)
def test_a_clock_that_nobody_keeps_is_doubtful(subject, monkeypatch, kept, verdict):
    monkeypatch.setattr(host, "clock_synchronised", lambda: kept)
    assert host.clock(subject).verdict is verdict


def test_a_clock_that_was_never_set_is_bad(subject):
    assert host.clock(replace(subject, now=3600.0)).verdict is Verdict.BAD


def test_a_zone_of_this_session_alone_is_doubtful(subject, monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    assert host.zone(subject).verdict is Verdict.OK
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    assert host.zone(subject).verdict is Verdict.WARN


def test_a_service_in_another_zone_than_the_host_is_doubtful(subject, monkeypatch):
    monkeypatch.delenv("TZ", raising=False)
    assert host.zone(answering(subject, timezone=zone.find({}).key)).verdict is Verdict.OK
    found = host.zone(answering(subject, timezone="Asia/Tokyo"))
    assert found.verdict is Verdict.WARN and "torch reload" in found.advice
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert host.zone(answering(subject, timezone="Asia/Tokyo")).verdict is Verdict.OK


def test_a_tz_that_means_nothing_is_bad(subject, monkeypatch):
    monkeypatch.setenv("TZ", "Nowhere/City")
    assert host.zone(subject).verdict is Verdict.BAD


def test_a_localtime_that_is_no_zone_file_is_doubtful(subject, monkeypatch, tmp_path):
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(zone, "LOCALTIME", str(tmp_path / "localtime"))
    assert host.zone(subject).verdict is Verdict.OK
    (tmp_path / "localtime").write_text("rubbish")
    assert host.zone(subject).verdict is Verdict.WARN


def test_too_few_open_files_are_told_with_what_would_be_needed(subject, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    found = host.open_files(subject)
    assert found.verdict is Verdict.WARN
    assert "64 open files; 136 are needed" in found.sentence


def test_the_limit_of_the_living_service_is_the_one_that_counts(subject, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert host.open_files(answering(subject, pid=os.getpid())).verdict is Verdict.OK


def test_folders_can_be_watched_here(subject):
    assert host.watches(subject).verdict is Verdict.OK


def test_when_inotify_has_nothing_left_that_is_bad(subject, monkeypatch):
    class Libc:
        def inotify_init1(self, _: int) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EMFILE)
    found = host.watches(subject)
    assert found.verdict is Verdict.BAD and "max_user_instances" in found.advice


# ── folders and room ──────────────────────────────────────────────────────────────────────


def test_folders_that_are_there_or_can_be_made_are_good(subject):
    assert place.folders(subject).verdict is Verdict.OK
    os.rmdir(subject.settings.state_dir)
    assert "will be created" in place.folders(subject).sentence


def test_a_folder_that_others_may_write_to_is_bad(subject):
    os.chmod(subject.settings.state_dir, 0o777)
    found = place.folders(subject)
    assert (found.verdict, found.advice) == (
        Verdict.BAD, f"chmod go-w {subject.settings.state_dir}",
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_a_folder_of_another_user_is_bad(subject):
    os.chown(subject.settings.state_dir, 65534, 65534)
    assert "another user (uid 65534)" in place.folders(subject).sentence


def test_a_file_in_the_way_is_bad(subject):
    os.rmdir(subject.settings.state_dir)
    open(subject.settings.state_dir, "w").close()
    assert "is not a directory" in place.folders(subject).sentence


@pytest.mark.parametrize(
    ("mib", "files", "verdict"),
    [
        (5000, 10_000, Verdict.OK),
        (5000, 0, Verdict.OK),  # a file system without such a limit
        (100, 10_000, Verdict.WARN),
        (5000, 1000, Verdict.WARN),
        (10, 10_000, Verdict.BAD),
        (5000, 50, Verdict.BAD),
    ],
)
def test_little_room_is_doubtful_and_almost_none_is_bad(subject, monkeypatch, mib, files, verdict):
    class Found:
        f_frsize = 2**20
        f_bavail = mib
        f_favail = files
        f_files = 1_000_000 if files else 0

    monkeypatch.setattr(os, "statvfs", lambda _: Found)
    assert place.room(subject).verdict is verdict


# ── crontabs ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("etc/cron.d/beat", "*/5 * * * * root /usr/local/bin/beat  --all"),
        ("etc/crontab", "@daily root /usr/local/bin/beat --all"),
        ("var/spool/cron/crontabs/alice", "*/5 * * * * /usr/local/bin/beat --all"),
        ("var/spool/cron/crontabs/alice", "1 2 * * * /usr/bin/touch /var/tmp/x"),
    ],
)
def test_a_crontab_with_the_command_of_a_task_is_named(subject, tmp_path, path, line):
    table = tmp_path / path
    table.parent.mkdir(parents=True)
    table.write_text(f"# a table\nMAILTO=x\n\n{line}\n")
    found = crontabs.crontabs(subject, root=str(tmp_path))
    assert found.verdict is Verdict.WARN
    assert str(table) in found.sentence


@pytest.mark.parametrize("line", ["#* * * * * root /usr/local/bin/beat --all", "", "@daily", "x"])
def test_another_crontab_is_no_matter(subject, tmp_path, line):
    table = tmp_path / "etc/cron.d/beat"
    table.parent.mkdir(parents=True)
    table.write_text(line)
    assert crontabs.crontabs(subject, root=str(tmp_path)).verdict is Verdict.OK


# ── the service ───────────────────────────────────────────────────────────────────────────


def test_a_refused_task_file_is_bad_and_a_doubtful_one_doubtful(subject):
    assert service.task_file(subject).verdict is Verdict.OK
    with open(subject.settings.task_file, "a") as file:
        file.write("oops: 1\n")
    found = service.task_file(replace(subject))
    assert found.verdict is Verdict.BAD and "unknown key 'oops'" in found.sentence


def test_a_task_file_that_others_may_write_to_is_bad(subject):
    os.chmod(subject.settings.task_file, 0o666)
    found = service.task_file(subject)
    assert found.verdict is Verdict.BAD and "chmod" in found.advice


def test_a_host_without_tasks_is_doubtful(subject):
    with open(subject.settings.task_file, "w") as file:
        file.write(TASKS + "defaults: {hosts: [10.9.9.9]}\n")
    assert service.task_file(subject).verdict is Verdict.WARN


def test_a_service_that_is_not_there_is_bad_once_there_was_one(subject):
    subject.__dict__["answer"] = NotRunning("the torch service is not running")
    assert service.service(subject).verdict is Verdict.WARN
    open(subject.settings.history, "w").close()
    assert service.service(subject).verdict is Verdict.BAD


@pytest.mark.parametrize(
    "error", [ServiceUnreachable("it did not answer"), NotPermitted("permission denied")]
)
def test_a_service_that_does_not_answer_is_bad(subject, error):
    subject.__dict__["answer"] = error
    found = service.service(subject)
    assert found.verdict is Verdict.BAD and found.advice


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.OK),
        ({"ready": False}, Verdict.WARN),
        ({"stopping": True}, Verdict.WARN),
        ({"torch": "0.0.9"}, Verdict.WARN),
        ({"torch": None}, Verdict.WARN),
        ({"version": {"problem": "t.yaml:1:1: what"}}, Verdict.BAD),
        ({"unit": {"name": "torch.service", "user": False}}, Verdict.OK),
    ],
)
def test_a_service_is_judged_by_what_it_answers(subject, changes, verdict):
    assert service.service(answering(subject, **changes)).verdict is verdict


def test_failing_tasks_are_named_with_the_next_command(subject):
    states = [{"name": "a", "state": "idle"}, {"name": "b", "state": "failing"}]
    found = service.tasks(answering(subject, tasks=states))
    assert (found.verdict, found.sentence) == (Verdict.WARN, "b is failing")
    assert found.advice == "torch explain b; torch logs b"


# ── the history ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def history(subject):
    store = Store(subject.settings.history)
    store.close()
    return subject.settings.history


def add_rows(path: str, *started_at: float) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "INSERT INTO run (id, task, trigger, attempt, state, started_at, recorded_at, boot_id,"
            " version) VALUES (?, 'a', 'manual', 1, 'running', ?, 0, 'b', 'v')",
            [(f"r-{at}", at) for at in started_at],
        )


def test_a_history_that_is_sound_is_good(subject, history):
    found = service.history(subject)
    assert found.verdict is Verdict.OK and "fully checked, no damage" in found.sentence


def test_a_row_that_is_to_come_says_that_the_clock_was_set_back(subject, history):
    add_rows(history, NOW - 1)
    assert service.history(subject).verdict is Verdict.OK
    add_rows(history, NOW + 3600)
    found = service.history(subject)
    assert found.verdict is Verdict.WARN and "the clock was set back" in found.sentence


def test_a_damaged_history_is_bad(subject, history):
    with open(history, "r+b") as file:
        file.seek(0)
        file.write(b"garbage" * 1000)
    assert service.history(subject).verdict is Verdict.BAD


def test_a_history_whose_pages_are_damaged_is_found_by_looking_at_all(subject, history):
    add_rows(history, *(NOW - number for number in range(300)))
    size = os.stat(history).st_size
    with open(history, "r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 8192)
    assert integrity.look(history, over=lambda: False)[0] is Looked.DAMAGED


def test_a_large_history_is_looked_at_in_part(history, monkeypatch):
    monkeypatch.setattr(integrity, "_STEPS", 1)
    assert integrity.look(history, over=lambda: True) == (Looked.IN_PART, "")


# ── all of them ───────────────────────────────────────────────────────────────────────────


def test_each_check_has_a_name_of_its_own(subject):
    names = [name for name, _ in CHECKS]
    assert len(set(names)) == len(names) >= 16
    found = examine(subject)
    assert [name for name, _ in found] == names
    assert all(f.advice for _, f in found if f.verdict is not Verdict.OK)


def test_a_check_that_fails_itself_hides_no_other(subject, monkeypatch):
    def broken(_: Subject) -> None:
        raise RuntimeError("boo")

    monkeypatch.setattr(checks, "CHECKS", (("first", broken), ("zone", host.zone)))
    (_, first), (_, second) = checks.examine(subject)
    assert first.verdict is Verdict.WARN and "boo" in first.sentence
    assert "schedules without timezone" in second.sentence


def test_the_command_exits_1_when_something_is_bad_and_0_when_not(subject, capsys, monkeypatch):
    settings = subject.settings
    args = ["doctor", "--state-dir", settings.state_dir, "-f", settings.task_file]
    monkeypatch.setattr(checks, "CHECKS", (("task file", service.task_file),))
    assert run([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["worst"] == "ok"
    os.unlink(settings.task_file)
    assert run(args) == 1
    out = capsys.readouterr().out
    assert out.startswith("bad   task file   refused: ")
    assert "→ create it" in out and out.endswith("1 bad, 0 doubtful\n")


def test_a_state_directory_that_cannot_be_read_is_a_finding_and_no_fault(subject, capsys):
    settings = subject.settings
    os.rmdir(settings.state_dir)
    open(settings.state_dir, "w").close()
    assert run(["doctor", "--state-dir", settings.state_dir, "-f", settings.task_file]) == 1
    assert "is not a directory" in capsys.readouterr().out


CHANNEL = {"name": "ops", "way": "webhook", "waiting": 0, "problem": None, "failing_since": None}


@pytest.mark.parametrize(
    ("channels", "verdict", "sentence"),
    [
        ([], Verdict.OK, "has none"),
        ([CHANNEL], Verdict.OK, "1, none is failing"),
        ([CHANNEL | {"waiting": 2}], Verdict.OK, "2 pending"),
        (
            [CHANNEL | {"problem": "HTTP 503", "failing_since": "x", "waiting": 3}, CHANNEL],
            Verdict.BAD,
            "ops has been failing since x: HTTP 503; 3 pending",
        ),
    ],
)
def test_a_channel_that_takes_nothing_is_bad(subject, channels, verdict, sentence):
    found = service.channels(answering(subject, alerts={"channels": channels}))
    assert found.verdict is verdict
    assert sentence in found.sentence
