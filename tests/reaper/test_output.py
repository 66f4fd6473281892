"""The file of one run: its newest bytes, within its cap, whatever happens to it outside."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torch.reaper import output as module
from torch.reaper.output import Output

CAP = 256 << 10
BLOCK = 4096
CHUNK = 64 << 10


def lines(count: int, begin: int = 0) -> bytes:
    return b"".join(b"line %010d\n" % number for number in range(begin, begin + count))


def on_disk(folder) -> int:
    """Bytes that all files of it take."""
    return sum(os.stat(path).st_blocks * 512 for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "output" / "t" / "r-1.log"


@pytest.fixture
def output(path):
    return Output(str(path), CAP)


def write(output: Output, data: bytes) -> None:
    for at in range(0, len(data), CHUNK):
        output.write(memoryview(data[at : at + CHUNK]))


def cannot(*_: object) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.fixture
def no_holes(monkeypatch):
    """A file system that can neither punch nor collapse."""
    monkeypatch.setattr(module, "punch_hole", cannot)
    monkeypatch.setattr(module, "collapse_head", cannot)


@pytest.fixture(params=["ext4", "tmpfs", "neither"])
def kind(request, monkeypatch):
    """What a file system can do: both; holes, and no collapse; neither. Elsewhere the first is
    what this one can."""
    if request.param != "ext4":
        monkeypatch.setattr(module, "collapse_head", cannot)
    if request.param == "neither":
        monkeypatch.setattr(module, "punch_hole", cannot)
    return request.param


# ── the cap ───────────────────────────────────────────────────────────────────────────────


def test_never_more_than_twice_the_cap_is_on_disk_and_the_tail_is_left(path, output, kind):
    """And a chunk of the pipe. Without holes it needs room for a copy of the tail meanwhile."""
    data = lines(400_000)
    most = 0
    for at in range(0, len(data), CHUNK):
        output.write(memoryview(data[at : at + CHUNK]))
        most = max(most, on_disk(path.parent))
    assert most <= 2 * CAP + CHUNK
    cut, size = output.close()
    kept = path.read_bytes()
    assert data.endswith(kept) and size == len(kept)
    assert CAP - BLOCK < len(kept) <= CAP
    if kind == "ext4":
        assert cut == len(data) - len(kept)
    assert on_disk(path.parent) <= CAP + BLOCK
    assert [each.name for each in path.parent.iterdir()] == ["r-1.log"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, CHUNK), max_size=40), cap=st.integers(1, 100_000))
@pytest.mark.parametrize("holes", [True, False])
def test_what_is_left_is_always_the_end_of_what_was_printed(tmp_path, sizes, cap, holes):
    path = tmp_path / "t" / "r.log"
    path.unlink(missing_ok=True)
    written = b""
    with pytest.MonkeyPatch.context() as patch:
        if not holes:
            patch.setattr(module, "punch_hole", cannot)
            patch.setattr(module, "collapse_head", cannot)
        output = Output(str(path), cap)
        for number, size in enumerate(sizes):
            data = bytes([number % 251]) * size
            written += data
            output.write(memoryview(data))
            assert os.stat(path).st_blocks * 512 <= 2 * cap + CHUNK + 2 * BLOCK
        output.close()
    assert output.lost == 0
    if not written:
        assert not path.exists()
        return
    kept = path.read_bytes()
    assert written.endswith(kept)
    assert min(len(written), max(cap - BLOCK, 0)) <= len(kept) <= cap


@pytest.mark.parametrize("size", [1, CAP - 1, CAP])
def test_a_file_within_its_cap_is_kept_as_it_is(path, output, size, kind):
    write(output, b"x" * size)
    assert output.close() == (0, size)
    assert path.read_bytes() == b"x" * size


def test_one_byte_over_it_keeps_the_tail_alone(path, output, kind):
    data = lines(CAP // 16)[: CAP - 10] + b"0123456789a"
    write(output, data)
    assert output.close()[0] > 0
    assert data.endswith(path.read_bytes())
    assert len(path.read_bytes()) <= CAP


def test_a_run_that_prints_nothing_leaves_no_file(path, output):
    output.write(memoryview(b""))
    assert output.close() == (0, 0)
    assert not path.exists() or path.stat().st_size == 0


def test_a_reader_follows_while_the_head_is_freed(path, output):
    write(output, b"first\n")
    with open(path, "rb") as reader:
        assert reader.read() == b"first\n"
        for number in range(0, 100_000, 4_000):
            more = lines(4_000, number)
            write(output, more)
            assert reader.read() == more


# ── from outside ──────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_truncated_goes_on_from_its_beginning(path, output, kind):
    write(output, lines(60_000))
    os.truncate(path, 0)
    write(output, b"after\n")
    assert output.close() == (0, 6)
    assert path.read_bytes() == b"after\n"


def test_a_file_that_is_removed_comes_back_with_what_is_printed_next(path, output):
    write(output, b"before\n")
    path.unlink()
    write(output, b"after\n")
    output.close()
    assert path.read_bytes() == b"after\n"


def test_a_folder_that_is_removed_comes_back(path, output):
    write(output, b"before\n")
    path.unlink()
    path.parent.rmdir()
    path.parent.parent.rmdir()
    write(output, b"after\n")
    output.close()
    assert path.read_bytes() == b"after\n"
    assert output.lost == 0


def test_the_folder_of_the_log_that_is_removed_comes_back_too(tmp_path):
    path = tmp_path / "log" / "output" / "t" / "r-1.log"
    output = Output(str(path), CAP)
    write(output, b"after\n")
    output.close()
    assert path.read_bytes() == b"after\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("where", ["the file", "its folder", "the folder above"])
def test_what_stands_in_the_way_of_a_file_is_named_and_what_is_printed_is_counted(path, where):
    if where == "the file":
        path.mkdir(parents=True)
    else:
        there = path.parent if where == "its folder" else path.parent.parent
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text("mine\n")
    output = Output(str(path), CAP)
    write(output, b"after\n")
    assert output.lost == 6
    assert output.reason == os.strerror(errno.EISDIR if where == "the file" else errno.ENOTDIR)
    output.close()


@pytest.mark.parametrize("umask", [0, 0o777, 0o077])
def test_files_and_folders_are_for_the_owner_and_its_group_whatever_the_umask(path, output, umask):
    """The thread that spawns sets that of tasks at any moment."""
    before = os.umask(umask)
    try:
        write(output, b"x\n")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o750
    assert path.parent.parent.stat().st_mode & 0o777 == 0o750


def test_a_link_in_its_place_is_not_written_through(path, output, tmp_path):
    path.parent.mkdir(parents=True)
    (tmp_path / "other").write_text("precious\n")
    path.symlink_to(tmp_path / "other")
    write(output, b"x\n")
    assert (output.lost, (tmp_path / "other").read_text()) == (2, "precious\n")
    assert output.reason == os.strerror(errno.ELOOP)


def test_closing_one_that_is_gone_or_was_never_made_says_nothing(path, output):
    assert output.close() == (0, 0)
    write(output, b"x\n")
    path.unlink()
    assert output.close() == (0, 0)


# ── a full disk ───────────────────────────────────────────────────────────────────────────


class Full:
    """`os.write` that has room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, fd: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 1, 7, 100])
