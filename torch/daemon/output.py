"""Output files: one per run, written by the task itself, capped while it writes.

Owns `output/<task>/<run>.log`. A task writes straight into its file, so nothing of ours is
in its way; when the file is over the task's `max_size` its oldest bytes are freed in place
(a hole), and when the run has ended the hole is cut off. What is kept is the tail.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

from torch.daemon.linux import collapse_head, punch_hole
from torch.run import Run
from torch.task import Task

_BLOCK = 4096
TAIL_BYTES = 4096


class Outputs:
    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._kept: dict[str, int] = {}  # files per task, counted once and then followed

    def path(self, run: Run) -> str:
        return f"{self._directory}/{run.task}/{run.id}.log"

    def open(self, run: Run) -> int:
        """A descriptor that appends to the run's new file. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        path = self.path(run)
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            folder = f"{self._directory}/{run.task}"
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.chmod(folder, 0o750)  # noqa: S103  # the group reads logs
            fd = os.open(path, flags, 0o600)
        os.fchmod(fd, 0o640)  # readable for the group, whatever our umask
        return fd

    def cap(self, run: Run, max_size: int) -> float:
        """Frees what is over the cap; returns the bytes on disk beyond it that were found."""
        path = self.path(run)
        try:
            over = os.stat(path).st_blocks * 512 - max_size
            if over > 0:
                _free_head(path, max_size)
        except OSError:  # pruned by hand, or the file system cannot: the end of the run sees
            return 0.0
        return float(max(over, 0))

    def close(self, run: Run, task: Task, *, live: Collection[str]) -> int:
        """The run has ended: cuts the file to its tail, removes it if empty, prunes old ones.

        `live` are run ids whose files are in use. Returns how many bytes were cut away.
        """
        path = self.path(run)
        cut = 0
        try:
            size = os.stat(path).st_size
            if size == 0:
                os.unlink(path)
                return 0
            if size > task.output.max_size:
                cut = _cut_to_tail(path, size, task.output.max_size)
        except OSError:
            return cut
        self._prune(run.task, task.output.keep, live)
        return cut

    def discard(self, run: Run) -> None:
        """The run never started: its empty file goes."""
        with contextlib.suppress(OSError):
            os.unlink(self.path(run))

    def tail(self, run: Run, lines: int) -> tuple[str, ...]:
        """The last lines, decoded, without control characters' power; () where there are none."""
        return _tail(self.path(run), lines)

    def tail_of(self, task: str, run_id: str, lines: int) -> tuple[str, ...]:
        """The same of a run that is known by name."""
        return _tail(f"{self._directory}/{task}/{run_id}.log", lines)

    def _prune(self, task: str, keep: int, live: Collection[str]) -> None:
        folder = f"{self._directory}/{task}"
        with contextlib.suppress(OSError):  # somebody may have removed the folder
            count = self._kept.get(task)
            self._kept[task] = len(os.listdir(folder)) if count is None else count + 1
            if self._kept[task] > keep:
                self._remove_oldest(folder, task, keep, live)

    def _remove_oldest(self, folder: str, task: str, keep: int, live: Collection[str]) -> None:
        with os.scandir(folder) as entries:
            files = [(e.stat().st_mtime_ns, e.path) for e in entries if e.name[:-4] not in live]
            surplus = len(files) - keep
            for _, path in sorted(files)[: max(surplus, 0)]:
                os.unlink(path)
            self._kept[task] = len(files) - max(surplus, 0) + len(live)


def _tail(path: str, lines: int) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read(TAIL_BYTES)
    except OSError:
        return ()
    return tuple(text.decode("utf-8", "replace").splitlines()[-lines:]) if lines else ()


def _free_head(path: str, max_size: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        head = (os.fstat(fd).st_size - max_size) // _BLOCK * _BLOCK
        if head > 0:
            punch_hole(fd, head)
    finally:
        os.close(fd)


def _cut_to_tail(path: str, size: int, max_size: int) -> int:
    """Shortens a file nobody writes any more. ext4 and xfs can take its head off in place;
    elsewhere the tail is copied to a new file of the same name."""
    head = -(-(size - max_size) // _BLOCK) * _BLOCK
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        collapse_head(fd, head)
        return head
    except OSError:
        _copy_tail(fd, path, size, max_size)
        return size - max_size
    finally:
        os.close(fd)


def _copy_tail(fd: int, path: str, size: int, max_size: int) -> None:
    temporary = f"{path}.tail"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    new = os.open(temporary, flags, 0o600)
    try:
        os.fchmod(new, 0o640)
        offset = size - max_size
        while offset < size:
            offset += os.copy_file_range(fd, new, size - offset, offset) or size
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(new)
