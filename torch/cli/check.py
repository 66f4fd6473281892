"""torch check: every problem of task files at once, for people, programs and GitHub.

Owns which checks are made. On a host they are those of the service's reader; with --anywhere,
for a build container or a commit hook, only what is written counts. Apprise and the files of
channels are asked here alone: a service never asks, so a channel that cannot be sent by keeps no
task from running.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from torch.channel import Way
from torch.cli import show
from torch.cli.options import json_option, of_running_service, settings_options
from torch.errors import (
    ExitCode,
    NotPermitted,
    Problem,
    ServiceUnreachable,
    TaskFileError,
    UsageError,
)
from torch.report.errors import describe
from torch.report.problems import render_github
from torch.report.text import count
from torch.settings import Settings
from torch.taskfile.anywhere import read_anywhere
from torch.taskfile.closed import BeingWritten, read_closed
from torch.taskfile.judging import joined, judge
from torch.taskfile.parse import TaskFile, examine
from torch.taskfile.private import why_not_private
from torch.taskfile.problems import quoted, visible
from torch.taskfile.whole import addresses


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text",
              help="Output format; github: annotations for a workflow.")  # fmt: skip
@json_option
@click.option("--anywhere", is_flag=True,
              help="Check only the text, as in CI: skip the file's owner and mode, and "
              "this host's users, directories and programs.")  # fmt: skip
@settings_options
def check(
    settings: Settings, files: tuple[str, ...], form: str, as_json: bool, anywhere: bool
) -> int:
    """Check task files and print every problem.

    Without FILE, checks the file of the running service, else the default one. A file that a
    process has open for writing is not checked.
    """
    if as_json and form == "github":
        raise UsageError("--json and --format github cannot be combined", hint="use one of them")
    settings = _of_this_host(settings, named=bool(files), anywhere=anywhere)
    files = files or (settings.task_file,)
    unsettled: list[Problem] = []
    results = [(file, *_check(settings, file, anywhere, unsettled)) for file in files]
    problems = [problem for _, found, _ in results for problem in found]
    refused = [problem for problem in problems if not problem.warning]
    if as_json or form == "json":
        show.document({"ok": not refused, "problems": [_as_json(p) for p in problems]})
    elif form == "github":
        for problem in problems:
            click.echo(render_github(problem))
    else:
        if problems:
            show.complaint(describe(TaskFileError(tuple(problems))))
        for file, found, total in results:
            if all(problem.warning for problem in found):
                click.echo(f"{file}: ok, {count(total, 'task')}")
    if refused == unsettled:
        return ExitCode.TRY_AGAIN if refused else ExitCode.OK
    return ExitCode.TASK_FILE


def _of_this_host(settings: Settings, *, named: bool, anywhere: bool) -> Settings:
    """With the file and the address of the service, where one runs. With files named, it is no
    condition that it answers: the address only says which tasks are checked for this host."""
    if named and anywhere:
        return settings
    try:
        return of_running_service(settings, needed=("address",) if named else _NEEDED[anywhere])
    except (NotPermitted, ServiceUnreachable) as error:
        if not named:
            raise
        show.complaint(f"torch: using the addresses of this host's interfaces: {error.message}")
        return settings


_NEEDED = {True: ("task_file",), False: ("task_file", "address")}


def _check(
    settings: Settings, path: str, anywhere: bool, unsettled: list[Problem]
) -> tuple[tuple[Problem, ...], int]:
    """The problems of one file, and how many tasks it has. Put to `unsettled`: the problem of a
    file that is being written."""
    try:
        if anywhere:
            found = examine(read_anywhere(path), file=path)
            written = (problem for problem in _doubts(found) if not problem.warning)
            return joined(found, *written), found.total
        opened = read_closed(path)
    except TaskFileError as error:
        return error.problems, 0
    except BeingWritten as error:
        unsettled.append(error.problem)
        return (error.problem,), 0
    mine = addresses(settings.address)
    found = examine(opened.data, file=path)
    return (*opened.warnings, *judge(found, mine, *_doubts(found))), found.total


def _as_json(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "severity": "warning" if problem.warning else "error",
        "message": problem.message,
        "hint": problem.hint,
    }


def _doubts(file: TaskFile) -> Iterator[Problem]:
    """URLs that apprise cannot read, and files of URLs that could not be read here now."""
    for name, channel in file.channels.items():
        if channel.file:
            if doubt := why_not_private(channel.file):
                message = f"channel '{name}': {quoted(channel.file)} {doubt}"
                hint = f"put the URL there, and: chmod 600 {visible(channel.file)}"
                yield file.channel_problem(name, message, hint, warning=True)
        elif channel.way is Way.APPRISE:
            from torch.notify.apprise import why_unreadable  # 25 MB

            if why := why_unreadable(str(channel.target)):
                plain = str(channel.target).startswith(("http://", "https://"))
                hint = 'a webhook is written {webhook: "https://…"}' if plain else ""
                yield file.channel_problem(name, f"channel '{name}': {why}", hint)
