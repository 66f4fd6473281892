"""Bytes that YAML must not see: encodings, characters, conflict markers."""

from __future__ import annotations

import pytest

from tests.taskfile.making import read, refused, told
from torch.taskfile.text import LIMIT

GOOD = 'tasks:\n  - name: a\n    command: "é"\n    type: daemon\n'


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.rstrip().encode(),
        b"--- # one document\n" + GOOD.encode() + b"...\n",
        GOOD.replace("a\n", "a\t\n", 1).encode(),
    ],
    ids=["UTF-8", "byte order mark", "CRLF", "CR", "no last line end", "document marks", "tab"],
)
def test_a_file_may_be_written_in_many_ways(data):
    (task,) = read(data).tasks
    assert (task.name, task.command, task.line) == ("a", "é", 2 + data.startswith(b"---"))


@pytest.mark.parametrize(
    ("data", "message", "line", "column"),
    [
        (GOOD.encode("utf-16"), "the file is in UTF-16", 0, 0),
        (GOOD.encode("utf-16-be"), "the file is in UTF-16", 0, 0),
        (GOOD.encode("utf-16-le"), "the file is in UTF-16", 0, 0),
        (GOOD.encode("utf-32"), "the file is in UTF-32", 0, 0),
        (GOOD.encode("latin-1"), "the byte 0xe9 is not UTF-8", 3, 15),
        (b"tasks: []\xff", "the byte 0xff is not UTF-8", 1, 10),
        (b"tasks: [\xed\xa0\x80]", "the byte 0xed is not UTF-8", 1, 9),
        (b"tasks: []\n#\x07", "control character U+0007 in the file", 2, 2),
        (b"tasks: []\n#\x00", "NUL character U+0000 in the file", 2, 2),
        (b"tasks: []\n#\x1b[2J", "escape character U+001B in the file", 2, 2),
        (b"tasks: []\n#\x7f", "control character U+007F in the file", 2, 2),
        ("tasks: []\n#\x85".encode(), "next-line character U+0085 in the file", 2, 2),
        ("tasks: []\n#\u2028".encode(), "line separator U+2028 in the file", 2, 2),
        ("tasks: []\n#\u202e".encode(), "bidirectional control U+202E in the file", 2, 2),
        ("tasks: []\n#\u2066".encode(), "bidirectional control U+2066 in the file", 2, 2),
        ("tasks: []\n#\ufeff".encode(), "byte order mark U+FEFF in the file", 2, 2),
        (b"tasks: []\r\n\r\n#\x07", "control character U+0007 in the file", 3, 2),
        (b"tasks: []\r\r#\x07", "control character U+0007 in the file", 3, 2),
        (b"#" * (LIMIT + 1), "the file is larger than 8 MiB (8388609 bytes)", 0, 0),
    ],
)
def test_bytes_that_are_no_text_are_refused_at_their_place(data, message, line, column):
    first = refused(data)[0]
    assert (first.message, first.line, first.column) == (message, line, column)
    assert first.hint or not line


def test_a_control_character_may_be_written_as_an_escape():
    (task,) = read('tasks: [{name: a, type: daemon, command: "a\\u202eb\\x07"}]').tasks
    assert task.command == "a\u202eb\x07"


def test_ten_control_characters_are_enough():
    assert len(refused(b"tasks: []\n" + b"\x07\n" * 500)) == 10


def test_every_conflict_marker_is_named():
    text = "tasks:\n<<<<<<< HEAD\n  - a\n||||||| old\n  - b\n=======\n  - c\n>>>>>>> x\n"
    assert told(refused(text.encode())) == [f"{n}:1 git conflict marker" for n in (2, 4, 6, 8)]
    assert len(refused(text.replace("\n", "\r\n").encode())) == 4


def test_seven_equal_signs_in_a_block_of_text_are_no_conflict():
    (task,) = read(
        "tasks:\n  - name: a\n    type: daemon\n    command: |\n      cat <<E\n      =======\n"
    ).tasks
    assert "=======" in task.command


def test_a_directive_is_refused_even_where_a_second_document_would_begin():
    assert told(refused("tasks: []\n...\n%YAML 1.2\n"))[0].startswith(
        "3:1 a line that begins with %"
    )
