"""A task as text and back: nothing of a definition is lost on the way."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.definition import from_text, to_text
from torch.schedule.expression import Expression
from torch.task import Alert, CatchUp, Output, Overlap, Privileges, Restart, Retry, Task, TaskType

SECONDS = st.floats(0, 1e9)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
PAIRS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3).map(tuple)
WORDS = st.lists(st.text(max_size=8), max_size=3).map(tuple)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai"])
SCHEDULES = st.lists(
    st.sampled_from(
        ["*/5 * * * * *", "30 3 * * *", "H H * * *", "@daily", "@every 90s", "@reboot"]
    ),
    max_size=2,
)


@st.composite
def tasks(draw) -> Task:
    name, zone = draw(NAMES), draw(ZONES)
    schedule = tuple(Expression.parse(text, timezone=zone, name=name) for text in draw(SCHEDULES))
    ours = {
        "name": st.just(name),
        "timezone": st.just(zone),
        "schedule": st.just(schedule),
        "command": st.text(max_size=20) | st.lists(st.text(max_size=8), min_size=1).map(tuple),
        "type": st.sampled_from(TaskType),
        "overlap": st.sampled_from(Overlap),
        "privileges": st.sampled_from(Privileges),
        "catch_up": st.sampled_from(CatchUp),
        "timeout": st.none() | SECONDS,
        "retry": st.none() | st.builds(Retry, attempts=st.integers(0, 9), delay=SECONDS),
        "restart": st.builds(Restart, delay=SECONDS),
        "output": st.builds(Output, keep=st.integers(1, 9)),
        "success_codes": st.frozensets(st.integers(0, 255)),
        "env": PAIRS,
        "labels": PAIRS,
        "hosts": WORDS,
        "max": st.integers(1, 99),
        "start_within": SECONDS,
        "grace": SECONDS,
        "jitter": SECONDS,
        "umask": st.none() | st.integers(0, 0o777),
        "nice": st.none() | st.integers(-20, 19),
        "enabled": st.booleans(),
        "digest": st.text(max_size=9),
        "line": st.integers(0, 99),
        "on_failure": WORDS,
        "on_recovery": st.none() | WORDS,
        "on_missed": WORDS,
        "on_crash_loop": WORDS,
        "remind_after": SECONDS,
        "alert_on": st.lists(
            st.builds(Alert, pattern=st.text(max_size=5), notify=WORDS), max_size=2
        ).map(tuple),
    }
    texts = ("user", "group", "cwd", "shell", "env_file", "description", "owner")
    ours |= {name: st.text(max_size=9) for name in texts}
    assert {field.name for field in fields(Task)} == ours.keys(), "a field that is not tried"
    task: Task = draw(st.builds(Task, **ours))
    return task


def read(text: str) -> Task:
    return from_text(text, parse=Expression.parse)


@given(tasks())
def test_a_task_comes_back_whole(task):
    back = read(to_text(task))
    assert back == task
    assert back.line == task.line
    for field in fields(Task):
        assert type(getattr(back, field.name)) is type(getattr(task, field.name)), field.name


def test_a_text_that_is_not_to_be_encoded_comes_back():
    task = Task(name="a", command="echo \udcff")
    assert to_text(task).isascii()
    assert read(to_text(task)) == task


def test_fields_of_a_newer_version_are_left_out():
    found = json.loads(to_text(Task(name="a", command="true", retry=Retry(attempts=2))))
    found["colour"] = ["red"]
    found["retry"]["colour"] = "red"
    assert read(json.dumps(found)) == Task(name="a", command="true", retry=Retry(attempts=2))


def test_a_missing_field_takes_its_default():
    assert read('{"name": "a", "command": "true"}') == Task(name="a", command="true")


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", '{"name": "a", "command": "b", "overlap": "later"}', '{"name": "a'],
)
def test_what_is_no_definition_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read(text)
