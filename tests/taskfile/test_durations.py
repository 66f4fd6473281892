"""Durations and sizes, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.taskfile.making import file_with, refused, task_with
from torch.taskfile.durations import (
    LONGEST,
    parse_duration,
    seconds,
    size,
    write_seconds,
    write_size,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("0", 0),
     ("0s", 0), ("1d2h3m4s5ms", 93_784.005), ("90m", 5400), ("1h90s", 3690), ("007s", 7)],
)  # fmt: skip
def test_a_duration_is_whole_numbers_with_units(text, value):
    assert seconds(text) == value
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "1.5h", "-5s", "+5s", "5 s", "5S", "5sec", "1m1h", "1s1s", "s", "h5", "5m ",
     "٥s", "1_0s", "1e3s", "5ms1s", "00", "9999999999s", "∞", "5s\n"],
)  # fmt: skip
def test_what_is_no_duration_is_none(text):
    assert seconds(text) is None
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_a_duration_beyond_a_year_is_a_mistake_in_the_unit():
    assert parse_duration("366d") == LONGEST
    with pytest.raises(ValueError, match="'366d1ms' is more than 366d"):
        parse_duration("366d1ms")
    (problem,) = refused(file_with("timeout: 367d"))
    assert problem.message == "'timeout' must be at most 366d, not 367d"


def test_a_number_without_a_unit_is_told_to_have_one():
    (problem,) = refused(file_with("timeout: 90"))
    assert problem.hint == "a number needs a unit: 90s"


@pytest.mark.parametrize(("key", "least"), [("timeout", "100ms"), ("start_within", "1s")])
def test_a_duration_has_a_least(key, least):
    (problem,) = refused(file_with(f"{key}: 1ms"))
    assert problem.message == f"'{key}' must be at least {least}, not 1ms"


def test_no_grace_at_all_needs_no_unit():
    assert task_with("grace: 0").grace == 0


@given(st.integers(0, int(LONGEST) * 1000))
def test_a_written_duration_reads_back(milliseconds):
    assert seconds(write_seconds(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 2**49))
def test_a_written_size_reads_back(value):
    assert size(write_size(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("16MiB", 2**24), ("1GB", 10**9), ("64KiB", 65_536), ("1kB", 1000), ("1KB", 1000),
     ("5B", 5), ("0B", 0), ("1TiB", 2**40), ("2TB", 2 * 10**12)],
)  # fmt: skip
def test_a_size_has_a_unit(text, value):
    assert size(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "5", "1.5MiB", "5 MB", "5mb", "5M", "-5B", "kiB", "5kiB", "1MiB1KiB", "٥MB", "5MB\n"],
)
def test_what_is_no_size_is_none(text):
    assert size(text) is None


@pytest.mark.parametrize("text", ["1B", "2TiB"])
def test_a_size_has_a_least_and_a_most(text):
    (problem,) = refused(file_with(f"output: {{max_size: {text}}}"))
    assert problem.message == f"'max_size' must be from 4KiB to 1TiB, not {text}"


@pytest.mark.parametrize("text", ["{delay: 1m, max_delay: 1s}"])
def test_the_longest_wait_is_not_below_the_first(text):
    (problem,) = refused(f"tasks: [{{name: a, type: daemon, command: x, restart: {text}}}]")
    assert problem.message == "'restart': 'max_delay' is below 'delay'"
