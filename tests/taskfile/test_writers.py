"""Who has a file open for writing is what the kernel says, whoever it is."""

from __future__ import annotations

import fcntl
import mmap
import os
import subprocess
import sys

import pytest

from torch.taskfile import writers
from torch.taskfile.writers import writer_of

WRITER = "import sys; f = open(sys.argv[1], 'a'); print(flush=True); sys.stdin.read()"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "tasks.yaml"
    file.write_bytes(b"tasks: []\n")
    return file


@pytest.fixture
def ask(path):
    def ask() -> tuple[str, bool]:
        fd = os.open(path, os.O_RDONLY)
        try:
            return writer_of(fd)
        finally:
            os.close(fd)

    return ask


@pytest.fixture(params=["lease", "search"])
def way(request, monkeypatch):
    """By the kernel's leases, and where there are none."""
    if request.param == "search":
        monkeypatch.setattr(writers, "is_open_for_writing", lambda fd: None)
    return request.param


def test_another_process_is_named_until_it_closes_the_file(path, ask, way):
    assert ask() == ("", way == "lease")
    other = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout is not None and other.stdout.readline()
        who, is_known = ask()
        assert is_known and who.startswith(f"process {other.pid} (")
    assert ask() == ("", way == "lease")


def test_who_reads_is_no_writer(path, ask, way):
    with open(path, "rb"):
        assert ask() == ("", way == "lease")


def test_a_shared_mapping_counts(path, ask):
    with open(path, "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    who, is_known = ask()
    assert is_known and str(os.getpid()) in who
    mapped.close()
    assert ask() == ("", True)


def test_asking_leaves_no_lease_that_would_hold_a_writer_up(path):
    fd = os.open(path, os.O_RDONLY)
    writer_of(fd)
    assert fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_UNLCK
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))  # else EWOULDBLOCK
    os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: run the tests with sudo")
def test_of_another_users_file_nobody_else_can_say_that_it_is_not_written(path, ask):
    path.chmod(0o644)
    fd = os.open(path, os.O_RDONLY)
    os.seteuid(65534)
    try:
        assert writer_of(fd) == ("", False)
    finally:
        os.seteuid(0)
        os.close(fd)
    assert ask() == ("", True)
