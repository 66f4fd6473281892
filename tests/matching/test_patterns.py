"""Patterns: which lines they match, and which are refused with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.matching.patterns import BadPattern, Pattern

PIECE = b"one\ntwo ERROR\nthree\npanic: four\n"


def found(pattern: str, piece: bytes = PIECE) -> list[bytes]:
    return [line for _, line in Pattern(pattern).lines(piece)]


@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("ERROR", [b"two ERROR"]),
        ("ERROR|panic", [b"two ERROR", b"panic: four"]),
        ("(?i)error", [b"two ERROR"]),
        ("^two", [b"two ERROR"]),
        ("three$", [b"three"]),
        (r"\Athree\z", [b"three"]),
        ("^$", []),
        ("nothing", []),
        ("o", [b"one", b"two ERROR", b"panic: four"]),
    ],
)
def test_a_pattern_is_searched_in_each_line(pattern, lines):
    assert [line for line in found(pattern) if line] == lines


def test_no_match_spans_two_lines():
    assert found(r"one\stwo") == []
    assert found(r"ERROR[^x]*three") == []


def test_a_line_may_end_as_in_dos():
    assert found("one$", b"one\r\ntwo\r\n") == [b"one\r"]


def test_what_is_no_utf_8_is_looked_through_all_the_same():
    assert found("ERROR", b"\xff\xfe ERROR \x00\n") == [b"\xff\xfe ERROR \x00"]


def test_an_empty_line_is_one_that_was_written():
    assert Pattern("^$").lines(b"a\nb\n") == []
    assert Pattern("^$").lines(b"a\n\nb\n") == [(3, b"")]
    assert [end for end, _ in Pattern("x*").lines(b"a\nb\n")] == [2, 4]


def test_the_offset_is_the_byte_behind_the_line():
    assert Pattern("ERROR").lines(PIECE) == [(14, b"two ERROR")]
    assert Pattern("end").lines(b"the end") == [(7, b"the end")]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "missing"),
        ("[a", "missing"),
        ("(?=x)", "look-ahead"),
        (r"(a)\1", "references"),
        ("a" * 10 + "{1000}{1000}", "repetition"),
        ("*", "repetition"),
    ],
)
def test_a_bad_pattern_is_refused_with_what_is_wrong(pattern, why):
    with pytest.raises(BadPattern, match=why):
        Pattern(pattern)


def test_a_pattern_that_explodes_elsewhere_is_searched_in_a_moment():
    assert found("(a+)+$", b"a" * 30_000 + b"!\n") == []


@given(
    st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b), max_size=8),
    st.sampled_from(["a", "^a", "b$", "[^a]b", r"\Ab", "a|^b", r"\bab\b", "(?i)A.B", "."]),
)
def test_looking_at_a_piece_first_loses_no_line(lines, pattern):
    lines = [line.replace(b"\r", b"") for line in lines]
    piece = b"".join(line + b"\n" for line in lines)
    each = Pattern(pattern)
    alone = [line for line in lines if each._line.search(line)]
    assert [line for _, line in each.lines(piece) if line or not piece] == [x for x in alone if x]
