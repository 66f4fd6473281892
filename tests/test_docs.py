"""The docs run: what they say of commands, codes, keys, files and tests is what the program has."""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from torch import cli, event
from torch.errors import ExitCode
from torch.report import states
from torch.run import Outcome, State, Trigger
from torch.taskfile.file_keys import FILE_KEYS
from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.parse import parse

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted((ROOT / "torch").rglob("*.py"))


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    return re.split(r"^#+ ", page.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def table(part: str) -> list[list[str]]:
    """The cells of the rows of a part's first table, without its head."""
    rows = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert rows is not None
    lines = rows.group().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def shown() -> list[tuple[str, str, bool]]:
    """(page, the words after `torch`, whether they are all) of each command that a page shows: as
    it is typed, in a console block or a recipe for CI; or spoken of in a sentence, as `torch …`."""
    found = []
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        prose = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
        spoken = re.findall(r"`torch +([a-z][^`]*)`", prose)
        typed: list[str] = []
        for block in blocks(page, "console"):
            typed += re.findall(r"^\$ (?:.*\| )?(?:\S*/)?torch +(.+)$", block, re.MULTILINE)
        for block in blocks(page, "yaml"):
            typed += re.findall(r"^ *- (?:run: )?torch +(.+)$", block, re.MULTILINE)
        for lines, whole in ((spoken, False), (typed, True)):
            found += [(path.name, each, whole) for line in lines for each in alternatives(line)]
    return sorted(set(found))


def words(line: str) -> list[str]:
    """As a shell would split it: without a comment, and without where its output goes."""
    return shlex.split(re.sub(r" \d?> ?\S+$", "", line), comments=True)


def alternatives(line: str) -> list[str]:
    choice = re.search(r"(?<= )\w+(\|\w+)+", line)
    return [line.replace(choice[0], each) for each in choice[0].split("|")] if choice else [line]


# ── commands ──────────────────────────────────────────────────────────────────────────────


def test_the_readme_lists_every_command_and_no_other():
    rows = table(section(text("README.md"), "Commands"))
    assert [row[0] for row in rows] == [f"`torch {name}`" for name in cli.COMMANDS]


def test_a_command_in_the_readme_ends_in_codes_that_there_are():
    codes = {int(code) for code in ExitCode}
    for row in table(section(text("README.md"), "Commands")):
        assert {int(code) for code in re.findall(r"\d+", row[2])} <= codes, row


@pytest.mark.parametrize(("page", "line", "whole"), shown())
def test_a_command_that_is_shown_can_be_typed(page, line, whole):
    name, *rest = words(line)
    assert name in cli.COMMANDS
    command = cli.torch.get_command(click.Context(cli.torch), name)
    assert command is not None
    while isinstance(command, click.Group) and rest:
        name, *rest = rest
        assert name in command.commands
        command = command.commands[name]
    missing = () if whole else (click.MissingParameter, click.exceptions.NoArgsIsHelpError)
    with contextlib.suppress(*missing):
        command.make_context(name, rest)


def test_a_command_that_cannot_be_typed_is_found():
    restart = cli.torch.get_command(click.Context(cli.torch), "restart")
    assert restart is not None
    for wrong in (["--keep-runs"], ["backup"], ["--timeout", "soon"]):
        with pytest.raises(click.UsageError):
            restart.make_context("restart", wrong)


def test_commands_are_shown_at_all():
    assert len(shown()) > 100
    assert {words(line)[0] for _, line, _ in shown()} == set(cli.COMMANDS)


@pytest.mark.parametrize(
    ("page", "example"),
    [
        (path.name, block)
        for path in PAGES
        for block in blocks(path.read_text(encoding="utf-8"), "yaml")
        if re.match("(" + "|".join(FILE_KEYS) + "):", block)
    ],
)
def test_a_task_file_that_is_shown_is_a_good_one(page, example):
    whole = example if "tasks:" in example else example + "tasks: []\n"
    parse(whole.encode(), file=page, host_zone="UTC")


def test_the_tutorial_uses_every_key():
    used = set(re.findall(r"\b(\w+):(?= |$)", text("config/tasks.yaml"), re.MULTILINE))
    assert {*FILE_KEYS, *TASK_KEYS} <= used


# ── tables ────────────────────────────────────────────────────────────────────────────────


def test_the_exit_codes_in_the_docs_are_those_of_the_program():
    rows = table(section(text("docs/reference.md"), "Exit codes"))
    assert [(int(row[0]), row[1]) for row in rows] == [(int(c), c.name) for c in ExitCode]


def test_every_variable_that_settings_reads_is_documented():
    read = set(re.findall(r'environ\.get\("(TORCH_\w+)"\)', text("torch/settings.py")))
    rows = table(section(text("docs/reference.md"), "Environment"))
    assert {row[0].strip("`") for row in rows} == read
    assert len(read) >= 6


def test_every_torch_variable_that_is_named_is_one_of_the_programs():
    known = set(re.findall(r"\bTORCH_[A-Z_]+\b", "".join(map(Path.read_text, SOURCES))))
    prefixes = {"TORCH_MESSAGE_", "TORCH_FAULTS"}  # names are put together; of the tests alone
    for path in PAGES:
        named = set(re.findall(r"\bTORCH_[A-Z_]+\b", path.read_text(encoding="utf-8")))
        lost = {name for name in named - known if not name.startswith("TORCH_MESSAGE_")}
        assert not lost - prefixes, path.name


def test_every_event_has_its_line_in_the_docs():
    classes = [c for c in vars(event).values() if isinstance(c, type) and c is not event.Event]
    names = {c.__name__ for c in classes if issubclass(c, event.Event)}
    snake = {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in names}
    rows = table(section(text("docs/reference.md"), "The log"))
    assert {row[0].strip("`") for row in rows} == snake


def test_the_glossary_has_every_state_outcome_and_trigger():
    words = set(re.findall(r"\w+", text("docs/glossary.md")))
    assert {str(word) for kind in (State, Outcome, Trigger) for word in kind} <= words


# ── generated pages ───────────────────────────────────────────────────────────────────────


def test_the_page_of_run_states_is_what_the_table_gives():
    assert text("docs/run-states.md") == states.markdown(), "run: make docs"


def test_the_page_of_the_task_file_is_what_the_keys_give():
    done = subprocess.run(
        [sys.executable, "-m", "torch.taskfile.docs"],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert text("docs/task-file.md") == done.stdout, "run: make docs"


# ── what is named exists ──────────────────────────────────────────────────────────────────


def test_every_test_that_semantics_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text("docs/semantics.md"))
    assert len(named) > 100
    lost = [
        f"{file}::{name}"
        for file, name in sorted(set(named))
        if not (ROOT / file).exists()
        or not re.search(rf"^(async def|def|(?={name} =)) ?{name}\b", text(file), re.MULTILINE)
    ]
    assert not lost, "\n" + "\n".join(lost)


def test_the_sentences_of_semantics_are_numbered_in_order_and_each_names_its_test():
    lines = text("docs/semantics.md").splitlines()
    places = [at for at, line in enumerate(lines) if re.match(r"\*\*S\d+\.\*\* ", line)]
    numbers = [int(re.findall(r"\d+", lines[at])[0]) for at in places]
    assert numbers == list(range(1, len(numbers) + 1))
    unheld = [lines[at] for at in places if not re.search(r"::test_|no test yet", lines[at + 1])]
    assert not unheld


def test_every_file_that_the_architecture_names_exists():
    named = set(re.findall(r"`((?:torch|tests|docs|config)/[\w./-]*)`", text("ARCHITECTURE.md")))
    assert len(named) > 40
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def links() -> list[tuple[str, str]]:
    found = []
    for path in PAGES:
        page = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", page):
            if not re.match(r"https?:|mailto:", target):
                found.append((str(path.relative_to(ROOT)), target))
    return found


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page, target):
    file, _, anchor = target.partition("#")
    there = (ROOT / page).parent / file if file else ROOT / page
    assert there.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
        assert anchor in slugs


@pytest.mark.parametrize("path", sorted((ROOT / "docs/decisions").iterdir()), ids=lambda p: p.name)
def test_a_decision_is_short_and_says_why_and_at_what_cost(path):
    page = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{3}-[a-z0-9-]+\.md", path.name)
    assert page.startswith(f"# {path.name[:3]} ")
    assert len(page.splitlines()) <= 40
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Context", "Decision", "Why", "Cost"]


# ── words ─────────────────────────────────────────────────────────────────────────────────


def defined(tree: ast.AST) -> set[str]:
    """The names that a module gives to things of its own."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


def test_words_that_the_glossary_does_not_use_name_nothing():
    listed = section(text("docs/glossary.md"), "Not used").strip().split("\n\n")[1]
    banned = set(listed.split(", "))
    assert {"job", "worker", "manager", "handler"} <= banned
    found = []
    for path in SOURCES:
        for name in defined(ast.parse(path.read_text(encoding="utf-8"))):
            words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().split("_")
            if banned & {word.removesuffix("s") for word in words}:
                found.append(f"{path.relative_to(ROOT)}: {name}")
    assert not found, "\n" + "\n".join(found)
