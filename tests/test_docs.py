"""The docs run: what they say of commands, codes, keys, files and tests is what the program has."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from torch import cli, event
from torch.errors import ExitCode
from torch.report import states
from torch.run import Outcome, State, Trigger
from torch.taskfile.keys import FILE_KEYS, TASK_KEYS
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


def shown() -> list[tuple[str, str]]:
    """(page, the words after `torch`) of each command in the console blocks of all pages."""
    found = []
    for path in PAGES:
        for block in blocks(path.read_text(encoding="utf-8"), "console"):
            for line in re.findall(r"^\$ (?:\S*/)?torch +(.+)$", block, re.MULTILINE):
                found.append((path.name, line.partition("  #")[0]))
    return found


# ── commands ──────────────────────────────────────────────────────────────────────────────


def test_the_readme_lists_every_command_and_no_other():
    rows = table(section(text("README.md"), "Commands"))
    assert [row[0] for row in rows] == [f"`torch {name}`" for name in cli.COMMANDS]


def test_a_command_in_the_readme_ends_in_codes_that_there_are():
    codes = {int(code) for code in ExitCode}
    for row in table(section(text("README.md"), "Commands")):
        assert {int(code) for code in re.findall(r"\d+", row[2])} <= codes, row


@pytest.mark.parametrize(("page", "words"), shown())
def test_a_command_that_is_shown_exists_with_its_options(page, words):
    name, *rest = words.split()
    assert name in cli.COMMANDS
    command = cli.torch.get_command(click.Context(cli.torch), name)
    assert command is not None
    known = {option for param in command.params for option in param.opts}
    assert {word for word in rest if re.match(r"-{1,2}[a-z]", word)} <= known


def test_commands_are_shown_at_all():
    assert len(shown()) > 10


def test_the_readme_names_every_key_that_has_no_effect_yet():
    keys = [*TASK_KEYS.values(), *FILE_KEYS.values()]
    missing = section(text("README.md"), "Not there yet")
    assert {key.name for key in keys if not key.supported} <= set(re.findall(r"`(\w+)`", missing))


def test_the_tasks_in_the_readme_are_a_good_file():
    (example,) = blocks(text("README.md"), "yaml")
    assert len(parse(example.encode(), file="README.md", host_zone="UTC").tasks) == 3


# ── tables ────────────────────────────────────────────────────────────────────────────────


def test_the_exit_codes_in_the_docs_are_those_of_the_program():
    rows = table(section(text("docs/operations.md"), "Exit codes"))
    assert [(int(row[0]), row[1]) for row in rows] == [(int(c), c.name) for c in ExitCode]


def test_every_variable_that_settings_reads_is_documented():
    read = set(re.findall(r'environ\.get\("(TORCH_\w+)"\)', text("torch/settings.py")))
    rows = table(section(text("docs/operations.md"), "Environment"))
    assert {row[0].strip("`") for row in rows} == read
    assert len(read) >= 6


def test_every_event_has_its_line_in_the_docs():
    classes = [c for c in vars(event).values() if isinstance(c, type) and c is not event.Event]
    names = {c.__name__ for c in classes if issubclass(c, event.Event)}
    snake = {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in names}
    rows = table(section(text("docs/operations.md"), "The log"))
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
