"""What gotorch's entries become. Its format is told in torch/importing/gotorch.py."""

from __future__ import annotations

import json

import pytest

from tests.importing.making import DATA, from_gotorch, only, reviews, tasks_of, told
from torch.errors import TaskFileError
from torch.task import TaskType


def entry(**fields):
    return from_gotorch(json.dumps([{"Command": "/bin/x", "Times": "0 0 4 * * *", **fields}]))


def test_an_example_file_becomes_tasks():
    page = from_gotorch((DATA / "gotorch.json").read_text())
    tasks = tasks_of(page)
    assert list(tasks) == ["queue", "report", "echo"]
    queue = tasks["queue"]
    assert (queue.type, queue.max, queue.hosts) == (TaskType.DAEMON, 3, ("10.0.3.9", "10.0.3.16"))
    assert queue.command == "/opt/shop/bin/php /opt/shop/queue.php"
    assert tasks["report"].hosts == ()
    assert told(page) == [
        "task.json:22: Command has no program",
        "task.json:28: Times has 5 fields; gotorch requires six",
    ]
    assert '  #       "Command": "",\n' in page.text


def test_weekday_stands_before_month_there():
    (expression,) = only(entry(Times="*/20 0 4 * 1-5 12")).schedule
    assert expression.text == "*/20 0 4 * 12 1-5"


def test_a_command_was_cut_at_blanks_and_seen_by_no_shell():
    assert only(entry(Command="/bin/x --all")).command == "/bin/x --all"
    page = entry(Command="/bin/x 'a b' | y")
    assert only(page).command == ("/bin/x", "'a", "b'", "|", "y")
    assert "splits a command at each blank" in reviews(page)
    assert only(entry(Command="/bin/x  y")).command == ("/bin/x", "", "y")


def test_keys_are_found_in_any_case_and_the_last_of_two_holds():
    text = '[{"command": "/bin/x", "TIMES": "0 0 4 * * *", "Max": 2, "max": 5}]'
    page = from_gotorch(text)
    assert only(page).max == 5
    assert "'Max' was set twice" in reviews(page)


def test_what_gotorch_does_not_know_is_told():
    page = entry(Owner="ops")
    assert """'Owner': "ops" is unknown to gotorch, and not imported""" in reviews(page)
    assert "TaskType 'x' is unknown" in reviews(entry(TaskType="x"))


def test_no_limit_is_told():
    page = entry(Max=0)
    assert only(page).max == 1
    assert "Max 0 means no limit in gotorch" in reviews(page)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"Times": "0 0 4 1 1 *"}, "Times requires both day 1 and weekday 1"),
        ({"Times": "0 0 25 * * *"}, "hour '25' is out of range"),
        ({"Times": 5}, "Times is not a string"),
        ({"Command": " x"}, "Command has no program"),
        ({"Max": "2"}, "Max is not a whole number"),
        ({"Max": 10**6}, "Max is more than 10000"),
        ({"Ips": "10.0.0.1"}, "Ips is not a list of strings"),
        ({"Ips": ["10.0.0.300"]}, "'hosts'"),
    ],
)
def test_an_entry_without_a_task_is_listed_with_the_reason(fields, reason):
    page = entry(**fields)
    (found,) = told(page)
    assert found.startswith(f"task.json:1: {reason}")
    assert page.tasks == 0


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "it is not a JSON list"),
        ('\n{"Command": ""}', 2, "it is not a JSON list"),
        ('[\n{"Command": }\n]', 2, "not JSON: Expecting value"),
        ("[1\n2]", 2, "a ',' or ']' is missing"),
        ("[1]\n[", 1, "there is more after the list"),
    ],
)
def test_what_is_no_json_list_has_a_problem_with_its_line(text, line, message):
    with pytest.raises(TaskFileError) as caught:
        from_gotorch(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.message.startswith(message)) == (line, True)


def test_line_ends_of_cr_lf_leave_no_trace():
    page = from_gotorch('[{"Command": "ls",\r\n  "Times": "1 2 3"},\r\n {"Command": "x",\r\n '
                        '"Times": "* * * * * *"}]')  # fmt: skip
    assert "\\r" not in page.text
    assert [each.line for each in page.unmapped] == [1]
    assert page.tasks == 1
