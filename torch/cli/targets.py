"""A name that a person typed for a task or a run, and what is said where this host has none.

Owns that a task of other hosts is told from a typo: the task file has it, and says where it runs.
The file is read only once a name is not known, since that takes longer than all the rest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from torch.cli.options import as_the_service
from torch.client.asking import ask
from torch.errors import ExitCode, TorchError, UsageError
from torch.explain.placing import misplaced
from torch.nearest import did_you_mean
from torch.report.text import harmless
from torch.settings import Settings


def ask_about(
    settings: Settings, name: str, request: dict[str, Any], *, timeout: float | None,
    look: Callable[[], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """`client.ask` about a task or a run; raises the same, and UsageError that names the hosts of
    a task of other hosts."""
    try:
        return ask(settings, request, timeout=timeout, look=look)
    except TorchError as error:
        if error.exit_code is ExitCode.USAGE and (other := elsewhere(settings, name)):
            raise other from error
        raise


def elsewhere(settings: Settings, name: str) -> UsageError | None:
    """What is to be said of a task that the file places on other hosts only; None for any other
    name. The file and the address are those of the service that runs there, if one does."""
    with contextlib.suppress(TorchError):
        settings = as_the_service(settings)
    return misplaced(settings, name)


def must_know(settings: Settings, task: str) -> None:
    """Raises UsageError for a task that this host never had: a typo must not look like the answer
    to "why did it not run?"."""
    from torch.history import query

    known = query.known_tasks(settings.history)
    if task in known:
        return
    if other := elsewhere(settings, task):
        raise other
    raise UsageError(
        f"this host has never had a task '{harmless(task)}' ({settings.where})",
        hint=did_you_mean(task, known, otherwise="see: torch tasks"),
    )
