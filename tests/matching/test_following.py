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


def test_a_line_that_a_carriage_return_ends_is_looked_at_at_once(path):
    following = follow(path)
    add(path, b"10%\r20% ERROR\r")
    assert read(following) == 1
    add(path, b"ERROR 30%")
    assert read(following) == 0
    add(path, b"\r")
    assert read(following) == 1


def test_an_end_of_a_line_that_is_read_in_two_pieces_is_one_end(path):
    following = follow(path, pattern="^$")
    add(path, b"10%\r")
    assert read(following) == 0
    add(path, b"\n20%\r\n")
    assert read(following) == 0
    add(path, b"\n")
    assert read(following) == 1


def test_after_a_restart_a_line_whose_end_was_read_in_two_pieces_is_not_found_again(path):
    add(path, b"ERROR 1\r")
    following = follow(path)
    following.read_on()
    (seen,) = (find.offset for find in following.finds.values())
    add(path, b"\n")
    for pattern in ("ERROR", "^$"):
        assert read(follow(path, after=seen, pattern=pattern)) == 0
    earlier = Following(str(path), {Pattern("ERROR"): seen, Pattern("1"): 0})
    while earlier.read_on():
        pass
    assert {text: find.count for text, find in earlier.finds.items()} == {"1": 1}


def test_after_a_restart_a_line_that_was_told_of_with_its_whole_end_is_not_found_again(path):
    add(path, b"ERROR 1\r\nERROR 2\r\n")
    assert read(follow(path, after=9)) == 1  # as an earlier version counted: behind the \\n
    assert read(follow(path, after=8)) == 1


def test_a_find_is_cut_between_two_characters(path):
    add(path, b"ERROR " + "\u00e4".encode() * 1000 + b"\n")
    following = follow(path)
    following.read_on()
    (line,) = following.finds["ERROR"].lines
    assert line == "ERROR " + "\u00e4" * 247
    add(path, b"ERROR \xff x\n")
    following.read_on()
    assert following.finds["ERROR"].lines[1] == "ERROR \ufffd x"


def test_a_piece_whose_first_byte_is_within_a_character_is_looked_through(path):
    add(path, b"x" * (LONGEST - 1) + "\u00e4".encode())
    following = follow(path, pattern="^.*ERROR")
    assert read(following) == 0
    add(path, b" ERROR\n")
    assert read(following) == 1


def test_carriage_returns_and_rubbish_in_pieces_of_any_size_lose_no_line(tmp_path):
    data = b"".join(
        bytes([255, 0, n % 256]).replace(b"\n", b"").replace(b"\r", b"") + b" ERROR %d" % n
        + (b"\n", b"\r", b"\r\n")[n % 3] for n in range(300)
    )  # fmt: skip
    for size in (1, 7, 64, 1000, len(data)):
        path = tmp_path / str(size)
        following, count = follow(path, pattern="^.*ERROR \\d+$"), 0
        for at in range(0, len(data), size):
            add(path, data[at : at + size])
            count += read(following)
        assert count + read(following, complete=True) == 300, size
