"""The help: everything a person needs to type a command and to read its exit code."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from pathlib import Path

import click
import pytest

from torch import cli
from torch.cli import manual
from torch.errors import MEANING, ExitCode
from torch.settings import resolve


def commands() -> dict[str, click.Command]:
    """'notify test' -> the command."""
    found: dict[str, click.Command] = {}
    for name in cli.COMMANDS:
        command = cli.torch.get_command(click.Context(cli.torch), name)
        assert command is not None
        found[name] = command
        for sub, each in getattr(command, "commands", {}).items():
            found[f"{name} {sub}"] = each
    return found


def shown(words: str, capsys) -> str:
    assert cli.run([*words.split(), "--help"]) == 0
    return str(capsys.readouterr().out)


def part(text: str, heading: str) -> list[str]:
    """The lines of one section, without those that belong to the next."""
    match = re.search(rf"^{heading}s?:\n((?:  .*\n)+)", text, re.MULTILINE)
    assert match, text
    return [line[2:] for line in match[1].splitlines()]


@pytest.mark.parametrize("name", commands())
def test_the_help_of_a_command_has_examples_that_can_be_typed(name, capsys):
    examples = part(shown(name, capsys), "Example")
    assert examples
    for line in examples:
        program, *words = shlex.split(re.sub(r" > \S+$", "", line))
        assert program == "torch"
        assert words[: len(name.split())] == name.split() or name == "notify"
        command = cli.torch.get_command(click.Context(cli.torch), words.pop(0))
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        assert command is not None
        command.make_context(command.name, words)


@pytest.mark.parametrize("name", commands())
def test_the_help_of_a_command_has_its_exit_codes_in_words(name, capsys):
    lines = part(shown(name, capsys), "Exit code")
    codes = [int(line.split()[0]) for line in lines if not line.startswith(" ")]
    assert codes == sorted(codes)
    assert {0, 64} <= set(codes) <= {int(code) for code in ExitCode}


def test_every_exit_code_has_its_meaning_in_one_place():
    assert set(MEANING) == set(ExitCode)
    assert set(manual.PAGES) == set(commands())


def test_each_command_is_in_exactly_one_group_of_the_help(capsys):
    grouped = Counter(name for names in cli.GROUPS.values() for name in names)
    assert grouped == Counter(list(cli.COMMANDS))
    text = shown("", capsys)
    for heading, names in cli.GROUPS.items():
        assert [line.split()[0] for line in part(text, heading)] == list(names)


def test_the_help_has_three_examples_the_default_paths_and_every_variable(capsys):
    text = shown("", capsys)
    assert len(part(text, "Example")) == 3
    source = Path(cli.__file__).parents[1].joinpath("settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'environ\.get\("(TORCH_\w+)"\)', source))
    assert {name for name, _ in manual.VARIABLES} == read
    assert all(name in text for name in read)


def test_the_default_paths_of_the_help_are_those_of_the_program():
    root = resolve({}, uid=0)
    user = resolve({"HOME": "~", "XDG_RUNTIME_DIR": "/$XDG_RUNTIME_DIR"}, uid=1000)
    places = dict(manual.FILES)
    for name, key in (("task file", "task_file"), ("history", "state_dir"),
                      ("log, output", "log_dir"), ("pid, socket", "run_dir")):  # fmt: skip
        of_root, _, of_user = places[name].partition(", ")
        assert getattr(root, key) == of_root
        assert getattr(user, key).rpartition(of_user[:1])[2] == of_user[1:]


@pytest.mark.parametrize("name", commands())
def test_every_option_says_what_it_sets(name):
    for option in commands()[name].params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help[0].isupper(), option.help
            if option.metavar == "SECONDS":
                assert option.help.startswith("Seconds"), option.help
            if option.multiple:
                assert "repeatable" in option.help, option.help


@pytest.mark.parametrize("name", ["", *commands()])
def test_no_line_of_the_help_is_wider_than_a_terminal(name, capsys):
    for line in shown(name, capsys).splitlines():
        assert len(line) <= 80 or line.startswith("  torch ") or "http" in line, line
