"""A shell that could make no process is told by its last word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torch.daemon.unforked import REASON, unforked
from torch.testing.tasks import cron

TASK = replace(cron("t", "@daily"), command="date; date", success_codes=frozenset({0, 2, 254}))

SAID = [
    "/bin/sh: 1: Cannot fork",
    "sh: can't fork: Resource temporarily unavailable",
    "/bin/bash: fork: Resource temporarily unavailable",
    "/bin/bash: line 3: fork: retry: Resource temporarily unavailable",
    "zsh: fork failed: resource temporarily unavailable",
]


@pytest.mark.parametrize("line", SAID)
def test_a_code_of_success_is_none_after_a_shell_said_that_it_cannot_fork(line):
    assert unforked(2, TASK, lambda: (line,)) == REASON


@pytest.mark.parametrize("line", ["cannot fork the repository", "fork: done", "ash nazg: 1", ""])
def test_other_words_change_nothing(line):
    assert unforked(2, TASK, lambda: (line,)) == ""


@pytest.mark.parametrize("code", [0, None, 1])
def test_nothing_is_read_where_the_code_is_zero_or_of_no_success(code):
    def never() -> tuple[str, ...]:
        raise AssertionError("it was read")

    assert unforked(code, TASK, never) == ""


def test_nothing_is_read_of_a_command_without_a_shell():
    assert unforked(2, replace(TASK, command=("date",)), lambda: (SAID[0],)) == ""
