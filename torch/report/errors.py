"""Errors as a person reads them on stderr."""

from __future__ import annotations

from torch.errors import TaskFileError, TorchError
from torch.report.problems import render
from torch.report.text import harmless


def describe(error: TorchError) -> str:
    """The condition, and under it the way out; of a task file every problem."""
    if isinstance(error, TaskFileError):
        return "\n".join(render(problem) for problem in error.problems)
    hint = f"\n  {harmless(error.hint)}" if error.hint else ""
    return f"torch: {harmless(error.message)}{hint}"
