"""A file that grows, is capped, is cut: each line of it is looked at once."""

from __future__ import annotations

import os

import pytest

from torch.linux import punch_hole
from torch.matching.following import KEPT_BYTES, KEPT_LINES, LONGEST, PIECE, Following
from torch.matching.patterns import Pattern


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.log"


def follow(path, *, after=0, pattern="ERROR") -> Following:
    return Following(str(path), {Pattern(pattern): after})


def add(path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def read(following: Following, *, complete=False) -> int:
    """Reads all there is; returns how many lines have matched since the last time."""
    while following.read_on(complete=complete):
        pass
    count = sum(find.count for find in following.finds.values())
    following.finds.clear()
    return count


def test_lines_are_looked_at_as_they_are_written(path):
    following = follow(path)
    assert read(following) == 0  # the file is not there yet
    add(path, b"fine\nERROR 1\n")
    assert read(following) == 1
    add(path, b"ERROR 2\nERROR 3\n")
    assert read(following) == 2
    assert read(following) == 0


def test_a_line_is_looked_at_when_it_ends(path):
    following = follow(path)
    add(path, b"ERR")
    assert read(following) == 0
    add(path, b"OR\n")
    assert read(following) == 1


def test_the_last_line_needs_no_end_once_the_run_has_ended(path):
    following = follow(path)
    add(path, b"ok\nERROR at the very end")
    assert read(following) == 0
    assert read(following, complete=True) == 1


def test_a_line_that_never_ends_is_looked_at_in_pieces(path):
    following = follow(path)
    add(path, b"x" * LONGEST + b" ERROR ")
    assert read(following) == 1


def test_what_was_told_before_is_not_found_again(path):
    add(path, b"ERROR 1\nERROR 2\n")
    first = follow(path)
    first.read_on()
    assert first.finds["ERROR"].offset == 16
    again = follow(path, after=16)
    assert read(again) == 0
    add(path, b"ERROR 3\n")
    assert read(again) == 1


def test_a_find_keeps_a_few_short_lines_and_counts_the_rest(path):
    add(path, (b"ERROR " + b"y" * 2000 + b"\n") * 50)
    following = follow(path)
    while following.read_on():
        pass
    find = following.finds["ERROR"]
    assert (find.count, len(find.lines), len(find.lines[0])) == (50, KEPT_LINES, KEPT_BYTES)


def test_a_hole_where_the_head_was_is_stepped_over(path):
    add(path, b"ERROR in the head\n" + b"." * 20_000 + b"\n")
    following = follow(path)
    fd = os.open(path, os.O_WRONLY)
    punch_hole(fd, 8192)
    os.close(fd)
    add(path, b"ERROR in the tail\n")
    assert read(following) == 1


def test_text_behind_any_number_of_zeros_is_looked_at(path):
    add(path, bytes(3 * PIECE) + b"\nERROR\n")
    assert read(follow(path), complete=True) == 1


def test_a_file_whose_head_is_cut_off_when_it_is_complete_is_read_to_its_end(path):
    head = b"." * 8191 + b"\n"
    add(path, head + b"ERROR 1\n")
    following = follow(path)
    assert read(following) == 1
    add(path, b"ERROR 2\n")
    rest = path.read_bytes()[len(head) :]
    with path.open("r+b") as file:  # in place, as the file system does it
        file.write(rest)
        file.truncate(len(rest))
    assert read(following, complete=True) == 0  # nobody has said yet how much is gone
    following.cut(len(head))
    assert read(following, complete=True) == 1


def test_a_file_that_was_replaced_by_its_tail_is_read_to_its_end(path):
    add(path, b"." * 100 + b"\nERROR 1\n")
    following = follow(path)
    assert read(following) == 1
    add(path, b"ERROR 2\n")
    new = path.with_suffix(".tail")
    new.write_bytes(path.read_bytes()[101:])
    new.rename(path)
    following.cut(101)
    assert read(following, complete=True) == 1


def test_each_pattern_keeps_its_own_beginning_when_the_head_is_cut_off(path):
    add(path, b"." * 99 + b"\nERROR 1 panic\nERROR 2 panic\n")
    following = Following(str(path), {Pattern("ERROR"): 0, Pattern("panic"): 114})
    path.write_bytes(path.read_bytes()[100:])
    following.cut(100)
    while following.read_on(complete=True):
        pass
    found = {text: (find.count, find.offset) for text, find in following.finds.items()}
    assert found == {"ERROR": (2, 128), "panic": (1, 128)}


def test_a_symbolic_link_is_not_followed(path, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"ERROR\n")
    path.symlink_to(secret)
    assert read(follow(path)) == 0
