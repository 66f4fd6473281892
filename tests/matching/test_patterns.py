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
    assert found("one$", b"one\r\ntwo\r\n") == [b"one"]
    assert found("^$", b"one\r\ntwo\r\n") == []


def test_a_carriage_return_ends_a_line():
    bar = b"10%\r20%\rfailed: x\r\n"
    assert found("^failed", bar) == found("^failed: x$", bar) == [b"failed: x"]
    assert found("%$", bar) == [b"10%", b"20%"]
    assert found("10%.*20%", bar) == []
    assert [end for end, _ in Pattern("%").lines(bar)] == [4, 8]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("ERROR", b"\xff\xfe ERROR \x00"),
        ("^.*ERROR", b"\xff\xfe ERROR \x00"),
        ("user .* failed", b"user J\xfcrgen failed"),
        ("user \\S+ failed", b"user J\xfcrgen failed"),
        ("(?i)error.$", b"an eRRor\xff"),
        ("Fehler f\u00fcr [a-z\u00e4\u00f6\u00fc]+$", b"\xff Fehler f\xc3\xbcr k\xc3\xb6ln"),
        ("^.ERROR.$", b"\xc3ERROR\xc3"),
        ("a.b", b"a\x00b"),
        ("^[^a-z]{3}$", b"\xed\xa0\x80"),
    ],
)
def test_a_byte_that_is_no_utf_8_is_one_unknown_character_and_the_rest_still_matches(pattern, line):
    assert found(pattern, b"one\n" + line + b"\ntwo\n") == [line]
    assert Pattern(pattern).is_in(line)


def test_a_letter_that_is_not_ascii_matches_itself_in_utf_8():
    assert found("(?i)\u00dc", "\u00fcber\n".encode()) == ["\u00fcber".encode()]
    assert found("\u00fc", b"\xfcber\n") == []


def test_each_line_within_a_line_of_output_is_looked_at():
    assert Pattern("^failed$").is_in(b"10%\r20%\rfailed\r")
    assert Pattern("^$").is_in(b"")
    assert not Pattern("^$").is_in(b"10%\r")


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
    piece = b"".join(line + b"\n" for line in lines)
    each = Pattern(pattern)
    alone = [line for line in piece.splitlines() if each.is_in(line)]
    assert [line for _, line in each.lines(piece) if line or not piece] == [x for x in alone if x]
