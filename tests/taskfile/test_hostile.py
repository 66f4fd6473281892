"""Files made to cost much: each is taken or refused within a bounded time, never a crash.

Each is read in a child of its own, which the kernel ends after LIMIT seconds of processor time,
because an alarm does not interrupt a regular expression. The measured times are below 2 s.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from torch.taskfile.text import LIMIT as SIZE

LIMIT = 10
"""Seconds of processor time; five times what the slowest takes."""

CASES = {
    "a list of a million": "'tasks: [' + 'a,' * 4_000_000 + ']'",
    "tag directives": r"''.join('%%TAG !a%d! x\n' % i for i in range(300_000)) + '---\na'",
    "opened lists": "'[' * 1_000_000",
    "opened mappings": "'tasks: ' + '{' * 1_000_000",
    "question marks": "'? ' * 1_000_000",
    "dashes": "'- ' * 1_000_000",
    "unknown keys": r"''.join('k%d: 1\n' % i for i in range(500_000))",
    "one key a million times": r"'a: 1\n' * 1_000_000",
    "misspelt keys": r"'tasks:\n' + '  - {nme: a, comand: b, shedule: c}\n' * 19_000",
    "tags": r"'tasks:\n' + '  - !x a\n' * 19_999",
    "aliases of nothing": r"""'a:\n' + ''.join('  - &anchor%d x\n' % i for i in range(9999))
        + 'b:\n' + ''.join('  - *anchr%d\n' % i for i in range(9999))""",
    "a billion laughs": r"""'a0: &a0 [x,x,x,x,x,x,x,x,x]\n' + ''.join('a%d: &a%d [%s]\n'
        % (i, i, ','.join(['*a%d' % (i - 1)] * 9)) for i in range(1, 19)) + 'tasks: *a18\n'""",
    "merges of a large mapping": r"""'d: &d {%s}\n' % ','.join('k%d: x' % i for i in range(10_000))
        + 'tasks:\n' + ''.join('  - {<<: *d, name: t%d}\n' % i for i in range(15_000))""",
    "aliases of a long command": r"""'tasks:\n  - {name: a, type: daemon, command: &c "%s"}\n'
        % ('a' * 130_000) + ''.join('  - {name: t%d, type: daemon, command: *c}\n' % i
        for i in range(19_000))""",
    "a long command in defaults": r"""'defaults: {type: daemon, command: "%s"}\ntasks:\n'
        % ('a' * 130_000) + ''.join('  - name: t%d\n' % i for i in range(19_000))""",
    "a large env in defaults": r"""'defaults: {type: daemon, command: x, user: root, env: {%s}}\n'
        % ','.join('A%d: b' % i for i in range(19_000)) + 'tasks:\n'
        + ''.join('  - name: t%d\n' % i for i in range(19_000))""",
    "many hosts in a group": r"""'groups: {g: [%s]}\ntasks:\n' % ','.join('10.%d.%d.1'
        % (i % 256, i // 256) for i in range(20_000)) + ''.join('  - {%s, hosts: [g, g, g, g]}\n'
        % (TASK % i) for i in range(19_000))""",
    "schedules in defaults": r"""'defaults: {command: x, schedule: [%s]}\ntasks:\n'
        % ','.join('"H(%d-59) H H H H H"' % i for i in range(50))
        + ''.join('  - name: t%d\n' % i for i in range(19_000))""",
    "unknown zones": r"""'tasks:\n' + ''.join('  - {%s, timezone: Mars/X%d}\n' % (TASK % i, i)
        for i in range(20_000))""",
    "bad expressions": r"""'tasks:\n' + ''.join('  - {name: t%d, schedule: "* * 30 2 %d"}\n'
        % (i, i) for i in range(20_000))""",
    "distinct addresses": r"""'tasks:\n' + ''.join('  - {%s, hosts: [%s]}\n' % (TASK % i,
        ','.join('"a::%x:%x/128"' % (i, j) for j in range(17))) for i in range(15_000))""",
    "nothing but passwords": r"""'tasks:\n' + ''.join(
        '  - {name: t%d, type: daemon, command: "%s"}\n' % (i,
        'password ' * 40) for i in range(18_000))""",
    "the word mysql": r"""'tasks:\n' + ''.join('  - {name: t%d, type: daemon, command: "%s"}\n'
        % (i, '-p ' + 'mysql -' * 2_000) for i in range(500))""",
    "a word of dashes": r"""'tasks:\n' + ''.join('  - {name: t%d, type: daemon, command: "%s"}\n'
        % (i, 'key ' + '-a' * 7_900) for i in range(500))""",
    "an address of dots": r"""'tasks:\n' + ''.join('  - {name: t%d, type: daemon, command: "%s"}\n'
        % (i, '://' + 'a.' * 7_900) for i in range(500))""",
    "a long value": "'tasks: \"' + 'a' * 8_000_000 + '\"'",
    "a huge number": "'version: ' + '9' * 8_000_000",
    "huge numbers": r"""'tasks:\n' + ''.join('  - {%s, max: %s}\n' % (TASK % i, '9' * 300)
        for i in range(20_000))""",
    "control characters": r"'\x07' * 8_000_000",
    "conflict markers": r"'<<<<<<< a\n' * 800_000",
    "no UTF-8": r"b'\xff' * 8_000_000",
    "line ends": r"'\r' * 8_000_000 + 'tasks: [1, 2, 3]'",
    "bidirectional controls": r"'\u202e' * 2_000_000",
    "patterns": r"""'tasks:\n' + ''.join('  - {%s, alert_on: [{pattern: "%s", notify: [a]}]}\n'
        % (TASK % i, '(a*)*' * 50 + str(i)) for i in range(15_000))""",
    "a stair of keys": r"'\n'.join(' ' * i + 'a:' for i in range(3_000))",
    "unknown channels": r"""'notify: {%s}\ntasks:\n' % ','.join('c%d: "http://x"' % i
        for i in range(19_000)) + ''.join('  - {%s, on_failure: [c%dx]}\n' % (TASK % i, i)
        for i in range(20_000))""",
    "unknown groups": r"""'groups: {%s}\ntasks:\n' % ','.join('c%d: [1.2.3.4]' % i
        for i in range(19_000)) + ''.join('  - {%s, hosts: [c%dx]}\n' % (TASK % i, i)
        for i in range(20_000))""",
    "more than the limit": "'#' * (8 * 2**20 + 1)",
}

READ = """\
import ipaddress, sys
from torch.errors import TaskFileError
from torch.taskfile.parse import parse
TASK = 'name: t%d, command: x, schedule: "* * * * *"'
data = eval(f"({sys.stdin.read()})")
data = data if isinstance(data, bytes) else data.encode()
assert len(data) <= 8 * 2**20 + 1
try:
    file = parse(data, file='f', host_zone='UTC', only_for=[ipaddress.ip_address('10.0.0.9')])
    print('taken', file.total)
except TaskFileError as error:
    assert len(error.problems) <= 101
    assert sum(len(each.message) + len(each.source) for each in error.problems) < 500_000
    print('refused', error)
"""

TAKEN = {
    "many hosts in a group",
    "distinct addresses",
    "nothing but passwords",
    "the word mysql",
    "a word of dashes",
    "an address of dots",
}


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))


@pytest.mark.parametrize("case", CASES)
def test_a_file_made_to_cost_much_is_read_in_a_bounded_time_and_memory(case):
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=CASES[case],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode} {done.stderr[-2000:]}"
    assert done.stdout.startswith("taken" if case in TAKEN else "refused")


def test_the_cases_know_the_limit_of_size():
    assert SIZE == 8 * 2**20
