"""What a check is given, and what it gives back.

Owns the shape of a finding, and the readings that more than one check needs: each is made once,
when it is first asked for. Nothing of it starts, stops or writes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from torch.client.asking import ask
from torch.daemon.lock import holder
from torch.errors import NotRunning, Problem, TaskFileError, TorchError
from torch.settings import Settings
from torch.task import Task
from torch.taskfile.closed import BeingWritten, read_closed
from torch.taskfile.host_checks import check_host
from torch.taskfile.parse import parse
from torch.taskfile.placement import BadEntry, host_addresses


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"  # it works, but not as well as it could, or not for long
    BAD = "bad"  # something does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """`sentence` says what was found, `advice` what to do about it ('' where nothing is)."""

    verdict: Verdict
    sentence: str
    advice: str = ""


def ok(sentence: str) -> Finding:
    return Finding(Verdict.OK, sentence)


def warn(sentence: str, advice: str) -> Finding:
    return Finding(Verdict.WARN, sentence, advice)


def bad(sentence: str, advice: str) -> Finding:
    return Finding(Verdict.BAD, sentence, advice)


@dataclass(frozen=True, slots=True)
class TaskFile:
    tasks: tuple[Task, ...]
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if not problem.warning)


@dataclass(frozen=True)
class Subject:
    """One service, alive or not, and the host it lives on. `now`: wall seconds."""

    settings: Settings
    now: float
    mono: Callable[[], float]  # a check that may take long asks it
    timeout: float = 5.0

    @cached_property
    def pid(self) -> int | None:
        """Of the service that holds the lock; None if none does. Raises NotPermitted."""
        return holder(self.settings.lock)

    @cached_property
    def answer(self) -> dict[str, Any] | TorchError:
        """The `status` of the service, or why there is none."""
        try:
            return ask(self.settings, {"do": "status"}, timeout=self.timeout)
        except TorchError as error:
            return error

    @property
    def runs(self) -> bool:
        return not isinstance(self.answer, NotRunning)

    @property
    def _address(self) -> str | None:
        """What was named here, else what the living service was told."""
        answer = self.answer
        if self.settings.address or isinstance(answer, TorchError):
            return self.settings.address
        return str(answer["address"]) if answer["address_given"] else None

    @cached_property
    def file(self) -> TaskFile:
        """The task file as the service would read it."""
        path = self.settings.task_file
        try:
            opened = read_closed(path)
            found = parse(opened.data, file=path, only_for=host_addresses(self._address))
        except TaskFileError as error:
            return TaskFile((), error.problems)
        except BeingWritten as error:
            return TaskFile((), (error.problem,))
        except BadEntry as error:
            return TaskFile((), (_unplaced(path, error.message, error.hint),))
        problems = (*opened.warnings, *found.problems, *check_host(found, found.tasks))
        return TaskFile(found.tasks, problems)


def _unplaced(path: str, message: str, hint: str) -> Problem:
    return Problem(file=path, line=0, column=0, key="", message=message, hint=hint)
