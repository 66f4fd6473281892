"""torch explain: why a task did, or did not, run at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from torch.cli import names
from torch.cli.options import json_option, of_running_service, say_unused, settings_options
from torch.clock import SystemClock
from torch.errors import NotRunning
from torch.settings import Settings

if TYPE_CHECKING:
    from torch.explain.evidence import Evidence
    from torch.explain.fates import Explanation


@click.command()
@click.argument("task", shell_complete=names.tasks)
@click.argument("time", nargs=-1, metavar="[TIME]")
@json_option
@settings_options
def explain(settings: Settings, task: str, time: tuple[str, ...], as_json: bool) -> None:
    """Say what became of a task's fire nearest TIME, why, and what would change it.

    TIME is 10:30, 03:30:05, 'yesterday 10:30', 2026-11-20, '2026-11-20 10:30' or RFC 3339, in
    the task's timezone; without it the newest fire is explained, or the next one.
    """
    from torch.explain.answer import explain as judge
    from torch.explain.evidence import Asked
    from torch.explain.gathering import Gathering
    from torch.explain.moment import read

    if not os.path.lexists(settings.state_dir):
        raise NotRunning(
            f"no service has run here ({settings.where})",
            hint="name the --state-dir of the service, or start one: torch start",
        )
    now = SystemClock().now().wall
    found = Gathering(of_running_service(settings), task, now)
    if found.unreachable is not None:
        raise found.unreachable
    say_unused(settings, found.service)
    asked = None
    if time:
        moment = read(" ".join(time), now=now, zone=found.zone)
        asked = Asked(
            first=moment.first, last=moment.last, text=moment.text, note=moment.note
        )  # fmt: skip
    evidence = found.evidence(asked)
    told = judge(evidence)
    if as_json:
        _as_json(evidence, told)
        return
    from torch.cli import show

    show.prose(told.verdict)
    for line in (*told.details, f"times are in {evidence.zone}"):
        show.prose(f"  {line}")
    if told.changes:
        show.prose("what would change it:")
        for line in told.changes:
            show.prose(f"  {line}")


def _as_json(evidence: Evidence, told: Explanation) -> None:
    from torch.cli import show
    from torch.clock import rfc3339

    asked = evidence.asked
    show.document(
        {
            "task": evidence.name,
            "timezone": evidence.zone,
            "asked": asked and {"from": rfc3339(asked.first), "to": rfc3339(asked.last)},
            "kind": told.kind,
            "fire_time": rfc3339(evidence.fire),
            "verdict": told.verdict,
            "details": list(told.details),
            "changes": list(told.changes),
            "previous": rfc3339(evidence.previous),
            "next": rfc3339(evidence.next),
            "runs": [row.as_json() for row in evidence.rows],
        }
    )
