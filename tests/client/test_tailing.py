"""Output files read from their ends: the same lines, without the file being read whole."""

from __future__ import annotations

import os
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from torch.client import tailing
from torch.client.tailing import Growing, backwards, forwards, whole_lines

LINES = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=30)


@given(LINES, st.booleans(), st.integers(1, 20))
def test_backwards_gives_the_lines_of_forwards_the_last_first(tmp_path_factory, lines, ends, block):
    path = str(tmp_path_factory.mktemp("t") / "x.log")
    text = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    with open(path, "wb") as file:
        file.write(text)
    before, tailing._BLOCK = tailing._BLOCK, block
    try:
        assert [*backwards(path)][::-1] == [*forwards(path)]
        assert whole_lines(path) == text.rfind(b"\n") + 1
    finally:
        tailing._BLOCK = before


def test_the_newest_lines_of_a_large_file_are_found_at_its_end(tmp_path, monkeypatch):
    path = str(tmp_path / "x.log")
    with open(path, "wb") as file:
        file.truncate(10**9)
        file.seek(10**9 - 1)
        file.write(b"\n" + b"".join(b"line %d\n" % n for n in range(1000)))
    read: list[int] = []
    pread = os.pread

    def counted(fd: int, size: int, at: int) -> bytes:
        read.append(size)
        return pread(fd, size, at)

    monkeypatch.setattr(os, "pread", counted)
    assert [*islice(backwards(path), 2)] == ["line 999", "line 998"]
    assert sum(read) < 1 << 20


def test_there_is_nothing_in_a_file_that_is_not_there(tmp_path):
    path = str(tmp_path / "none")
    assert [*backwards(path)] == [*forwards(path)] == []
    assert whole_lines(path) == 0


def test_a_growing_file_gives_whole_lines_and_its_rest_at_the_end(tmp_path):
    path = tmp_path / "x.log"
    path.write_text("one\ntw")
    file = Growing(str(path))
    assert [*file.read(whole=False)] == ["one"]
    path.write_text("one\ntwo\nthr")
    assert [*file.read(whole=False)] == ["two"]
    assert [*file.read(whole=True)] == ["thr"]


def test_a_file_that_was_cut_to_its_tail_is_not_shown_again(tmp_path):
    path = tmp_path / "x.log"
    path.write_text("a\n" * 100)
    file = Growing(str(path))
    assert len([*file.read(whole=False)]) == 100
    os.truncate(path, 20)
    assert [*file.read(whole=False)] == []
    with open(path, "a", encoding="ascii") as more:
        more.write("new\n")
    assert [*file.read(whole=False)] == ["new"]


def test_another_file_of_the_same_name_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "x.log"
    path.write_text("a\n" * 100)
    file = Growing(str(path))
    assert len([*file.read(whole=False)]) == 100
    path.rename(tmp_path / "x.log.1")
    path.write_text("fresh\n")
    assert [*file.read(whole=False)] == ["fresh"]
