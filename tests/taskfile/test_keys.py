"""The table of keys: what it says is in the docs, in the schema and in force, key by key."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.taskfile.making import read, refused
from torch.errors import TaskFileError
from torch.task import Alert, Retry, Task, TaskType
from torch.taskfile.docs import task_file_markdown
from torch.taskfile.file_keys import FILE_KEYS
from torch.taskfile.groups import GROUPS
from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.kinds import Key
from torch.taskfile.parse import parse
from torch.taskfile.schema import json_schema

RECORDS = [key for key in TASK_KEYS.values() if key.kind.keys]
VALUES = {
    "nothing": "",
    "null": "null",
    "a tilde": "~",
    "a boolean": "true",
    "an old boolean": "yes",
    "a number": "3",
    "a negative number": "-3",
    "a fraction": "1.5",
    "infinity": ".inf",
    "not a number": ".nan",
    "a huge number": "9" * 400,
    "a hexadecimal number": "0x1F",
    "a date": "2026-11-21",
    "a sexagesimal number": "12:30:45",
    "an empty text": '""',
    "a blank text": '" "',
    "a text": '"£ nonsense\\u0001"',
    "an empty list": "[]",
    "a list of nothing": "[null]",
    "a list of lists": "[[[]]]",
    "a list of mappings": "[{a: b}]",
    "an empty mapping": "{}",
    "a mapping": "{a: [b]}",
    "a mapping with a number for a key": "{1: 2}",
    "a mapping with an empty key": '{"": ""}',
}

GOOD = {
    "max": {"a number"},
    "nice": {"a number", "a negative number"},
    "enabled": {"a boolean"},
    "command": {"a text"},
    **{key: {"an empty text", "a blank text"} for key in ("description", "owner")},
    **{
        key: {"an empty list"}
        for key in ("on_failure", "on_recovery", "on_missed", "on_crash_loop")
    },
    **{key: {"an empty mapping"} for key in ("env", "labels", "restart", "output")},
}
"""Which of the values are good, of the keys that take any of them."""


def ids(key: Key) -> str:
    return key.name


def with_key(name: str, value: str) -> str:
    """A file of one task whose only doubtful key is this one."""
    lines = {"name": "t", "command": "/bin/true", "schedule": '"* * * * *"'}
    if TASK_KEYS.get(name) and TASK_KEYS[name].only == TaskType.DAEMON:
        lines = {"name": "t", "command": "/bin/true", "type": "daemon"}
    lines[name] = value
    groups = "groups: {web: [10.0.1.11]}\nnotify: {ops: {exec: cat}}\n"
    body = "\n    ".join(f"{key}: {each}" for key, each in lines.items())
    return f"{groups}tasks:\n  - {body}\n"


def test_the_table_has_exactly_the_fields_of_a_task():
    made_by_the_parser = {"digest", "line"}
    assert set(TASK_KEYS) == {each.name for each in fields(Task)} - made_by_the_parser


@pytest.mark.parametrize("key", TASK_KEYS.values(), ids=ids)
def test_a_key_is_in_the_docs_the_schema_and_in_force(key):
    assert f"\n| `{key.name}` | {key.kind.says}" in task_file_markdown()
    described = json_schema()["$defs"]["task"]["properties"][key.name]
    assert key.doc in described["description"]
    assert key.doc.endswith(".") and key.example
    text = with_key(key.name, key.example)
    (task,) = read(text).tasks
    assert getattr(task, key.name) is not None


@pytest.mark.parametrize(
    "key", [k for k in TASK_KEYS.values() if k.name not in ("name", "command")], ids=ids
)
def test_a_key_that_is_absent_has_the_default_that_the_table_says(key):
    only = "type: daemon" if key.only == TaskType.DAEMON else 'schedule: "* * * * *"'
    (task,) = read(f"tasks:\n  - name: t\n    command: x\n    {only}\n", host_zone="UTC").tasks
    default = {"timezone": "UTC", "success_codes": frozenset({0})}.get(key.name, key.default)
    if key.name == "schedule":
        assert [each.text for each in task.schedule] == ["* * * * *"]
    else:
        assert getattr(task, key.name) == (TaskType.CRON if key.name == "type" else default)


@pytest.mark.parametrize("key", [key for key in TASK_KEYS.values() if not key.required], ids=ids)
def test_the_example_of_a_key_is_what_the_task_gets(key):
    (task,) = read(with_key(key.name, key.example)).tasks
    got = getattr(task, key.name)
    expected = {
        "schedule": ("30 3 * * *",),
        "hosts": ("web", "10.0.4.7", "!10.0.1.12"),
        "start_within": 60.0,
        "timeout": 1200.0,
        "grace": 10.0,
        "max": 1,
        "umask": 0o027,
        "nice": 10,
        "env": (("TZ", "UTC"),),
        "labels": (("team", "feed"),),
        "enabled": True,
        "success_codes": frozenset({0}),
        "retry": Retry(attempts=3, delay=30.0, backoff=2.0, max_delay=600.0),
        "jitter": 30.0,
        **dict.fromkeys(("on_failure", "on_recovery", "on_missed", "on_crash_loop"), ("ops",)),
        "remind_after": 86_400.0,
        "alert_on": (Alert(pattern="ERROR|panic", notify=("ops",)),),
    }
    if key.name == "schedule":
        got = tuple(each.text for each in got)
    if key.name in expected:
        assert got == expected[key.name]
    elif isinstance(got, str):
        assert str(got) == key.example.strip('"')
    else:
        assert got == key.default  # the records' examples are their defaults, written out


@pytest.mark.parametrize("how", VALUES)
@pytest.mark.parametrize("key", TASK_KEYS.values(), ids=ids)
def test_a_wrong_value_is_a_problem_of_its_key_and_never_a_crash(key, how):
    text = with_key(key.name, VALUES[how])
    if how in GOOD.get(key.name, ()):
        read(text)
        return
    problems = refused(text)
    assert any(key.name in (each.key, *each.message.split("'")) for each in problems), problems
    own = {key.name, *(part.name for part in key.kind.keys)}
    for each in problems:
        assert each.line >= 3, each
        assert each.column >= 1 and each.message
        assert each.key in own | {"a", "1", ""} or each.key in TASK_KEYS, each


@pytest.mark.parametrize("how", VALUES)
@pytest.mark.parametrize(
    ("key", "part"),
    [(key, part) for key in RECORDS for part in key.kind.keys],
    ids=lambda each: each.name,
)
def test_a_wrong_value_in_a_record_is_a_problem_of_its_key(key, part, how):
    good = {"keep", "attempts", "backoff"} if how == "a number" else set()
    good |= {"backoff"} if how == "a fraction" else set()
    others = {each.name: each.example for each in key.kind.keys if each.required}
    inner = ", ".join(
        f"{name}: {each}" for name, each in {**others, part.name: VALUES[how]}.items()
    )
    text = with_key(key.name, f"{{{inner}}}")
    if part.name in good:
        read(text)
        return
    assert part.name in {each.key for each in refused(text)}


@pytest.mark.parametrize("how", VALUES)
@pytest.mark.parametrize("key", FILE_KEYS.values(), ids=ids)
def test_a_wrong_value_of_a_key_of_the_file_is_a_problem_of_it(key, how):
    good = {
        ("groups", "an empty mapping"),
        ("defaults", "an empty mapping"),
        ("notify", "an empty mapping"),
        ("tasks", "an empty list"),
    }
    if (key.name, how) in good:
        read(f"tasks: []\n{key.name}: {VALUES[how]}\n" if key.name != "tasks" else "tasks: []\n")
        return
    first = "" if key.name == "tasks" else "tasks: []\n"
    problems = refused(f"{first}{key.name}: {VALUES[how]}\n")
    assert all(each.line for each in problems)
    assert any(key.name in (each.key, *each.message.split("'")) or each.line for each in problems)


ODD = st.recursive(
    st.sampled_from([each for each in VALUES.values() if each]) | st.text(max_size=12).map(repr),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
        | st.dictionaries(st.sampled_from([*TASK_KEYS, "<<", "delay"]), inner, max_size=3).map(
            lambda each: f"{{{', '.join(f'{k}: {v}' for k, v in each.items())}}}"
        )
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(TASK_KEYS)), ODD)
def test_nothing_that_can_be_written_at_a_key_is_a_crash(name, value):
    try:
        parse(with_key(name, value).encode("utf-8", "replace"), file="f", host_zone="UTC")
    except TaskFileError as error:
        assert error.problems


@settings(max_examples=150)
@given(
    st.binary(max_size=60) | st.text(alphabet="tasks:-[]{}&*!|>%@`'\"\n \t#,?~<=.0", max_size=60)
)
def test_no_bytes_at_all_are_a_crash(data):
    try:
        parse(data if isinstance(data, bytes) else data.encode(), file="f", host_zone="UTC")
    except TaskFileError as error:
        assert error.problems


def test_each_key_of_a_task_stands_in_one_group_of_the_page():
    assert sorted(" ".join(group.keys for group in GROUPS).split()) == sorted(TASK_KEYS)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.heading)
def test_the_example_of_a_group_uses_each_of_its_keys_and_is_a_good_file(group):
    used = set(re.findall(r"\b(\w+): ", group.example))
    assert set(group.keys.split()) <= used
    assert parse(group.example.encode(), file="example", host_zone="UTC").tasks
