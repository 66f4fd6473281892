"""Six fields that look like five and one more are doubted; all else is not."""

from __future__ import annotations

import pytest

from tests.taskfile.making import read

HEAD = "tasks:\n  - name: t\n    command: /bin/true\n    schedule: "


def warnings(schedule: str) -> list[str]:
    return [f"{p.line}:{p.column} {p.message}" for p in read(HEAD + schedule + "\n").problems]


def test_a_doubt_says_what_it_does_and_what_the_five_fields_would():
    (problem,) = read(HEAD + '"30 3 * * * *"\n').problems
    assert problem.warning
    assert (problem.line, problem.column, problem.key) == (4, 15, "schedule")
    assert problem.message == (
        "'schedule' '30 3 * * * *' has six fields, so it fires at second 30 of minute 3"
        " of every hour"
    )
    assert problem.hint == (
        "with five fields, '30 3 * * *' fires at 03:30:00 every day; "
        "if you mean every hour, write 0-23 for it"
    )


@pytest.mark.parametrize(
    "text", ["30 3 * * * *", "05 03 * * * *", "59 23 * * * mon-fri", "15 0 * 1 * *", "1 2 * * * ?"]
)
def test_a_minute_an_hour_and_a_star_are_doubted(text):
    assert len(warnings(f'"{text}"')) == 1


@pytest.mark.parametrize(
    "text",
    [
        "30 3 * * *",  # five
        "0 3 * * * *",  # how six fields say every hour at minute 3
        "0 0 * * * *",
        "30 24 * * * *",  # no hour is 24
        "30 3 0-23 * * *",  # every hour, and said so
        "30 3 */1 * * *",
        "30 3 4 * * *",
        "*/30 3 * * * *",
        "30 3,4 * * * *",
        "30 * * * * *",
        "H 3 * * * *",
        "@daily",
    ],
)
def test_what_is_plain_is_not_doubted(text):
    assert warnings(f'"{text}"') == []


def test_of_a_list_the_place_is_that_of_the_expression():
    (warning,) = warnings('\n      - "@daily"\n      - "30 3 * * * *"')
    assert warning.startswith("6:9 ")


def test_a_default_is_doubted_once_though_many_tasks_have_it():
    tasks = "".join(f"  - {{name: t{n}, command: x}}\n" for n in range(5))
    found = read(f'defaults: {{schedule: "30 3 * * * *"}}\ntasks:\n{tasks}').problems
    assert [(problem.line, problem.column) for problem in found] == [(1, 22)]
