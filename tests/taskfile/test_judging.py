"""What is written and what the host lacks, in one go."""

from __future__ import annotations

from textwrap import dedent

from torch.errors import Problem
from torch.taskfile.judging import joined, judge
from torch.taskfile.parse import TaskFile, examine
from torch.taskfile.placement import host_addresses
from torch.taskfile.problems import SHOWN

HERE = host_addresses("10.0.0.1")


def examined(text: str) -> TaskFile:
    return examine(dedent(text).encode(), file="tasks.yaml", host_zone="UTC")


def told(file: TaskFile) -> list[str]:
    return [f"{problem.line} {problem.message}" for problem in judge(file, HERE)]


def test_what_the_host_lacks_is_told_of_tasks_that_are_fine_though_others_are_not():
    file = examined("""\
        tasks:
          - {name: a, type: daemon, command: x, cwd: /no/such/a}
          - {name: b, type: daemon, comand: x, cwd: /no/such/b}
          - {name: c, type: daemon, command: x, cwd: /no/such/c}
          - {name: d, type: daemon, command: x, cwd: /no/such/d, hosts: [10.0.0.2]}
        """)
    assert told(file) == [
        "2 'cwd': '/no/such/a' does not exist on this host",
        "3 unknown key 'comand', did you mean 'command'?",
        "4 'cwd': '/no/such/c' does not exist on this host",
    ]


def test_where_groups_are_wrong_nobody_knows_whose_a_task_with_hosts_is():
    file = examined("""\
        groups: {web: [10.0.0.2, 10.0.0.300]}
        tasks:
          - {name: a, type: daemon, command: x, cwd: /no/such/a, hosts: ["!web"]}
          - {name: b, type: daemon, command: x, cwd: /no/such/b}
        """)
    assert [line.split()[0] for line in told(file)] == ["1", "4"]


def test_a_file_that_is_no_yaml_is_told_to_be_none():
    file = examined("tasks: [")
    assert file.refused and file.tasks == ()
    assert len(judge(file, HERE)) == 1


def test_with_more_problems_than_anyone_reads_the_last_says_how_many_more():
    keys = "".join(f"  - {{name: t{n}, type: daemon, command: x, nope: 1}}\n" for n in range(150))
    file = examined("tasks:\n" + keys)
    late = Problem(file="tasks.yaml", line=1, column=1, key="", message="one more")
    for found in (judge(file, HERE), joined(file, late)):
        assert len(found) == SHOWN + 1
        assert found[-1].message == "and 50 more problems"


def test_a_good_file_has_only_the_problems_of_its_host():
    file = examined("tasks: [{name: a, type: daemon, command: x, cwd: /no/such}]")
    assert not file.refused
    assert told(file) == ["1 'cwd': '/no/such' does not exist on this host"]
