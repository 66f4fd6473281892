"""What follows from a task's type."""

from __future__ import annotations

import pytest

from torch.task import POLICIES, Task, TaskType


def test_each_type_of_task_has_its_policy():
    assert set(POLICIES) == set(TaskType)


@pytest.mark.parametrize("kind", TaskType)
def test_a_task_asks_the_policy_of_its_type(kind):
    assert Task(name="a", command="true", type=kind).policy is POLICIES[kind]
