"""The crontabs that packages of Debian 12 ship (their settings and entries, without comments)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import islice

import pytest

from tests.importing import debian
from tests.importing.making import DATA, HOST, composed, from_crontab, tasks_of, told
from torch.importing import crontab

FILES = sorted(path.relative_to(DATA) for path in DATA.glob("*/*"))
START = datetime(2027, 2, 27, 12, 34, 56, tzinfo=UTC)
ENTRY = re.compile(r"((?:\S+[ \t]+){5})(\S+)[ \t]+(.*)")


def entries(path) -> list[tuple[str, str, str]]:
    """(time, user, command) of each entry, read by a pattern of its own."""
    lines = (DATA / path).read_text().splitlines()
    found = [ENTRY.fullmatch(line) for line in lines if not re.match(r"[A-Z]+=", line)]
    assert all(found)
    return [(f[1].strip(), f[2], f[3]) for f in found if f]


def imported(path):
    return from_crontab((DATA / path).read_bytes(), file=f"/{path}")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_entry_becomes_a_task_with_its_command_byte_for_byte(path):
    page = imported(path)
    assert told(page) == []
    tasks = list(tasks_of(page).values())
    assert [task.command for task in tasks] == [
        command.replace("\\%", "%") for _, _, command in entries(path)
    ]
    assert [task.user or "root" for task in tasks] == [user for _, user, _ in entries(path)]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_task_fires_when_cron_would_run_its_entry(path):
    for task, (time, _, _) in zip(tasks_of(imported(path)).values(), entries(path), strict=True):
        (expression,) = task.schedule
        wanted = list(islice(debian.fires(time, START, 800), 400))
        assert len(wanted) > 20
        at = int(START.timestamp())
        for fire in wanted:
            found = expression.next_epoch(at)
            assert found == int(fire.timestamp()), time
            at = found


def test_the_files_together_are_one_file_with_a_name_for_each_task():
    originals = [
        crontab.read((DATA / path).read_bytes(), file=f"/{path}", host=HOST) for path in FILES
    ]
    tasks = tasks_of(composed(*originals))
    assert len(tasks) == sum(len(entries(path)) for path in FILES)
    assert len(FILES) == 22
    assert {"cron.hourly", "cron.daily", "certbot", "e2scrub_all", "mdadm", "php"} <= tasks.keys()
    assert not [name for name in tasks if re.fullmatch(r"task(-\d+)?|null|test|if", name)]


def test_what_a_person_should_know_of_a_debian_host_is_said():
    page = imported(FILES[FILES.index(next(f for f in FILES if f.name == "crontab"))])
    assert page.text.count("# review: if anacron is installed, it does the same work") == 3
    assert page.text.count("# review: it runs every script of a directory") == 4
    assert "under systemd it does nothing" in imported(FILES[0].parent / "certbot").text
