"""The crontabs of several hosts in one task file: each host keeps exactly its own tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importing.making import HOST, composed, reviews
from torch.importing import crontab, merging, page
from torch.importing.page import Imported
from torch.task import Task
from torch.taskfile import placement
from torch.taskfile.parse import parse

A, B, C = "10.0.1.11", "10.0.1.12", "10.0.1.13"


def originals(text: str, file: str = "etc/crontab"):
    return [crontab.read(text.encode(), file=file, host=HOST)]


def merged(hosts: dict[str, str], *, file: str = "etc/crontab") -> Imported:
    found = merging.merge([(host, originals(text, file)) for host, text in hosts.items()])
    return page.compose(found.originals, origin="a test", groups=found.groups)


def loaded(text: str):
    return parse(text.encode(), file="tasks.yaml", host_zone="UTC")


def owned(imported: Imported, host: str) -> list[Task]:
    """The tasks of a host, in the order of the file."""
    file = loaded(imported.text)
    return [
        task for task in file.tasks
        if placement.owns(task.hosts, file.groups, [ip_address(host)])
    ]  # fmt: skip


def line(command: str, minute: int = 0, user: str = "root") -> str:
    return f"{minute} 1 * * * {user} {command}\n"


def test_a_line_that_every_host_has_is_one_task_of_the_whole_fleet():
    found = merged({A: line("x"), B: line("x"), C: line("x")})
    (task,) = loaded(found.text).tasks
    assert task.name == "x"
    assert task.hosts == (A, B, C)


def test_a_set_of_hosts_that_repeats_is_a_group_and_one_that_does_not_is_a_list():
    both = line("both1") + line("both2")
    found = merged({A: both + line("a") + line("ac"), B: both, C: line("c") + line("ac")})
    file = loaded(found.text)
    assert dict(file.groups) == {"group-1": (A, B)}
    assert {task.name: task.hosts for task in file.tasks} == {
        "both1": ("group-1",), "both2": ("group-1",), "a": (A,), "ac": (A, C), "c": (C,),
    }  # fmt: skip
    assert "    hosts: [10.0.1.11, 10.0.1.13]\n" in found.text
    assert "groups are only numbered; rename them" in reviews(found)


def test_a_fleet_of_equal_hosts_names_them_once():
    text = line("one") + line("two")
    found = merged({A: text, B: text})
    assert "\ngroups:\n  all: [10.0.1.11, 10.0.1.12]\n\ndefaults:\n" in found.text
    assert found.text.count("hosts:") == 1
    assert found.text.count("  hosts: [all]\n") == 1


def test_one_name_for_different_tasks_gets_the_group_or_the_host_behind_it():
    found = merged({
        A: line("backup --full", 1), B: line("backup --full", 1), C: line("backup --full", 2),
    })  # fmt: skip
    assert [task.name for task in loaded(found.text).tasks] == [
        "backup-group-1",
        "backup-10.0.1.13",
    ]
    assert dict(loaded(found.text).groups) == {"group-1": (A, B)}


def test_the_task_of_all_hosts_keeps_the_plain_name():
    common = line("sync", 1)
    found = merged({A: common, B: common + line("sync", 2)})
    assert [task.name for task in loaded(found.text).tasks] == ["sync", "sync-10.0.1.12"]


def test_a_name_stays_within_its_length():
    long = "x" * 100
    found = merged({"fd00::1": line(long, 1), "fd00::2": line(long, 2)})
    names = [task.name for task in loaded(found.text).tasks]
    assert [name[-8:] for name in names] == ["-fd00--1", "-fd00--2"] or len(set(names)) == 2
    assert all(len(name) <= 64 for name in names)


def test_a_line_that_a_host_has_twice_stays_two_tasks_there():
    found = merged({A: line("x") * 2, B: line("x")})
    assert [len(owned(found, host)) for host in (A, B)] == [2, 1]


def test_what_hosts_set_differently_makes_different_tasks():
    found = merged({A: "STAGE=live\n" + line("x"), B: "STAGE=test\n" + line("x")})
    assert [dict(*[task.env]) for host in (A, B) for task in owned(found, host)] == [
        {"STAGE": "live"}, {"STAGE": "test"},
    ]  # fmt: skip


def test_keys_that_all_tasks_have_stand_in_defaults():
    text = "SHELL=/bin/bash\nSTAGE=live\n" + line("x", user="alice") + line("y", user="alice")
    found = merged({A: text, B: text + line("z", user="alice")})
    for key in ("user: alice", "shell: /bin/bash", "env:"):
        assert found.text.count(key) == 1
    assert len(owned(found, B)) == 3


def test_remarks_and_lines_that_are_not_mapped_stand_once_with_their_hosts():
    text = "# The header.\n\n99 * * * * root late\n" + line("x")
    found = merged({A: text, B: text, C: text})
    assert found.text.count("# The header.") == 1
    (unmapped,) = found.unmapped
    assert unmapped.told().startswith("etc/crontab:3: minute '99' is out of range")
    assert unmapped.reason.endswith("(the same on 10.0.1.12, 10.0.1.13)")


def test_reviews_of_every_host_are_kept():
    found = merged({A: line("x"), B: line("x").rstrip("\n")})
    assert "cron ignores a last line without a line end" in reviews(found)
    assert len(loaded(found.text).tasks) == 1


def test_each_file_with_something_of_its_own_has_a_heading_with_its_host():
    text = line("x")
    found = merged({A: text, B: text, C: text + line("y")})
    assert "# ── 10.0.1.11: etc/crontab ──" in found.text
    assert "# ── 10.0.1.13: etc/crontab ──" in found.text
    assert f"── {B}:" not in found.text


COMMANDS = st.sampled_from("backup|backup --full|sync|cat%in|/opt/a b".split("|"))
LINES = st.one_of(
    st.builds(
        "{} {} * * * {} {}".format,
        st.integers(0, 2), st.integers(0, 61).filter(lambda hour: hour < 2 or hour == 61),
        st.sampled_from(("root", "alice", "backup")), COMMANDS,
    ),
    st.sampled_from(("STAGE=live", "STAGE=test", "SHELL=/bin/bash", "CRON_TZ=Asia/Tokyo",
                     "PYTHONPATH=/srv", "HOME=/srv")),
    st.sampled_from(("# why", "", "@reboot root warm", "*/2 * * * * * * alice x")),
)  # fmt: skip
FILES = st.lists(LINES, max_size=6).map(lambda lines: "\n".join([*lines, ""]))
HOSTS = st.lists(
    st.sampled_from((A, B, C, "10.0.2.1", "fd00::7", "10.0.1.200")), min_size=1, unique=True
)


@settings(max_examples=100)
@given(st.data(), HOSTS)
def test_each_host_has_the_tasks_of_its_own_import_and_no_other(data, hosts):
    pool = data.draw(st.lists(FILES, min_size=1, max_size=3))
    texts = {host: data.draw(st.sampled_from(pool)) + data.draw(FILES) for host in hosts}
    found = merged(texts)
    for host in hosts:
        alone = composed(*originals(texts[host]))
        wanted = [
            replace(task, name="", hosts=(), line=0, digest="") for task in loaded(alone.text).tasks
        ]
        got = [replace(task, name="", hosts=(), line=0, digest="") for task in owned(found, host)]
        assert Counter(map(repr, got)) == Counter(map(repr, wanted))
    assert not owned(found, "10.9.9.9")
    again = merged(texts)
    assert again.text == found.text
