"""What lives on while no service does, said on stderr."""

from __future__ import annotations

import click

from torch.client.left import Left, alive
from torch.clock import SystemClock, local
from torch.report.text import count, duration
from torch.settings import Settings

_MOST_SHOWN = 10


def tell(settings: Settings) -> list[Left]:
    """Says on stderr what lives on, so that nobody thinks that all is gone."""
    now = SystemClock().now().wall
    left = alive(settings, now)
    if left:
        verb = "is" if len(left) == 1 else "are"
        line = f"{count(len(left), 'run')} {verb} still active; the next service adopts"
        click.echo(f"{line} {'it' if len(left) == 1 else 'them'}:", err=True)
    for run in left[:_MOST_SHOWN]:
        since = local(run.since)
        pid = f"pid {run.pid}, " if run.pid else ""
        age = duration(now - run.since)
        click.echo(f"  {run.task}  {run.id}, {pid}since {since:%H:%M:%S} ({age})", err=True)
    if len(left) > _MOST_SHOWN:
        click.echo(f"  and {len(left) - _MOST_SHOWN} more", err=True)
    return left
