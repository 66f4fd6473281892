"""Tables: what fits, what gives way, and that nothing is said by colour alone."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from torch.cli.terminal.columns import cut, draw, width

LONG = "a-name-of-sixty-four-characters-that-somebody-has-really-given-1"
ROWS = [("web", "running", "3/3", "nothing to say"), ("flop", "failing", "0/1", "it fails")]
HEAD = ("TASK", "STATE", "RUNNING", "MEANING")


def plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def test_columns_are_as_wide_as_their_widest_cell():
    lines = draw(HEAD, ROWS, room=None)
    assert lines[0] == "TASK  STATE    RUNNING  MEANING"
    assert lines[1] == "web   running  3/3      nothing to say"


def test_a_wide_character_takes_two_cells_and_a_mark_above_one_none():
    assert width("备份") == 4
    assert width("e\N{COMBINING ACUTE ACCENT}") == 1
    lines = draw(("A", "B"), [("备份", "x"), ("abcd", "y")], room=None)
    assert lines[1:] == ["备份  x", "abcd  y"]


def test_what_is_cut_never_passes_its_room():
    assert cut("备份备份", 5) == "备份…"
    assert cut("abc", 3) == "abc"


NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12)


@given(NAME, NAME, st.text(max_size=300), st.integers(60, 120))
def test_no_line_of_a_table_is_wider_than_the_terminal(name, state, meaning, room):
    lines = draw(("A", "B", "C"), [(name, state, meaning)], room=room)
    assert max(map(width, lines)) <= room


def test_a_name_too_long_for_its_column_stands_whole_on_a_line_of_its_own():
    lines = draw(HEAD, [*ROWS, (LONG, "idle", "0/1", "quiet")], room=80)
    assert lines[3] == LONG
    assert lines[4] == "      idle     0/1      quiet"
    assert lines[1].startswith("web   running")


def test_on_a_narrow_terminal_the_spare_columns_go_one_after_the_other():
    rows = [("a" * 20, "running", "3/3", "m" * 40)]
    assert "RUNNING" in draw(HEAD, rows, room=80, spare=("RUNNING", "STATE"))[0]
    assert "RUNNING" not in draw(HEAD, rows, room=60, spare=("RUNNING", "STATE"))[0]
    assert "STATE" in draw(HEAD, rows, room=60, spare=("RUNNING", "STATE"))[0]
    assert "STATE" not in draw(HEAD, rows, room=46, spare=("RUNNING", "STATE"))[0]


def test_colours_change_no_character():
    bare = draw(HEAD, ROWS, room=80)
    coloured = draw(HEAD, ROWS, room=80, colour=True)
    assert [plain(line) for line in coloured] == bare
    assert coloured != bare


def test_what_stands_below_a_row_is_cut_and_harmless():
    lines = draw(HEAD, ROWS, room=40, under={1: ["| \x1b[31mred", "| " + "x" * 99]})
    assert lines[3] == "  | \\x1b[31mred"
    assert len(lines[4]) == 40
    assert draw(HEAD, ROWS, room=None, under={1: ["said"]}) == draw(HEAD, ROWS, room=None)
