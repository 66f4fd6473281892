"""torch explain: why a task did, or did not, run at a time."""

from __future__ import annotations

import os

import click

from torch.cli import names
from torch.cli.options import json_option, of_running_service, say_unused, settings_options
from torch.clock import SystemClock
from torch.errors import NotRunning
from torch.settings import Settings


@click.command()
@click.argument("task", shell_complete=names.tasks)
@click.argument("time", nargs=-1, metavar="[TIME]")
@json_option
@settings_options
def explain(settings: Settings, task: str, time: tuple[str, ...], as_json: bool) -> None:
    """Explain the run due nearest TIME: what happened, why, and what would change it.

    TIME is 10:30, 03:30:05, 'yesterday 10:30', 2026-11-20, '2026-11-20 10:30' or RFC 3339, in
    the task's timezone. Without TIME: the newest run, or else the next.
    """
    from torch.cli import show
    from torch.explain import question

    if not os.path.lexists(settings.state_dir):
        raise NotRunning(
            f"no service has run here ({settings.where})",
            hint="set --state-dir to that of the service, or start one: torch start",
        )
    now = SystemClock().now().wall
    found = question.ask(of_running_service(settings), task, " ".join(time), now=now)
    say_unused(settings, found.service)
    if as_json:
        show.document(found.as_json())
        return
    show.prose(found.told.verdict)
    for line in (*found.told.details, f"times are in {found.evidence.zone}"):
        show.prose(f"  {line}")
    if found.told.changes:
        show.prose("what would change it:")
        for line in found.told.changes:
            show.prose(f"  {line}")
