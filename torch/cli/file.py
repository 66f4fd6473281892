"""torch schema, and the task file as other commands read it, without a service.

Owns reading the file for a person: the same opening and parsing as the service's.
"""

from __future__ import annotations

import click

from torch.errors import UsageError
from torch.settings import Settings
from torch.task import Task
from torch.taskfile.open import read_task_file
from torch.taskfile.parse import TaskFile, parse
from torch.taskfile.placement import BadEntry, host_addresses


def tasks_of_host(settings: Settings, host: str | None = None) -> tuple[Task, ...]:
    """The tasks that this host, or the host with address `host`, owns. Raises TaskFileError."""
    data = read_task_file(settings.task_file).data
    try:
        addresses = host_addresses(host or settings.address)
    except BadEntry as error:
        raise UsageError(error.message, hint=error.hint) from error
    return parse(data, file=settings.task_file, only_for=addresses).tasks


def whole_file(settings: Settings) -> TaskFile:
    """The task file with the tasks of all hosts. Raises TaskFileError."""
    return parse(read_task_file(settings.task_file).data, file=settings.task_file)


@click.command()
def schema() -> None:
    """Print the JSON Schema of the task file, for editors and CI."""
    from torch.taskfile.schema import schema_text

    click.echo(schema_text(), nl=False)
