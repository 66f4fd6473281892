"""A problem as a person sees it, and as GitHub does."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.errors import Problem
from torch.report.problems import WIDTH, render, render_github


def problem(**changes) -> Problem:
    return Problem(
        **{
            "file": "tasks.yaml",
            "line": 12,
            "column": 5,
            "key": "shedule",
            "message": "unknown key 'shedule', did you mean 'schedule'?",
            "source": '    shedule: "* * * * *"',
            **changes,
        }
    )


def columns(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(unicodedata.combining(each) > 0 for each in text)


def test_a_problem_shows_its_place_its_line_a_caret_and_the_way_out():
    assert render(problem(hint="see the docs")).splitlines() == [
        "tasks.yaml:12:5: unknown key 'shedule', did you mean 'schedule'?",
        '  12 |     shedule: "* * * * *"',
        "     |     ^",
        "  see the docs",
    ]


def test_a_warning_says_that_it_is_one():
    assert render(problem(warning=True)).startswith("tasks.yaml:12:5: warning: unknown key")


@pytest.mark.parametrize("changes", [{"line": 0, "column": 0, "source": ""}, {"source": "  "}])
def test_a_problem_without_a_line_to_show_is_one_line(changes):
    assert len(render(problem(**changes)).splitlines()) == 1


@pytest.mark.parametrize(
    ("source", "column", "before"),
    [
        ("a: b", 1, 0),
        ("a: b", 4, 3),
        ("\ta: b", 2, 1),
        ("a:\t\tb", 5, 4),
        ("日本: b", 5, 6),
        ("e\u0301: b", 5, 3),
        ("\x1b[2J: b", 7, 9),
        ("\u202e: b", 4, 8),
        ("a", 2, 1),
    ],
)
def test_the_caret_stands_under_the_place_whatever_is_before_it(source, column, before):
    _, line, caret = render(problem(source=source, column=column, line=1)).splitlines()
    assert caret == "    | " + " " * before + "^"
    assert columns(line.removeprefix("  1 | ")[: len(line)]) >= before


def test_a_caret_beyond_the_end_of_the_line_is_not_drawn():
    assert len(render(problem(source="a", column=9)).splitlines()) == 2


@pytest.mark.parametrize("column", [1, 60, 300, 900, 1000])
def test_a_long_line_is_cut_around_the_place(column):
    source = "".join(chr(97 + n % 26) for n in range(1000))
    _, line, caret = render(problem(source=source, column=column, line=1)).splitlines()
    shown = line.removeprefix("  1 | ")
    assert len(shown) <= WIDTH
    assert shown[caret.index("^") - 6] == source[column - 1]
    assert shown.endswith("…") == (column < 1000)
    assert shown.startswith("…") == (column > WIDTH // 2 + 1)


def test_nothing_of_a_file_can_move_the_cursor():
    text = render(
        problem(
            file="a\x1b[2J.yaml",
            message="m\x07\n::error::x",
            hint="h\r\x1b",
            source="a\x1b[31m: \x9b",
        )
    )
    assert all(each.isprintable() for each in text.splitlines())
    assert len(text.splitlines()) == 4


def test_an_annotation_has_its_file_line_and_column():
    assert render_github(problem(hint="see the docs")) == (
        "::error file=tasks.yaml,line=12,col=5,title=torch%3A shedule"
        "::unknown key 'shedule', did you mean 'schedule'?"
        "%0Asee the docs"
    )
    assert render_github(problem(warning=True)).startswith("::warning file=")
    assert render_github(problem(line=0, column=0)).startswith(
        "::error file=tasks.yaml,title=torch%3A shedule::unknown"
    )


TEXT = st.text(max_size=30)


@given(TEXT, TEXT, TEXT, TEXT)
def test_an_annotation_is_one_line_that_begins_no_other_command(file, key, message, hint):
    text = render_github(problem(file=file, key=key, message=message, hint=hint))
    assert len(text.splitlines()) == 1
    head, middle, rest = text.partition(",line=12,col=5,title=")
    assert middle and not {":", ","} & set(head.removeprefix("::error file="))
    assert not {":", ","} & set(rest.partition("::")[0])


@pytest.mark.parametrize(
    ("text", "in_a_property", "in_a_message"),
    [
        ("100%", "100%25", "100%25"),
        ("a:b,c", "a%3Ab%2Cc", "a:b,c"),
        ("%0A::error::", "%250A%3A%3Aerror%3A%3A", "%250A::error::"),
        ("a\r\nb", "a\\r\\nb", "a\\r%0Ab"),
    ],
)
def test_what_github_would_act_on_is_escaped(text, in_a_property, in_a_message):
    shown = render_github(problem(file=text, key="", message=text, hint="", line=0, column=0))
    assert shown == f"::error file={in_a_property},title=torch::{in_a_message}"


@given(st.text(max_size=200), st.integers(1, 220))
def test_any_line_can_be_shown(source, column):
    for line in render(problem(source=source, column=column)).splitlines():
        assert line.isprintable() or all(
            unicodedata.category(c) == "Zs" or c.isprintable() for c in line
        )
