"""torch import: another scheduler's files as a task file.

Owns the options, and writing the result, never over a file that is there; what is read is
`moving/`'s. Data goes to stdout or to -o, what was not mapped to stderr.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import TYPE_CHECKING

import click

from torch.errors import ExitCode, NotPermitted, SettingsError, TaskFileError, UsageError
from torch.report.text import count, harmless

if TYPE_CHECKING:
    from torch.cli.moving.crontabs import CrontabOptions
    from torch.importing.draft import Original
    from torch.importing.page import Imported


@click.command(name="import")
@click.argument("kind", type=click.Choice(["crontab", "gotorch", "yacron"]))
@click.argument("files", nargs=-1, required=True, metavar="[HOST=]FILE|DIR|-...")
@click.option("-o", "output", metavar="FILE", help="File to write; must not exist.")
@click.option("--force", is_flag=True, help="With -o: replace an existing file.")
@click.option(
    "--hosts", metavar="LIST", help="Value of 'hosts' for every task, such as 10.0.1.0/24,10.0.4.7."
)
@click.option("--user", metavar="NAME", help="Crontabs: their owner.")
@click.option("--user-column/--no-user-column", "column", default=None,
              help="Crontabs: the sixth field is, or is not, a user, as in /etc/crontab.  "
              "[default: by path and content]")  # fmt: skip
@click.option("--cron", type=click.Choice(["debian", "cronie", "supercronic"]),
              help="Crontabs: the cron that ran them; cronie and supercronic read CRON_TZ.  "
              "[default: by path and content, else debian]")  # fmt: skip
def import_(
    kind: str,
    files: tuple[str, ...],
    output: str | None,
    force: bool,
    hosts: str | None,
    user: str | None,
    column: bool | None,
    cron: str | None,
) -> int:
    """Convert crontabs, or the files of gotorch, yacron or cronstable, to a task file.

    Reads a directory as the other program does, and '-' as standard input. HOST=DIR reads the
    crontabs of several hosts into one task file. What cannot be converted is kept as a comment
    with the reason. Check each '# review:' comment, then run 'torch check'.
    """
    if kind != "crontab" and not (user is None and column is None and cron is None):
        raise UsageError("--user, --user-column and --cron apply only to crontabs")
    if user is not None and column:
        raise UsageError(
            "--user sets the owner of crontabs that have no user column",
            hint="remove --user, or add --no-user-column",
        )
    if force and output is None:
        raise UsageError("--force needs -o")
    if output is not None and not force and os.path.lexists(output):
        raise UsageError(f"{output} already exists", hint="choose another file, or use --force")
    asked = (user, column, cron)
    names = ", ".join("standard input" if file == "-" else file for file in files)
    origin = f"{names if len(names) < 200 else count(len(files), 'file')} by 'torch import {kind}'"
    result = _result(kind, files, asked, origin, hosts)
    if output is None:
        click.echo(result.text, nl=False)
    else:
        _write(output, result.text, force)
    _tell(result, output)
    return ExitCode.FOUND if result.unmapped else ExitCode.OK


def _result(
    kind: str,
    words: tuple[str, ...],
    asked: tuple[str | None, bool | None, str | None],
    origin: str,
    listed: str | None,
) -> Imported:
    """The task file of what the arguments name."""
    from torch.cli.moving import hosts
    from torch.importing import page

    by_host = hosts.split(words)
    if by_host is None:
        return page.compose(_originals(kind, words, asked), origin=origin, hosts=_hosts(listed))
    if kind != "crontab":
        raise UsageError(
            f"HOST=FILE works only for crontabs, not for {kind}",
            hint="import the files of each host with --hosts, and put the tasks into one file",
        )
    if listed is not None:
        raise UsageError("--hosts and HOST=DIR cannot be combined: HOST=DIR already sets the hosts")
    from torch.cli.moving import merging

    merged = merging.read(by_host, _asked(asked))
    return page.compose(merged.originals, origin=origin, groups=merged.groups)


def _originals(
    kind: str, words: tuple[str, ...], asked: tuple[str | None, bool | None, str | None]
) -> list[Original]:
    if kind == "yacron":
        from torch.cli.moving import yacron

        return yacron.read(words)
    if kind == "crontab":
        from torch.cli.moving import crontabs

        return crontabs.read(words, _asked(asked))
    from torch.cli.moving import files
    from torch.importing import gotorch

    for word in words:
        if os.path.isdir(word):
            raise UsageError(
                f"{word} is a directory", hint="gotorch reads one file; give the path of that file"
            )
    return [gotorch.read(files.read(word), file=word) for word in words]


def _asked(asked: tuple[str | None, bool | None, str | None]) -> CrontabOptions:
    from torch.cli.moving.crontabs import CrontabOptions
    from torch.importing.crons import Cron

    user, column, cron = asked
    return CrontabOptions(user=user, column=column, cron=None if cron is None else Cron(cron))


def _tell(result: Imported, output: str | None) -> None:
    """On stderr: how much there is, and each thing that was not mapped."""
    for each in result.unmapped:
        click.echo(harmless(each.told()), err=True)
    left = len(result.unmapped)
    missing = f", {left} not imported (see the comments)" if left else ""
    reviews = f"{count(result.reviews, 'review comment')} to check"
    said = f"{count(result.tasks, 'task')}{missing}, {reviews}"
    where = harmless(output) if output else "FILE"
    click.echo(f"{said}\nnext: torch check {where}; torch plan -f {where}", err=True)


def _hosts(listed: str | None) -> tuple[str, ...]:
    """The entries of --hosts, checked as a task file's would be."""
    if listed is None:
        return ()
    entries = tuple(re.split(r"[\s,]+", listed.strip(", \t\n")))
    from torch.importing.yaml_text import quoted
    from torch.taskfile.parse import parse

    listed = ", ".join(map(quoted, entries))
    text = f"tasks: [{{name: t, type: daemon, command: t, hosts: [{listed}]}}]"
    try:
        parse(text.encode(errors="replace"), file="--hosts")
    except TaskFileError as error:
        problem = error.problems[0]
        raise UsageError(f"--hosts: {problem.message}", hint=problem.hint) from error
    return entries


def _write(path: str, text: str, force: bool) -> None:
    """Writes the file whole or not at all, for everybody to read and its owner to write."""
    real = os.path.realpath(path) if force else path
    new = f"{real}.new-{os.getpid()}" if force else real
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(new, flags, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
        if force:
            if os.path.exists(real):
                os.chmod(new, stat.S_IMODE(os.stat(real).st_mode))
            os.replace(new, real)
    except FileExistsError as error:
        raise UsageError(
            f"{path} already exists", hint="choose another file, or use --force"
        ) from error
    except PermissionError as error:
        raise NotPermitted(f"{path} cannot be written by this user") from error
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
