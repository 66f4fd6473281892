"""Whatever number an option is given, a command ends in a sentence and its code."""

from __future__ import annotations

from typing import Any

import click
import pytest

from tests.cli.test_help import commands
from torch.cli import run
from torch.cli.options import Seconds

NUMBERS = ("99999999999999999999", "-1", "-99999999999999999999", "1.5", "1e999", "nan", "", "x",
           "9" * 5000)  # fmt: skip


TIMES = ("1e999", "nan", "-1", "0", "1e-300", "99999999999999999999", "", "x")


def options(kind: type[Any]) -> list[tuple[str, str]]:
    """(command, option) of each option of this kind."""
    return [
        (name, each.opts[0])
        for name, command in commands().items()
        for each in command.params
        if isinstance(each, click.Option) and isinstance(each.type, kind) and not each.is_flag
        and not each.count
    ]  # fmt: skip


def test_every_option_for_a_whole_number_has_a_lowest_and_a_highest():
    found = options(click.types.IntParamType)
    assert found
    for name, option in found:
        command = commands()[name]
        (type_,) = [each.type for each in command.params if option in each.opts]
        assert isinstance(type_, click.IntRange), (name, option)
        assert type_.min is not None and type_.max is not None, (name, option)


@pytest.mark.parametrize("number", NUMBERS, ids=[repr(text[:8]) for text in NUMBERS])
@pytest.mark.parametrize(("name", "option"), options(click.types.IntParamType))
def test_a_number_that_is_out_of_range_or_none_is_refused_with_exit_code_64(
    name, option, number, capsys
):
    assert run([*name.split(), option, number]) == 64
    assert option in capsys.readouterr().err


def test_every_option_for_a_number_of_seconds_refuses_what_is_none():
    assert not options(click.types.FloatParamType)  # whose ranges take nan
    assert options(Seconds)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(("name", "option"), options(Seconds))
def test_a_time_that_is_out_of_range_or_none_is_refused_with_exit_code_64(
    name, option, time, capsys
):
    assert run([*name.split(), option, time]) == 64
    assert option in capsys.readouterr().err
