"""Output files: one per run, written by a reaper, kept up to a number.

Owns their paths, their last lines, and their number for each task. torch/reaper/output.py owns the
content and the size of a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection

from torch.report.text import last_lines
from torch.run import Run
from torch.task import Task

TAIL_BYTES = 4096


class Outputs:
    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._kept: dict[str, int] = {}  # files per task, counted once and then followed

    def path(self, run: Run) -> str:
        return f"{self._directory}/{run.task}/{run.id}.log"

    def path_of(self, task: str, run_id: str) -> str:
        return f"{self._directory}/{task}/{run_id}.log"

    def prune(self, run: Run, task: Task, *, live: Callable[[], Collection[str]]) -> None:
        """The run has printed something, and will print no more: older files go, if there are too
        many. `live` gives run ids whose files are in use."""
        with contextlib.suppress(OSError):  # somebody removed the folder
            folder = f"{self._directory}/{run.task}"
            count = self._kept.get(run.task)
            self._kept[run.task] = len(os.listdir(folder)) if count is None else count + 1
            if self._kept[run.task] > task.output.keep:
                self._remove_oldest(folder, run.task, task.output.keep, live())

    def tail(self, run: Run, lines: int) -> tuple[str, ...]:
        """The last lines, decoded, without control characters' power; () where there are none."""
        return _tail(self.path(run), lines)

    def tail_of(self, task: str, run_id: str, lines: int) -> tuple[str, ...]:
        """The same of a run that is known by name."""
        return _tail(self.path_of(task, run_id), lines)

    def _remove_oldest(self, folder: str, task: str, keep: int, live: Collection[str]) -> None:
        """A folder that somebody made here is neither counted nor removed, and keeps no file from
        being removed."""
        with os.scandir(folder) as entries:
            files = [
                (e.stat(follow_symlinks=False).st_mtime_ns, e.path)
                for e in entries
                if e.name[:-4] not in live and not e.is_dir(follow_symlinks=False)
            ]
        surplus = max(len(files) - keep, 0)
        for _, path in sorted(files)[:surplus]:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._kept[task] = len(files) - surplus + len(live)


def _tail(path: str, lines: int) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read(TAIL_BYTES)
    except OSError:
        return ()
    return last_lines(text, lines)
