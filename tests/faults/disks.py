"""Disks that fail: full, read-only and frozen ones, always taken away again."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own at `folder`, always taken away again."""
    folder.mkdir(parents=True, mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is, also what has become free since."""
    path = folder / "filler"
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


@contextlib.contextmanager
def immutable(*paths: Path) -> Iterator[None]:
    """Nobody can write to these, root neither."""
    names = [str(path) for path in paths]
    done = subprocess.run(["chattr", "+i", *names], capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            pytest.skip(f"files cannot be made immutable here: {done.stderr.strip()}")
        yield
    finally:
        subprocess.run(["chattr", "-i", *names], capture_output=True, check=False)


@contextlib.contextmanager
def looped(folder: Path, image: Path) -> Iterator[Path]:
    """An ext4 of its own at `folder`, which can be frozen."""
    folder.mkdir(parents=True, mode=0o750)
    with image.open("wb") as file:
        file.truncate(16 << 20)
    for command in (
        ["mkfs.ext4", "-q", str(image)],
        ["mount", "-o", "loop", str(image), str(folder)],
    ):
        done = _system(command)
        if done.returncode:
            pytest.skip(f"a disk cannot be made here: {done.stderr.strip()}")
    try:
        folder.chmod(0o750)
        yield folder
    finally:
        _system(["umount", "-l", str(folder)])


@contextlib.contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Whoever writes there waits, for as long as this lasts."""
    done = _system(["fsfreeze", "-f", str(folder)])
    if done.returncode:
        pytest.skip(f"a disk cannot be frozen here: {done.stderr.strip()}")
    try:
        yield
    finally:
        _system(["fsfreeze", "-u", str(folder)])


def _system(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Tools of the system, which an ordinary user's PATH does not have."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )  # fmt: skip
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]} is not installed")
