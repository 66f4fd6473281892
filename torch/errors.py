"""Every error that Torch shows a person, with the exit code it ends in and the fix.

    TorchError
    ├── UsageError            64  the command line is not valid
    ├── TaskFileError         65  the task file has problems; carries all of them
    ├── ExpressionError       65  a schedule that cannot be read or can never fire
    ├── NotRunning             3  no service is running in this state directory
    ├── ServiceUnreachable    69  a service is running but does not answer
    ├── Fault                 70  internal error in torch
    ├── TryAgain              75  the lock is held, a time limit passed
    ├── NotPermitted          77  this user has no permission
    └── SettingsError         78  a setting, a directory or the host is not usable

Invariant: an error names the condition in its message and the fix in its hint.
Exit codes follow BSD sysexits.h, except 3, which is systemctl's for "not running".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What each exit code of `torch` means; docs/reference.md is checked against this table."""

    OK = 0
    FOUND = 1  # a check found something, an import left something out
    NOT_RUNNING = 3
    USAGE = 64
    TASK_FILE = 65
    UNREACHABLE = 69
    FAULT = 70  # a fault of torch's own
    OUTPUT = 74  # what was asked for is known, and cannot be written
    TRY_AGAIN = 75
    NOT_PERMITTED = 77
    SETTINGS = 78


MEANING = {
    ExitCode.OK: "success",
    ExitCode.FOUND: "a check found a problem, or an import is incomplete",
    ExitCode.NOT_RUNNING: "the service is not running",
    ExitCode.USAGE: "usage error",
    ExitCode.TASK_FILE: "the task file or an expression has errors",
    ExitCode.UNREACHABLE: "the service does not answer",
    ExitCode.FAULT: "internal error in torch; the trace is in torch.log",
    ExitCode.OUTPUT: "standard output cannot be written",
    ExitCode.TRY_AGAIN: "not possible now, try again: lock held, no free slot, or timeout",
    ExitCode.NOT_PERMITTED: "permission denied",
    ExitCode.SETTINGS: "configuration error: a setting, a directory or the host is not usable",
}
"""Each code in words, for the help of the commands that end in it."""


class TorchError(Exception):
    """The root. `message` names the condition, `hint` the fix ('' if there is none)."""

    exit_code = ExitCode.FOUND

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(TorchError):
    exit_code = ExitCode.USAGE


class ExpressionError(TorchError):
    """`field` is the field's name ('hour'), '' when the whole text is at fault."""

    exit_code = ExitCode.TASK_FILE

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong (or, as a warning, doubtful) in a task file.

    `line` and `column` count from 1; 0 means the problem has no place (the file is missing).
    `key` is the key at fault as written, `source` the quoted line, without its line end.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    hint: str = ""
    source: str = ""
    warning: bool = False

    def place(self) -> str:
        """'tasks.yaml:12:5', or the file alone where there is no line."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class TaskFileError(TorchError):
    """Every problem of one file, in the order of their lines."""

    exit_code = ExitCode.TASK_FILE

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.place()}: {first.message}{more}", hint=first.hint)
        self.problems = problems


class NotRunning(TorchError):
    exit_code = ExitCode.NOT_RUNNING


class ServiceUnreachable(TorchError):
    exit_code = ExitCode.UNREACHABLE


class Fault(TorchError):
    exit_code = ExitCode.FAULT


class TryAgain(TorchError):
    exit_code = ExitCode.TRY_AGAIN


class NotPermitted(TorchError):
    exit_code = ExitCode.NOT_PERMITTED


class SettingsError(TorchError):
    exit_code = ExitCode.SETTINGS