def test_what_does_not_fit_is_counted_to_the_byte_and_the_rest_is_there(
    path, output, monkeypatch, room
):
    full = Full(room)
    monkeypatch.setattr("torch.reaper.output.os.write", full)
    output.write(memoryview(b"x" * 101))
    assert (output.lost, output.reason) == (101 - room, "No space left on device")
    full.room = 1 << 20
    output.write(memoryview(b"later\n"))
    monkeypatch.undo()
    output.close()
    assert path.read_bytes() == b"x" * room + b"later\n"


def test_a_copy_that_does_not_fit_keeps_the_file_and_leaves_no_half(path, output, no_holes):
    data = lines(3 * CAP // 16)
    with pytest.MonkeyPatch.context() as patch:
        real = os.write

        def full(fd, data):
            if os.readlink(f"/proc/self/fd/{fd}").endswith(".tail"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(fd, data)

        patch.setattr("torch.reaper.output.os.write", full)
        write(output, data)
        assert output.close() == (0, len(data))
    assert path.read_bytes() == data
    assert [each.name for each in path.parent.iterdir()] == ["r-1.log"]


# ── a file that the run writes itself ─────────────────────────────────────────────────────


def test_of_a_file_that_the_run_writes_the_head_is_freed_while_it_writes(path):
    output = Output(str(path), CAP, direct=True)
    assert not output.look()  # not there
    path.parent.mkdir(parents=True)
    data = lines(100_000)
    with open(path, "ab", buffering=0) as file:
        file.write(data[:CAP])
        assert not output.look()
        file.write(data[CAP:])
        assert output.look()
        assert os.stat(path).st_blocks * 512 <= CAP + BLOCK
        assert not output.look()
        file.write(b"after the cap\n")
    assert output.close()[0] > 0
    assert (data + b"after the cap\n").endswith(path.read_bytes())
    assert b"\0" not in path.read_bytes()


def test_where_holes_cannot_be_its_end_sees_to_the_size(path, no_holes):
    output = Output(str(path), CAP, direct=True)
    path.parent.mkdir(parents=True)
    path.write_bytes(lines(100_000))
    assert not output.look()
    assert output.close()[0] > 0
    assert path.stat().st_size == CAP
