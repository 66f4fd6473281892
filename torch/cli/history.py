"""torch runs: the history, read from its file whether the service lives or not."""

from __future__ import annotations

import shlex
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from torch.cli import names, show
from torch.cli.options import in_its_zone, json_option, place_options
from torch.cli.targets import must_know
from torch.cli.terminal import columns as layout
from torch.cli.times import instant
from torch.clock import SystemClock, local
from torch.history import explaining, query
from torch.report.text import duration, harmless
from torch.run import Outcome, Trigger
from torch.settings import Settings

_OUTCOMES, _TRIGGERS = [each.value for each in Outcome], [each.value for each in Trigger]
_COUNTED = 1000
"""Rows that are counted, at the most, where the filters leave none."""

_EVERY = 2.0
"""Seconds from one look of `--watch` to the next."""


@click.command()
@click.argument("tasks", nargs=-1, metavar="[TASK]...", shell_complete=names.tasks)
@click.option(
    "--failed",
    is_flag=True,
    help="Only runs that failed, timed out, were killed or missed, or ended as unknown.",
)
@click.option("--outcome", "outcomes", multiple=True, type=click.Choice(_OUTCOMES),
              help="Only runs with this outcome; repeatable.")  # fmt: skip
@click.option("--trigger", "triggers", multiple=True, type=click.Choice(_TRIGGERS),
              help="Only runs with this trigger; repeatable.")  # fmt: skip
@click.option("--running", is_flag=True, help="Only active, queued and delayed runs.")
@click.option("--since", metavar="TIME", help="Only runs recorded at or after TIME.")
@click.option("--until", metavar="TIME", help="Only runs recorded at or before TIME.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True,
              metavar="N", help="Maximum number of runs to show.")  # fmt: skip
@click.option("--watch", is_flag=True, help="Refresh every 2 s until q or Ctrl-C.")
@json_option
@place_options
def runs(settings: Settings, watch: bool, as_json: bool, **filters: Any) -> None:
    """List recorded runs, newest first, with those that were skipped or missed.

    TIME is a duration before now (30m, 24h, 7d), or 10:30, 'yesterday 10:30', 2026-11-20,
    '2026-11-20 10:30' or RFC 3339, in the host's timezone.
    """
    asked = _Asked(settings=settings, **filters)
    in_its_zone(settings)
    if watch:
        from torch.cli.terminal import screen

        if as_json:
            screen.stream(lambda: show.text(asked.document()), seconds=_EVERY)
        screen.watch(lambda: asked.lines() or [asked.nothing()], seconds=_EVERY)
        return
    lines = [] if as_json else asked.lines()
    if as_json:
        show.document(asked.document())
    elif lines:
        click.echo("\n".join(lines))
    else:
        click.echo(asked.nothing(), err=True)
    if asked.cut:
        click.echo(f"only the newest {asked.limit} are shown; for more: --limit N", err=True)


@dataclass(kw_only=True)
class _Asked:
    """The filters; and after a reading whether there were more rows than were asked for."""

    settings: Settings
    tasks: tuple[str, ...]
    failed: bool
    outcomes: tuple[str, ...]
    triggers: tuple[str, ...]
    running: bool
    since: str | None
    until: str | None
    limit: int
    cut: bool = False

    def document(self) -> dict[str, Any]:
        found, adopted, _ = self._read()
        return {"runs": [row.as_json() | {"adopted": row.id in adopted} for row in found]}

    def lines(self) -> list[str]:
        """The table; [] where there are no rows."""
        found, adopted, now = self._read()
        today = local(now)
        rows = [_cells(row, now, today, adopted=row.id in adopted) for row in found]
        head = ("RUN", "TASK", "WHEN", "STARTED", "TOOK", "OUTCOME", "CODE", "REASON")
        return (
            []
            if not rows
            else layout.draw(
                head,
                rows,
                room=show.room(),
                colour=show.colours(),
                spare=("STARTED", "CODE", "TOOK"),
            )
        )

    def nothing(self) -> str:
        """What is said where there are no rows: whether there are any without the filters."""
        of = f" of {', '.join(map(harmless, self.tasks))}" if self.tasks else ""
        filters = self._filters()
        if not filters:
            return f"no runs{of}"
        found = query.runs(self.settings.history, tasks=self.tasks, limit=_COUNTED + 1)
        if not found:
            return f"no runs{of}"
        number = f"more than {_COUNTED}" if len(found) > _COUNTED else str(len(found))
        return f"no runs{of} match {' '.join(filters)}; without filters: {number}"

    def _filters(self) -> list[str]:
        """The options that left rows out, as they were written."""
        flags = [("--failed", self.failed), ("--running", self.running)]
        values = [
            *(("--outcome", each) for each in self.outcomes),
            *(("--trigger", each) for each in self.triggers),
            ("--since", self.since), ("--until", self.until),
        ]  # fmt: skip
        texts = [f"{name} {shlex.quote(harmless(value))}" for name, value in values if value]
        return [name for name, on in flags if on] + texts

    def _read(self) -> tuple[list[query.RunRow], set[str], float]:
        now = SystemClock().now().wall
        found = query.runs(
            self.settings.history, tasks=self.tasks, bad_only=self.failed, outcomes=self.outcomes,
            triggers=self.triggers, unfinished=self.running,
            since=instant(self.since, "--since", now), until=instant(self.until, "--until", now),
            limit=self.limit + 1,
        )  # fmt: skip
        for task in self.tasks if not found else ():
            must_know(self.settings, task)
        self.cut = len(found) > self.limit
        found = found[: self.limit]
        return found, _adopted(self.settings, found, now), now


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
        # A run by hand and a daemon's have no fire time: when they began, then.
        show.when(_text(times["fire_time"] or times["started_at"]), today=today) + count + attempt,
        show.when(_text(times["started_at"]), today=today),
        took or "-",
        "waiting" if waits else row.outcome or row.state,
        "-" if row.exit_code is None else row.exit_code,
        "; ".join(filter(None, (_waits(row, now, today), "adopted" * adopted, _reason(row)))),
    )


def _reason(row: query.RunRow) -> str:
    """With the exit code of what failed: its own column gives way on a narrow terminal."""
    if row.reason or row.outcome != "failed":
        return row.reason
    if row.signal is not None:
        return f"killed by signal {row.signal}"
    return f"exit code {row.exit_code}" if row.exit_code else ""


def _waits(row: query.RunRow, now: float, today: datetime) -> str:
    """What a recorded fire waits for."""
    if row.state != "intent" or row.not_before is None:
        return ""
    if row.not_before <= now:
        return "queued for a slot"
    return f"delayed until {show.when(_text(row.as_json()['not_before']), today=today)}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
