"""docs/screens.md shows what people see, on a terminal of 80 columns."""

from __future__ import annotations

import shutil

import pytest

from tests.screens import page
from tests.screens.stage import staged
from tests.screens.terminal import COLUMNS
from tests.waiting import until

TOLD = page.read(page.PAGE.read_text(encoding="utf-8"))
BETWEEN = 5.0
"""Seconds for another look: a daemon that dies may live just then."""

needs = pytest.mark.skipif(
    not (shutil.which("tmux") and shutil.which("git")),
    reason="needs tmux and git: sudo apt-get install tmux git",
)


@pytest.fixture(scope="module")
def shown():
    with staged() as show:
        yield show


def test_the_page_has_every_screen_and_no_other():
    assert list(TOLD) == list(page.SCREENS)


def test_the_page_is_what_its_screens_give():
    assert page.PAGE.read_text(encoding="utf-8") == page.write(TOLD), "run: make screens"


def test_no_line_of_a_screen_is_wider_than_the_terminal():
    lines = [line for screen in TOLD.values() for line in screen.splitlines()]
    assert max(map(len, lines)) <= COLUMNS


@needs
@pytest.mark.parametrize("command", page.SCREENS)
def test_a_screen_is_what_the_page_shows(shown, command):
    told = page.normal(command, TOLD[command])
    seen = ""

    def same() -> bool:
        nonlocal seen
        seen = page.normal(command, shown(command))
        return seen == told

    try:
        until(f"{command} shows what the page shows", same, deadline=BETWEEN)
    except AssertionError:
        assert seen == told, "run: make screens"


def test_a_changed_word_of_a_screen_is_seen():
    for command, screen in TOLD.items():
        assert (
            page.normal(command, screen.replace("import-feed", "x")) != page.normal(command, screen)
            or "import-feed" not in screen
        )
        assert page.normal(command, screen + "more\n") != page.normal(command, screen)


def test_another_second_another_run_and_another_pid_are_no_change():
    one = "run touk9di9-6 has had a slot since 03:29:56, pid 812, for 9.5 s\n"
    two = "run abcdefgh-12 has had a slot since 03:30:02, pid 40812, for 10 s\n"
    assert page.normal("torch status", one) == page.normal("torch status", two)


def test_no_line_is_broken_within_a_word():
    for command, screen in TOLD.items():
        full = [line for line in screen.splitlines() if len(line) == COLUMNS]
        # A reason that fits exactly is no broken line.
        assert all(line.endswith(("…", "max is 1")) for line in full), command
