"""Whose fault a start is that did not begin, told by what a reaper says."""

from __future__ import annotations

from pathlib import Path

import pytest

import torch.daemon.supervisor
import torch.reaper
from torch.daemon import refusals


def test_what_is_the_hosts_fault_is_said_so_by_the_reaper_or_the_service():
    said = "".join(path.read_text() for path in Path(torch.reaper.__file__).parent.glob("*.py"))
    said += Path(torch.daemon.supervisor.__file__).read_text()
    for words in refusals._HOST:
        assert f'"{words}' in said, words


@pytest.mark.parametrize(
    ("reason", "hosts"),
    [
        ("its output cannot be made: No space left on device", True),
        ("its start could not be written down: No space left on device", True),
        ("the process could not be started: Resource temporarily unavailable", True),
        ("its command /bin/nothing was not found, or the interpreter that it names", False),
        ("its directory /nowhere cannot be entered: No such file or directory", False),
        ("its command or environment cannot be given: embedded null byte", False),
    ],
)
def test_a_refusal_is_the_hosts_fault_or_the_tasks(reason, hosts):
    assert refusals.is_hosts(reason) is hosts
