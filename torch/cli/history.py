"""torch runs: the history, read from its file whether the service lives or not."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from datetime import datetime

import click

from torch.cli import show
from torch.cli.options import json_option, place_options
from torch.clock import SystemClock
from torch.errors import UsageError
from torch.history import explaining, query
from torch.report.text import duration, harmless
from torch.settings import Settings


@click.command()
@click.argument("task", required=False)
@click.option("--failed", is_flag=True, help="Only what failed, timed out, was killed or missed.")
@click.option("--since", metavar="TIME", help="Not before 24h ago, 10:30, 2026-11-20, …")
@click.option("--until", metavar="TIME", help="Not after 30m ago, 10:30, 2026-11-20, …")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@place_options
def runs(
    settings: Settings, task: str | None, failed: bool, since: str | None, until: str | None,
    limit: int, as_json: bool,
) -> None:  # fmt: skip
    """List recorded runs, newest first. Skipped and missed fires are rows too.

    TIME is a duration back from now (30m, 24h, 7d), or 10:30, 'yesterday 10:30', 2026-11-20,
    '2026-11-20 10:30' or RFC 3339, in the host's timezone.
    """
    now = SystemClock().now().wall
    found = query.runs(
        settings.history, task=task, bad_only=failed, since=_instant(since, "--since", now),
        until=_instant(until, "--until", now), limit=limit,
    )  # fmt: skip
    if task is not None and not found:
        _must_know(settings, task)
    adopted = _adopted(settings, found, now)
    if as_json:
        rows = [row.as_json() | {"adopted": row.id in adopted} for row in found]
        show.document({"runs": rows})
        return
    today = datetime.fromtimestamp(now).astimezone()
    show.table(
        ("RUN", "TASK", "FIRE TIME", "STARTED", "TOOK", "OUTCOME", "CODE", "REASON"),
        [_cells(row, now, today, adopted=row.id in adopted) for row in found],
        empty="no runs" + (f" of '{task}'" if task else ""),
        spare=("STARTED", "CODE", "TOOK"),
    )


def _instant(text: str | None, option: str, now: float) -> float | None:
    """Since its first second, or until its last one is over."""
    if text is None:
        return None
    if not any(sign in text for sign in ":-") and text[:1].isdigit():
        return now - seconds_of(text, option)
    from torch.cli.moment import read
    from torch.clock import host_timezone

    moment = read(text, now=now, zone=host_timezone())
    return moment.first if option == "--since" else moment.last + 1


def _adopted(settings: Settings, rows: list[query.RunRow], now: float) -> set[str]:
    """Runs that a later service took over: one began while they lived."""
    lived = [(row.id, row.started_at, row.ended_at or now) for row in rows if row.started_at]
    if not lived:
        return set()
    starts = explaining.starts_since(settings.history, min(begin for _, begin, _ in lived))
    return {
        run_id
        for run_id, begin, end in lived
        if bisect_right(starts, begin) < bisect_right(starts, end)
    }


def _must_know(settings: Settings, task: str) -> None:
    """A typo must not look like the answer to "why did it not run?"."""
    known = query.known_tasks(settings.history)
    if task not in known:
        near = difflib.get_close_matches(task, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else "see: torch tasks"
        raise UsageError(f"this host never had a task '{harmless(task)}'", hint=hint)


def _cells(
    row: query.RunRow, now: float, today: datetime, *, adopted: bool
) -> tuple[object, ...]:  # fmt: skip
    times = row.as_json()
    count = f" ×{row.count}" if row.count > 1 else ""
    attempt = f" #{row.attempt}" if row.attempt > 1 else ""
    took = None
    if row.started_at is not None:
        took = duration((row.ended_at or now) - row.started_at)
    waits = row.state == "intent" and row.not_before is not None
    return (
        row.id,
        row.task,
        show.when(_text(times["fire_time"]), today=today) + count + attempt,
        show.when(_text(times["started_at"]), today=today),
        took or "-",
        "waiting" if waits else row.outcome or row.state,
        "-" if row.exit_code is None else row.exit_code,
        "; ".join(filter(None, (_waits(row, now, today), "adopted" * adopted, row.reason))),
    )


def _waits(row: query.RunRow, now: float, today: datetime) -> str:
    """What a recorded fire waits for."""
    if row.state != "intent" or row.not_before is None:
        return ""
    if row.not_before <= now:
        return "waits for a slot"
    return f"waits until {show.when(_text(row.as_json()['not_before']), today=today)}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def seconds_of(text: str, option: str) -> float:
    """A duration as an option takes it, in seconds. Raises UsageError."""
    from torch.taskfile.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint="examples: 30m, 24h, 7d") from error
