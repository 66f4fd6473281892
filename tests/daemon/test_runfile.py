"""A run file is read by whole lines, lock first."""

from __future__ import annotations

import fcntl
import os

import pytest

from torch.daemon.runfile import look


@pytest.mark.parametrize(
    ("text", "shim", "code"),
    [
        (b"", None, None),
        (b"S 12", None, None),
        (b"S 12\n", 12, None),
        (b"S 12 3456\n", 12, None),  # an older shim said when it started
        (b"S 12\nX 7", 12, None),
        (b"S 12\nX 7\n", 12, 7),
        (b"S 12\nX 256\n", 12, None),
        (b"S 12\nX -1\n", 12, None),
        (b"S x\nX 0\n", None, 0),
        (b"\0\xff\nS 12\n\nX 0 \n", 12, None),
        (b"s 12\nx 0\n", None, None),
    ],
)
def test_only_whole_lines_of_the_two_known_forms_count(tmp_path, text, shim, code):
    path = tmp_path / "r"
    path.write_bytes(text)
    seen = look(str(path))
    assert seen is not None
    assert (seen.shim, seen.code, seen.held) == (shim, code, False)


def test_a_file_that_is_locked_is_held_and_looking_does_not_let_go_of_it(tmp_path):
    path = tmp_path / "r"
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        assert all(seen is not None and seen.held for seen in (look(str(path)), look(str(path))))
    finally:
        os.close(fd)
    seen = look(str(path))
    assert seen is not None
    assert not seen.held


def test_what_is_no_file_is_no_run_file(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "target").write_text("S 1\n")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("absent", "folder", "pipe", "link"):
        assert look(str(tmp_path / name)) is None


def test_when_it_changed_is_when_the_command_ended(tmp_path):
    path = tmp_path / "r"
    path.write_bytes(b"S 1\nX 0\n")
    os.utime(path, (1000.0, 1234.5))
    seen = look(str(path))
    assert seen is not None
    assert seen.changed == 1234.5
