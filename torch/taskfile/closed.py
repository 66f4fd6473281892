"""Reading a task file for somebody who does not wait until a save is over.

Owns the refusal: what a process has open for writing may be half of what is meant, and half of a
file can be a good file. The service waits until it is closed; a command says who writes, and ends.
"""

from __future__ import annotations

from torch.errors import Problem, TryAgain
from torch.taskfile.open import Opened, read_task_file
from torch.taskfile.settling import WRITTEN


class BeingWritten(TryAgain):
    """A process has the file open for writing. `problem`: the same, as one of the file."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.file}: {problem.message}", hint=problem.hint)
        self.problem = problem


def read_closed(path: str) -> Opened:
    """As `read_task_file`; raises BeingWritten besides."""
    opened = read_task_file(path)
    refuse_writer(path, opened.save.writer)
    return opened


def refuse_writer(path: str, writer: str) -> None:
    """Raises BeingWritten, if there is a process that had the file open for writing."""
    if writer:
        message = WRITTEN.format(writer=writer)
        hint = f"try again when it is closed; to see who writes: fuser -v {path}"
        raise BeingWritten(Problem(file=path, line=0, column=0, key="", message=message, hint=hint))
