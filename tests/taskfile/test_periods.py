"""`retry` and `jitter` in the file: their bounds, and the warning where a newer fire overtakes."""

from __future__ import annotations

import pytest

from tests.taskfile.making import read, refused
from torch.schedule.expression import Expression
from torch.taskfile import periods


def file(schedule: str, more: str) -> str:
    return f"tasks:\n  - name: t\n    schedule: '{schedule}'\n    command: x\n    {more}\n"


def warnings(schedule: str, more: str) -> list[str]:
    return [problem.message for problem in read(file(schedule, more)).problems]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("retry: {attempts: 0}", "'attempts' must be a whole number from 1 to 100"),
        ("retry: {attempts: 101}", "'attempts' must be a whole number from 1 to 100"),
        ("retry: {delay: 5s}", "'retry' needs 'attempts'"),
        ("retry: {attempts: 1, delay: -5s}", "'delay' must be a duration"),
        ("retry: {attempts: 1, backoff: 0.9}", "'backoff' must be a number from 1 to 10"),
        ("retry: {attempts: 1, delay: 5m, max_delay: 4m}", "'retry': 'max_delay' is below 'delay'"),
        ("retry: 3", "'retry' must be"),
        ("jitter: 86401s", "'jitter' must be at most 1d, not 86401s"),
        ("jitter: -1s", "'jitter' must be a duration"),
        ("jitter: 90", "'jitter' must be a duration"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_its_reason(more, message):
    (problem,) = refused(file("@daily", more))
    assert problem.message.startswith(message)
    assert problem.line == 5


@pytest.mark.parametrize("key", ["retry: {attempts: 1}", "jitter: 5s"])
def test_they_are_keys_of_cron_tasks_alone(key):
    text = f"tasks:\n  - {{name: t, type: daemon, command: x, {key}}}\n"
    (problem,) = refused(text)
    assert problem.message == f"'{key.partition(':')[0]}' has no effect on a daemon task"


def test_a_jitter_longer_than_the_period_is_a_warning():
    assert warnings("* * * * *", "jitter: 1m") == []
    (found,) = warnings("* * * * *", "jitter: 61s")
    assert found == "'jitter' is 1m1s, and the shortest period of the schedule is 1m"


def test_a_retry_that_waits_as_long_as_the_period_is_a_warning():
    assert warnings("*/5 * * * *", "retry: {attempts: 2, delay: 1m}") == []
    (found,) = warnings("*/5 * * * *", "retry: {attempts: 4, delay: 1m}")
    assert found == "'retry' waits up to 8m, and the shortest period of the schedule is 5m"


def test_a_warning_refuses_nothing():
    (task,) = read(file("* * * * * *", "jitter: 1h")).tasks
    assert task.jitter == 3600


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["* * * * * *"], 1),
        (["0 0,1 1 * *"], 3600),
        (["0 3 * * *", "5 3 * * *"], 300),
        (["*/7 * * * *"], 240),
        (["@reboot"], None),
    ],
)
def test_the_shortest_period_is_that_of_all_expressions_together(texts, seconds):
    found = tuple(Expression.parse(text, timezone="UTC", name="t") for text in texts)
    assert periods.shortest(found) == seconds
