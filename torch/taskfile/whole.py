"""The task file as a person's command reads it, without a service: whole, or one host's part.

Owns that it is opened and parsed as the service's reader does it.
"""

from __future__ import annotations

from torch.errors import UsageError
from torch.settings import Settings
from torch.task import Task
from torch.taskfile.closed import read_closed
from torch.taskfile.parse import TaskFile, parse
from torch.taskfile.placement import Address, BadEntry, host_addresses


def addresses(address: str | None) -> frozenset[Address]:
    """Those by which tasks are placed: the one named, or those of this host's interfaces. Raises
    UsageError."""
    try:
        return host_addresses(address)
    except BadEntry as error:
        raise UsageError(error.message, hint=error.hint) from error


def tasks_of_host(settings: Settings) -> tuple[Task, ...]:
    """The tasks that this host owns. Raises TaskFileError, BeingWritten and UsageError."""
    data = read_closed(settings.task_file).data
    mine = addresses(settings.address)
    return parse(data, file=settings.task_file, only_for=mine).tasks


def whole_file(settings: Settings) -> TaskFile:
    """The task file with the tasks of all hosts. Raises TaskFileError and BeingWritten."""
    return parse(read_closed(settings.task_file).data, file=settings.task_file)
