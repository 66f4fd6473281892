"""Durations in words, and text that no terminal can be harmed by."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.report.text import (
    duration,
    harmless,
    json_line,
    last_lines,
    last_written,
    logfmt_value,
    size,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 ms"),
        (0, "0 ms"),
        (0.0034, "3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (1, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1m00s"),
        (60, "1m00s"),
        (245, "4m05s"),
        (3599.4, "59m59s"),
        (3599.6, "1h00m"),
        (7800, "2h10m"),
        (86399.6, "1d0h"),
        (3 * 86400 + 4 * 3600 + 59 * 60, "3d4h"),
        (400 * 86400, "400d0h"),
    ],
)
def test_a_duration_has_two_units_at_the_most(seconds, words):
    assert duration(seconds) == words


def test_sizes_are_read_at_a_glance():
    assert [size(n) for n in (0, 900, 2048, 5 * 2**20, 3 * 2**30)] == [
        "0 B", "900 B", "2 KiB", "5.0 MiB", "3.0 GiB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text", "plain text"),
        ("Grüße, 世界 ✓", "Grüße, 世界 ✓"),
        ("a\tb", "a\tb"),
        ("a\nb\r\n", "a\\nb\\r\\n"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("\x9b31m", "\\x9b31m"),  # CSI in one character
        ("\u202egpj.exe", "\\u202egpj.exe"),  # turns the direction around
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_harmless_text_shows_what_would_act(raw, shown):
    assert harmless(raw) == shown


@given(st.text(st.characters(categories=("Cc", "Cf", "Cs", "Zl", "Zp", "L", "P"))))
def test_harmless_text_is_printable_and_stays_so(text):
    shown = harmless(text)
    assert shown.replace("\t", "").isprintable()
    assert harmless(shown) == shown


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        (7, "7"),
        (True, "true"),
        (0.25, "0.25"),
        ("two words", '"two words"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("a=b", '"a=b"'),
        ("a\n", '"a\\n"'),
        ("\x1b[1m", '"\\u001b[1m"'),
        ("\x7f", '"\\u007f"'),
        (("one", "two"), '"one\\ntwo"'),
        ((), '""'),
    ],
)
def test_a_logfmt_value_is_bare_where_it_is_plain_and_else_quoted(value, written):
    assert logfmt_value(value) == written


@given(st.text())
def test_a_line_of_json_is_printable_ascii_and_reads_back(text):
    line = json_line(text)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("10%\r20%\rfailed: x", "failed: x"),
        ("10%\r20%\r", "20%"),
        ("\r10%\r20%\r      \r", "20%"),
        ("one\r", "one"),
        ("one", "one"),
        ("\r\r", ""),
        ("", ""),
    ],
)
def test_of_a_line_that_is_written_again_and_again_the_last_text_is_shown(line, shown):
    assert last_written(line) == shown


def test_the_last_lines_are_those_that_a_line_feed_ends():
    output = b"one\r\n10%\r20%\rfailed: x\n\xff \x0c \xc2\x85 y\n\nend"
    assert last_lines(output, 9) == ("one", "failed: x", "\ufffd \x0c \x85 y", "", "end")
    assert last_lines(output, 2) == ("", "end")
    assert last_lines(b"a\nb\n", 1) == ("b",)
    assert last_lines(b"a\n", 0) == last_lines(b"", 3) == ()
