"""torch plan: which task runs where and when, from the task file alone.

Owns what is asked (this host, some hosts, the whole fleet) and how it is shown; what is computed
is `torch.planning`'s. Nothing is stepped through: a day of 10 000 tasks takes part of a second.
"""

from __future__ import annotations

import click

from torch.cli import show
from torch.cli.options import json_option, of_running_service, settings_options
from torch.cli.plan.fleet import show_fleet
from torch.cli.plan.starts import Span, count_all, load_of, rest_as_json, row, say_rest
from torch.clock import FireTime, SystemClock, local
from torch.errors import UsageError
from torch.planning.places import chosen, fleet
from torch.report.text import count, harmless
from torch.settings import Settings
from torch.taskfile.parse import TaskFile
from torch.taskfile.placement import Owner
from torch.taskfile.problems import spaced
from torch.taskfile.whole import addresses, whole_file


@click.command()
@click.option("--host", "hosts", metavar="IP", multiple=True, help="Plan this host; repeatable.")
@click.option("--all", "every", is_flag=True, help="Plan all hosts in the file.")
@click.option("--for", "span", metavar="DURATION", default="24h", show_default=True,
              help="Time span to plan, up to 366d.")  # fmt: skip
@json_option
@settings_options
def plan(settings: Settings, hosts: tuple[str, ...], every: bool, span: str, as_json: bool) -> None:
    """Show which tasks run where and when: on this host, on others, or on all in the file.

    Prints how often each task starts, the busiest seconds of the next 24 h, the effect of clock
    changes (daylight saving time), and tasks that are assigned to no host. Ignores jitter.
    """
    if every and hosts:
        raise UsageError("--all and --host cannot be combined", hint="use one of them")
    wanted = _span(span, SystemClock().now().wall)
    needed = ("task_file",) if every or hosts else ("task_file", "address")
    file = whole_file(settings := of_running_service(settings, needed=needed))
    for host in hosts:
        addresses(host)
    if every or len(hosts) > 1:
        found = chosen(file.tasks, file.groups, hosts) if hosts else fleet(file.tasks, file.groups)
        show_fleet(settings, file, found, wanted, as_json=as_json)
    else:
        _show_host(settings, file, hosts[0] if hosts else None, wanted, as_json=as_json)


def _span(text: str, now: float) -> Span:
    from torch.cli.times import seconds_of

    seconds = int(seconds_of(text, "--for"))
    if seconds < 1:
        raise UsageError("--for must be at least 1s", hint="examples: 30m, 24h, 7d")
    return Span(text=text, first=FireTime(int(now)), last=FireTime(int(now) + seconds))


def _show_host(
    settings: Settings, file: TaskFile, host: str | None, span: Span, *, as_json: bool
) -> None:
    owner = Owner(file.groups, addresses(host or settings.address))
    tasks = [task for task in file.tasks if owner.owns(task.hosts)]
    counts = count_all(tasks, span)
    rows = [row(task, span, counts[task.name]) for task in tasks]
    load = load_of(tasks, span.first)
    total = sum(counts.values())
    if as_json:
        show.document(
            {"host": host or settings.address, "for": span.text, "tasks": rows, "fires": total}
            | rest_as_json(file, tasks, load, span)
        )
        return
    called = f"host {host}" if host else "this host"
    of = f"{len(tasks)} of {count(len(file.tasks), 'task')}"
    click.echo(
        f"{harmless(settings.task_file)} on {called}: {of}, {spaced(total)} starts in {span.text}"
    )
    click.echo()
    today = local(span.first)
    show.table(
        ("TASK", "NEXT", f"IN {span.text}", "SCHEDULE", "MEANING"),
        [
            (
                row["name"],
                show.when(row["next"], today=today),
                "-" if row["fires"] is None else row["fires"],
                row["schedule"],
                row["meaning"],
            )
            for row in rows
        ],
        empty="no tasks for this host",
        spare=("NEXT",),
    )
    say_rest(file, tasks, load, span)
