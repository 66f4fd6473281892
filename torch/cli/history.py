"""torch runs: the history, read from its file whether the service lives or not."""

from __future__ import annotations

import difflib
from datetime import datetime

import click

from torch.cli import show
from torch.cli.options import json_option, place_options
from torch.clock import SystemClock
from torch.errors import UsageError
from torch.history import query
from torch.report.text import duration, harmless
from torch.settings import Settings


@click.command()
@click.argument("task", required=False)
@click.option("--failed", is_flag=True, help="Only what failed, timed out, was killed or missed.")
@click.option("--since", metavar="DURATION", help="Only the last 30m, 24h, 7d, …")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@place_options
def runs(
    settings: Settings, task: str | None, failed: bool, since: str | None, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """List recorded runs, newest first. Skipped and missed fires are rows too."""
    now = SystemClock().now().wall
    after = None if since is None else now - seconds_of(since, "--since")
    found = query.runs(settings.history, task=task, bad_only=failed, since=after, limit=limit)
    if task is not None and not found:
        _must_know(settings, task)
    if as_json:
        show.document({"runs": [row.as_json() for row in found]})
        return
    today = datetime.fromtimestamp(now).astimezone()
    show.table(
        ("RUN", "TASK", "FIRE TIME", "STARTED", "TOOK", "OUTCOME", "CODE", "REASON"),
        [_cells(row, now, today) for row in found],
        empty="no runs" + (f" of '{task}'" if task else ""),
    )


def _must_know(settings: Settings, task: str) -> None:
    """A typo must not look like the answer to "why did it not run?"."""
    known = query.known_tasks(settings.history)
    if task not in known:
        near = difflib.get_close_matches(task, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else "see: torch tasks"
        raise UsageError(f"this host never had a task '{harmless(task)}'", hint=hint)


def _cells(row: query.RunRow, now: float, today: datetime) -> tuple[object, ...]:
    times = row.as_json()
    count = f" ×{row.count}" if row.count > 1 else ""
    took = None
    if row.started_at is not None:
        took = duration((row.ended_at or now) - row.started_at)
    return (
        row.id,
        row.task,
        show.when(_text(times["fire_time"]), today=today) + count,
        show.when(_text(times["started_at"]), today=today),
        took or "-",
        row.outcome or row.state,
        "-" if row.exit_code is None else row.exit_code,
        row.reason,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def seconds_of(text: str, option: str) -> float:
    """A duration as an option takes it, in seconds. Raises UsageError."""
    from torch.taskfile.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint="examples: 30m, 24h, 7d") from error
