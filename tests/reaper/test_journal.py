"""The journal of a reaper: what counts in it, on a disk that fails at any byte."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torch.reaper.journal import TIDY, Found, Journal, read

HEAD = b"H 1 42 a-boot .\n"


class Disk:
    """`os.write`, with room for so many bytes more; None: for all."""

    def __init__(self, monkeypatch) -> None:
        self.room: int | None = None
        self._write = os.write
        monkeypatch.setattr("torch.reaper.journal.os.write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        if self.room is None:
            return self._write(fd, data)
        if data and self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, bytes(data)[: self.room])
        self.room -= written
        return written


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal")


@pytest.fixture
def journal(path):
    return Journal(path, boot="a-boot")


def begin(journal: Journal, run: str, mark: int, before: list[tuple[str, bytes]]) -> bool:
    return journal.begin(run, mark, "out-1", "t", before)


def said(run: str, code: int = 0) -> tuple[str, bytes]:
    return run, f"X {run} {code}  12.500000 0.0100 ".encode()


def begun(run: str, pid: int = 7) -> tuple[str, bytes]:
    return run, f"S {run} {pid} 99".encode()


def code(found: Found, run: str) -> int:
    ended = found.runs[run].ended
    assert ended is not None
    return ended[0]


# ── what stands in it ─────────────────────────────────────────────────────────────────────


def test_each_kind_of_line_is_read_as_it_was_meant(path):
    lines = [
        b"B r-1 5 out-5 t .", b"S r-1 7 99 .", b"X r-1 143 15 12.5 0.25 4096 .",
        b"B r-2 6 - t-2 .", b"B r-3 8 out-8 t .", b"N r-3 .", b"B r-4 9 out-9 t .",
        b"S r-4 8 100 .", b"X r-4 0  13.5 0.0100  .", b"C r-4 .", b"P r-5 /old/out-3 t-5 .",
    ]  # fmt: skip
    with open(path, "wb") as file:
        file.write(HEAD + b"".join(line + b"\n" for line in lines))
    found = read(path)
    assert (found.pid, found.boot, found.damaged, found.held) == (42, "a-boot", False, False)
    one, two, three, four = (found.runs[f"r-{number}"] for number in range(1, 5))
    assert (one.begun, one.mark, one.pid, one.birth) == (True, 5, 7, 99)
    assert one.ended == (143, 15, 12.5, 0.25, 4096)
    assert (two.begun, two.mark, two.pid, two.ended) == (True, 6, None, None)
    assert (three.begun, three.pid, three.ended) == (False, None, None)
    assert four.ended == (0, None, 13.5, 0.01, None)
    five = found.runs["r-5"]
    assert (five.begun, five.fifo, five.task) == (False, "/old/out-3", "t-5")
    folder = os.path.dirname(path)
    assert (one.fifo, one.task) == (f"{folder}/out-5", "t")
    assert (two.fifo, two.task) == ("", "t-2")  # it writes its file itself
    assert (three.fifo, four.fifo) == ("", "")  # nobody has them open


def test_what_is_written_is_what_is_read(path, journal):
    assert begin(journal, "r-1", 5, [])
    assert begin(journal, "r-2", 6, [begun("r-1")])
    journal.say([begun("r-2", 8), said("r-1", 3)])
    found = read(path)
    assert found.pid == os.getpid()
    assert (found.runs["r-1"].pid, found.runs["r-1"].ended) == (7, (3, None, 12.5, 0.01, None))
    assert (found.runs["r-2"].mark, found.runs["r-2"].pid) == (6, 8)
    assert found.runs["r-2"].ended is None


def test_one_that_is_not_there_is_empty(tmp_path):
    found = read(str(tmp_path / "none"))
    assert (found.runs, found.held, found.damaged) == ({}, False, False)


def test_an_empty_one_proves_that_nothing_began(path):
    """Its reaper was killed between making it and its first line."""
    open(path, "w").close()
    assert not read(path).damaged


@pytest.mark.parametrize(
    "text",
    [
        b"\0" * 4096, b"B r-1 5 out-5 t .\n", b"garbage", HEAD + b"B r-1 many out-1 t .\n",
        HEAD + b"B r-1 5 .\n", HEAD + b"S r-1 .\n", HEAD + b"P r-1 /old/out-1 .\n",
        HEAD + b"X r-1 0 .\n", HEAD + b"B \xff 5 out-5 t .\n",
        b"H 1 .\n",
    ],
)  # fmt: skip
def test_one_that_another_hand_wrote_is_damaged_and_proves_nothing(path, text):
    with open(path, "wb") as file:
        file.write(text)
    assert read(path).damaged


def test_a_word_of_a_later_version_is_passed_over(path):
    with open(path, "wb") as file:
        file.write(HEAD + b"Z r-1 something .\nB r-1 5 out-1 t .\n")
    found = read(path)
    assert not found.damaged and found.runs["r-1"].mark == 5


def test_a_link_in_its_place_is_not_followed(path, tmp_path):
    (tmp_path / "other").write_bytes(HEAD + b"B r-1 5 out-5 t .\n")
    os.symlink(tmp_path / "other", path)
    assert read(path).runs == {}
    with pytest.raises(FileExistsError):
        Journal(path, boot="x")


WHOLE = [
    b"B r-1 5 out-5 t .\n",
    b"S r-1 7 99 .\n",
    b"B r-2 65 out-65 t .\n",
    b"X r-1 143 15 12.5 0.25 4096 .\n",
]


@pytest.mark.parametrize("cut", range(len(HEAD), len(HEAD + b"".join(WHOLE)) + 1))
def test_only_whole_lines_count_wherever_it_was_cut(path, cut):
    text = (HEAD + b"".join(WHOLE))[:cut]
    with open(path, "wb") as file:
        file.write(text)
    found = read(path)
    lines = text.split(b"\n")[1:-1]
    assert not found.damaged
    assert ("r-1" in found.runs, "r-2" in found.runs) == (len(lines) > 0, len(lines) > 2)
    if lines:
        one = found.runs["r-1"]
        assert (one.pid, one.ended is not None) == (7 if len(lines) > 1 else None, len(lines) > 3)


# ── a full disk ───────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_written_down_does_not_begin(path, journal, disk):
    disk.room = 0
    assert not begin(journal, "r-1", 5, [])
    assert journal.problem == "No space left on device"
    disk.room = None
    assert "r-1" not in read(path).runs
    assert begin(journal, "r-2", 6, [])
    assert journal.problem == ""
    assert sorted(read(path).runs) == ["r-2"]


LINES = len(b"S r-0 7 99 .\nB r-1 5 .\n")


@pytest.mark.parametrize("room", range(LINES))
def test_a_short_write_begins_nothing_at_no_byte_it_stops_at(path, journal, disk, room):
    """And what has happened before it is said then, or later, and never lost."""
    assert begin(journal, "r-0", 4, [])
    disk.room = room
    assert not begin(journal, "r-1", 5, [begun("r-0")])
    assert "r-1" not in read(path).runs
    assert journal.problem == "No space left on device"
    disk.room = None
    journal.say([said("r-0", 3)])
    found = read(path)
    assert "r-1" not in found.runs
    assert not found.damaged
    assert (found.runs["r-0"].pid, code(found, "r-0")) == (7, 3)
    assert journal.problem == ""
    assert begin(journal, "r-1", 8, [])
    assert read(path).runs["r-1"].mark == 8


def test_a_start_and_an_end_are_owed_until_there_is_room(path, journal, disk):
    assert begin(journal, "r-1", 5, [])
    disk.room = 0
    journal.say([begun("r-1")])
    journal.say([said("r-1", 9)])
    assert read(path).runs["r-1"].pid is None
    disk.room = None
    journal.say([])
    found = read(path)
    assert (found.runs["r-1"].pid, code(found, "r-1"), journal.problem) == (7, 9, "")


@settings(max_examples=200)
@given(rooms=st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=1, max_size=30))
def test_whatever_room_there_is_the_journal_says_what_was_and_nothing_else(tmp_path_factory, rooms):
    """Each step is a start, then its end; before each the disk has room for so many bytes."""
    path = str(tmp_path_factory.mktemp("j") / "journal")
    real = os.write
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        journal = Journal(path, boot="b")
        began: dict[str, bool] = {}
        for number, room in enumerate(rooms):
            disk.room = room
            run = f"r-{number}"
            began[run] = begin(journal, run, number + 1, [])
            if began[run]:
                journal.say([begun(run, number + 100)])
                journal.say([said(run, number)])
            now = read(path).runs
            assert {name for name, each in now.items() if each.begun} == {
                name for name, each in began.items() if each
            }
        disk.room = None
        journal.say([])
        if number % 2:
            journal.tidy()
    assert os.write is real
    found = read(path)
    assert not found.damaged
    for number, run in enumerate(began):
        if began[run]:
            one = found.runs[run]
            assert (one.mark, one.pid, code(found, run)) == (number + 1, number + 100, number)
        else:
            assert run not in found.runs


def test_none_is_left_where_there_is_no_room_for_its_first_line(path, disk):
    disk.room = 5
    with pytest.raises(OSError, match="No space left"):
        Journal(path, boot="a-boot")
    assert not os.path.exists(path)


# ── tidying ───────────────────────────────────────────────────────────────────────────────


def _grow(journal: Journal) -> int:
    """Runs that are over and forgotten, until it was written anew; how many there were."""
    number = 0
    before = os.stat(journal._path).st_ino
    while os.stat(journal._path).st_ino == before:
        number += 1
        assert number < 5_000, "it is never tidied"
        run = f"r-{number}"
        assert begin(journal, run, number, [])
        journal.say([begun(run), said(run)])
        journal.forget(run)
    return number


def test_what_is_forgotten_goes_and_what_is_needed_stays(path, journal):
    assert begin(journal, "r-lives", 5, [])
    journal.say([begun("r-lives")])
    assert begin(journal, "r-ended", 6, [])
    journal.say([begun("r-ended", 8), said("r-ended", 4)])
    assert _grow(journal) > 100
    assert os.stat(path).st_size < TIDY // 10
    found = read(path)
    assert sorted(found.runs) == ["r-ended", "r-lives"]
    assert (found.runs["r-lives"].mark, found.runs["r-lives"].pid) == (5, 7)
    assert code(found, "r-ended") == 4
    assert (found.pid, found.boot) == (os.getpid(), "a-boot")
    assert begin(journal, "r-next", 9, [])
    assert read(path).runs["r-next"].mark == 9


def test_what_is_owed_is_in_the_new_one(path, journal, disk):
    assert begin(journal, "r-1", 5, [])
    disk.room = 3
    journal.say([begun("r-1"), said("r-1", 6)])
    disk.room = None
    journal.tidy()
    assert code(read(path), "r-1") == 6
    journal.say([])
    with open(path, "rb") as file:
        assert file.read().count(b"X r-1") == 1


@pytest.mark.parametrize("room", [0, 5])
def test_tidying_without_room_keeps_the_old_one(path, journal, disk, room):
    assert begin(journal, "r-1", 5, [])
    disk.room = room
    journal.tidy()
    disk.room = None
    assert os.listdir(os.path.dirname(path)) == ["journal"]
    assert begin(journal, "r-2", 6, [])
    assert sorted(read(path).runs) == ["r-1", "r-2"]


def test_a_new_one_that_a_killed_reaper_left_stands_in_nobodys_way(path, journal):
    with open(f"{path}.new", "w") as file:
        file.write("half")
    assert begin(journal, "r-1", 5, [])
    journal.tidy()
    assert sorted(read(path).runs) == ["r-1"]
    journal.tidy()
    assert sorted(read(path).runs) == ["r-1"]
    assert os.listdir(os.path.dirname(path)) == ["journal"]


def test_tidying_in_a_folder_that_was_taken_away_ends_nothing(path, journal):
    assert begin(journal, "r-1", 5, [])
    os.unlink(path)
    os.rmdir(os.path.dirname(path))
    journal.tidy()
    journal.say([said("r-1")])


def test_whether_anything_is_needed(journal):
    assert not journal.needed
    assert begin(journal, "r-1", 5, [])
    assert journal.needed
    journal.forget("r-1")
    assert not journal.needed


_HOLD = """
import sys, os
from torch.reaper.journal import Journal
journal = Journal(sys.argv[1], boot="b")
journal.begin("r-1", 5, "out-1", "t", [])
if "tidy" in sys.argv:
    journal.tidy()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("tidy", [[], ["tidy"]])
def test_it_is_held_exactly_as_long_as_its_reaper_lives(path, tidy):
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, path, *tidy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert read(path).held
        with open(path) as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert not read(path, probe=False).held
        process.kill()
        process.wait()
    assert not read(path).held
    assert read(path).runs["r-1"].begun


def test_whoever_only_looks_holds_up_no_reaper(path, journal):
    read(path)
    assert begin(journal, "r-1", 5, [])
    journal.tidy()
    assert read(path).runs["r-1"].begun
