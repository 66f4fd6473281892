"""Old tasks, new tasks, and what the diff says of them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from torch.schedule.reload import diff, launches_alike
from torch.task import Privileges, Task, TaskType
from torch.testing import cron, daemon

A, B, C = cron("a"), cron("b"), cron("c")


def named(*tasks: Task) -> dict[str, Task]:
    return {task.name: task for task in tasks}


def test_a_reload_of_the_same_file_changes_nothing():
    found = diff(named(A, B), [A, B])
    assert (found.added, found.removed, found.changed, found.unchanged) == ((), (), (), 2)


def test_a_diff_names_tasks_in_file_order():
    found = diff(named(C, B, A), [cron("z"), cron("y"), cron("b", max=2), A])
    assert found.added == ("z", "y")
    assert found.removed == ("c",)
    assert found.changed == ("b",)
    assert found.unchanged == 1


def test_another_order_of_the_same_tasks_is_no_change():
    assert diff(named(A, B), [B, A]).unchanged == 2


LAUNCH: dict[str, Any] = {
    "command": "other",
    "type": TaskType.CRON,
    "shell": "/bin/bash",
    "user": "feed",
    "group": "feed",
    "privileges": Privileges.KEEP,
    "cwd": "/srv",
    "umask": 0o077,
    "nice": 5,
    "env": (("A", "1"),),
    "env_file": "/etc/env",
}


@pytest.mark.parametrize("name", LAUNCH)
def test_what_a_process_was_started_with_is_a_difference_in_launch(name):
    task = daemon("d")
    assert not launches_alike(task, replace(task, **{name: LAUNCH[name]}))


def test_everything_else_leaves_processes_alone():
    task = daemon("d")
    other = replace(
        task, description="x", owner="y", max=3, grace=1.0, timeout=5.0, digest="z", line=9,
        success_codes=frozenset({3}),
    )  # fmt: skip
    assert launches_alike(task, other)
    assert set(LAUNCH) < {field.name for field in fields(Task)}
