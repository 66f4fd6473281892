"""Names that a person may type: which one was meant, and which ones a shell can complete.

Owns where the names of tasks and runs come from without the task file being read: the service if
it answers at once, else the history. Invariant: completing never fails, waits or says anything;
at the worst nothing is offered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from torch.errors import TorchError
from torch.settings import Settings, resolve

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_PATIENCE = 0.3
"""Seconds that a shell waits for the service."""
_NEWEST = 50
"""Run ids that are offered."""
_PLACES = ("state_dir", "run_dir", "log_dir")


# ── for the shell ─────────────────────────────────────────────────────────────────────────


def tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    return _offered(ctx, incomplete, _tasks)


def tasks_and_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    return _offered(ctx, incomplete, _tasks, _runs)


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG001
    return _left_to_the_shell("file", incomplete)


def folders(
    ctx: click.Context, param: click.Parameter, incomplete: str  # noqa: ARG001
) -> list[CompletionItem[str]]:  # fmt: skip
    return _left_to_the_shell("dir", incomplete)


def _left_to_the_shell(kind: str, incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type=kind)]


def _offered(
    ctx: click.Context, incomplete: str, *sources: Callable[[Settings], Sequence[str]]
) -> list[str]:
    """What the sources know that begins so and was not typed yet."""
    typed = {value for values in ctx.params.values() for value in _listed(values)}
    found: list[str] = []
    with contextlib.suppress(TorchError):
        given = {name: ctx.params.get(name) for name in _PLACES}
        settings = resolve(os.environ, uid=os.geteuid(), **given)
        for source in sources:
            found += source(settings)
    return [name for name in found if name.startswith(incomplete) and name not in typed]


def _listed(values: object) -> tuple[object, ...]:
    return values if isinstance(values, tuple) else ()


def _tasks(settings: Settings) -> Sequence[str]:
    from torch.client.asking import ask
    from torch.history import query

    try:
        answer = ask(settings, {"do": "names"}, timeout=_PATIENCE)
        return [str(name) for name in answer["tasks"]]
    except TorchError:
        return query.known_tasks(settings.history)


def _runs(settings: Settings) -> Sequence[str]:
    from torch.history import query

    return query.newest_ids(settings.history, _NEWEST)
