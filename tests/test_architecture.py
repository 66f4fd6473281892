"""The house keeps its rules; and the checker that says so finds each way to break them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture import LIMIT, broken, imported

ROOT = Path(__file__).parents[1]
MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "torch").rglob("*.py"))
}


def test_every_module_keeps_the_rules_of_the_house():
    found = [line for path, source in MODULES.items() for line in broken(path, source)]
    assert not found, "\n" + "\n".join(found)


def test_there_is_a_house_to_check():
    assert "torch/schedule/scheduler.py" in MODULES
    assert len(MODULES) > 40


# ── the checker ───────────────────────────────────────────────────────────────────────────


def rules(path: str, source: str) -> list[str]:
    """What is broken in this source, below a docstring."""
    return broken(path, f'"""A module."""\n{source}\n')


def test_a_good_module_breaks_nothing():
    assert rules("torch/schedule/x.py", "from torch.task import Task\nimport heapq") == []


def test_a_broken_rule_names_file_and_line():
    (found,) = rules("torch/schedule/x.py", "\n\nimport os")
    assert found == "torch/schedule/x.py:4: imports os; the core does no I/O"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("torch/task.py", "from torch.schedule.expression import Expression"),
        ("torch/schedule/x.py", "import torch.history.store"),
        ("torch/schedule/x.py", "from torch import cli"),
        ("torch/schedule/x.py", "def late():\n    from torch.report.log import sentence"),
        ("torch/schedule/x.py", "from ..daemon import loop"),
        ("torch/taskfile/x.py", "from torch.report.text import harmless"),
        ("torch/history/x.py", "from torch.schedule.scheduler import Scheduler"),
        ("torch/history/x.py", "from torch.schedule import record, scheduler"),
        ("torch/report/x.py", "from torch.schedule.messages import Entry"),
        ("torch/daemon/x.py", "from torch.cli import main"),
        ("torch/daemon/x.py", "from torch.testing import World"),
        ("torch/daemon/x.py", "from torch.schedule.state import TaskState"),
        ("torch/testing/x.py", "from torch.schedule.live import LiveRun"),
        ("torch/cli/x.py", "from torch.daemon.loop import Loop"),
        ("torch/cli/x.py", "from torch.daemon import lock, loop"),
        ("torch/testing/x.py", "from torch.daemon.loop import Loop"),
        ("torch/importing/x.py", "from torch.report.text import harmless"),
        ("torch/client/x.py", "from torch.cli.show import document"),
        ("torch/client/x.py", "from torch.daemon.loop import Loop"),
        ("torch/client/x.py", "import click"),
        ("torch/explain/x.py", "from torch.cli import show"),
        ("torch/explain/answer.py", "from torch.explain.gathering import Gathering"),
        ("torch/explain/fates.py", "from torch.history import query"),
        ("torch/cli/x.py", "from torch.cli.history import runs"),
        ("torch/cli/x.py", "from torch.cli import logs"),
        ("torch/cli/x.py", "from torch.cli.diff.values import shown"),
        ("torch/cli/x.py", "from torch.cli.diff import values"),
        ("torch/cli/diff/x.py", "from torch.cli.plan.starts import row"),
        ("torch/cli/terminal/x.py", "from torch.cli.top.board import frame"),
        ("torch/stranger/x.py", "from torch.task import Task"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_found(path, source):
    assert len(rules(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("torch/history/x.py", "from torch.schedule.record import Entry"),
        ("torch/history/x.py", "from torch.schedule import record"),
        ("torch/cli/x.py", "from torch.daemon import launch, lock"),
        ("torch/cli/x.py", "from torch.cli.terminal import columns\nimport click"),
        ("torch/cli/diff/command.py", "from torch.cli.diff import changes"),
        ("torch/cli/x.py", "from torch.explain.gathering import Gathering"),
        ("torch/explain/gathering.py", "from torch.client.asking import ask"),
        ("torch/cli/x.py", "from torch.daemon.lock import holder"),
        ("torch/daemon/x.py", "from torch.report.log import sentence\nimport subprocess, os"),
        ("torch/daemon/x.py", "import os\nos.kill(1, 2)"),
        ("torch/daemon/x.py", "from torch.schedule.snapshot import TaskView"),
        ("torch/daemon/detach.py", "import daemon"),
        ("torch/schedule/admission.py", "def f(live):\n    live.reserve(1)"),
        ("torch/schedule/expression.py", "from croniter import croniter"),
        ("torch/clock.py", "import time\nfrom datetime import datetime\ndatetime.now()"),
        ("torch/cli/lifecycle.py", "import os\nos.pidfd_open(1)"),
        ("torch/cli/diff/revision.py", "import subprocess"),
        ("torch/planning/x.py", "from torch.taskfile.placement import owns"),
        ("torch/cli/x.py", "import os\nos.environ['A']\nopen('x')"),
        ("torch/testing/x.py", "from torch.schedule.scheduler import Scheduler"),
    ],
)
def test_what_the_rules_allow_is_allowed(path, source):
    assert rules(path, source) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("torch/cli/x.py", "import subprocess"),
        ("torch/cli/x.py", "from signal import SIGTERM"),
        ("torch/cli/x.py", "import os\nos.kill(1, 15)"),
        ("torch/cli/x.py", "import os\nos.pidfd_open(1)"),
        ("torch/cli/x.py", "import os\nos.execvp('sh', [])"),
        ("torch/cli/x.py", "from os import killpg\nkillpg(1, 15)"),
        ("torch/cli/x.py", "from os import waitid as wait_for\nwait_for(1, 15)"),
        ("torch/taskfile/x.py", "import asyncio\nasyncio.create_subprocess_exec('ls')"),
        ("torch/cli/x.py", "import time"),
        ("torch/daemon/x.py", "from time import monotonic"),
        ("torch/cli/x.py", "from datetime import datetime\ndatetime.now()"),
        ("torch/cli/x.py", "import datetime\ndatetime.date.today()"),
        ("torch/taskfile/x.py", "import croniter"),
        ("torch/daemon/x.py", "from daemon import DaemonContext"),
        ("torch/schedule/x.py", "import random"),
        ("torch/schedule/x.py", "open('/etc/passwd')"),
        ("torch/schedule/x.py", "print('hello')"),
        ("torch/schedule/x.py", "def f(live):\n    live.reserve(1)"),
        ("torch/cli/x.py", "def f(task):\n    return task.type is not TaskType.CRON"),
        ("torch/planning/x.py", "import os"),
        ("torch/planning/x.py", "open('tasks.yaml')"),
        ("torch/importing/x.py", "import os"),
        ("torch/importing/x.py", "open('/etc/crontab')"),
        ("torch/cli/x.py", "class JobTable: ..."),
        ("torch/cli/x.py", "def run_worker(): ..."),
        ("torch/cli/x.py", "class C:\n    async def on_tick(self): ..."),
        ("torch/cli/helpers.py", ""),
        ("torch/cli/x.py", "def process(x): ..."),
    ],
)
def test_every_other_broken_rule_is_found_once(path, source):
    assert len(rules(path, source)) == 1


def test_a_word_inside_another_word_is_another_word():
    assert rules("torch/cli/x.py", "def ticket(): ...\nclass Jobless: ...") == []


def test_a_module_without_a_docstring_is_found():
    assert broken("torch/cli/x.py", "x = 1\n") == [
        "torch/cli/x.py:1: has no docstring; a module opens with its rules"
    ]


def test_a_module_that_does_two_things_is_found():
    (found,) = rules("torch/cli/x.py", "x = 1\n" * LIMIT)
    assert f"past {LIMIT} a module does two things" in found


def test_imports_are_found_wherever_they_stand():
    tree = ast.parse("def f():\n    import a.b\nfrom . import c\nfrom ..d import e\n")
    assert sorted(imported("torch/cli/x.py", tree)) == [
        (2, "a.b"),
        (3, "torch.cli.c"),
        (4, "torch.d.e"),
    ]
