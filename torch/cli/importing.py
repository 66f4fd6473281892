"""torch import: another scheduler's files as a task file.

Owns what `torch/importing/` may not do: reading files, asking for users and their homes, and
writing the result, never over a file that is there. Data goes to stdout or to -o, what was not
mapped to stderr.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from torch.errors import ExitCode, NotPermitted, Problem, SettingsError, TaskFileError, UsageError
from torch.report.text import count, harmless

if TYPE_CHECKING:
    from torch.importing.draft import Original
    from torch.importing.page import Imported

LIMIT = 8 * 1024 * 1024
"""Largest file that is read, in bytes; a task file's limit."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")  # of a file in /etc/cron.d that cron reads


@click.command(name="import")
@click.argument("kind", type=click.Choice(["crontab", "gotorch", "yacron"]))
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR|-...")
@click.option("-o", "output", metavar="FILE", help="Write here; refuses a file that is there.")
@click.option("--force", is_flag=True, help="With -o: replace the file.")
@click.option("--hosts", metavar="LIST", help="'hosts' of every task: 10.0.1.0/24,10.0.4.7")
@click.option("--user", metavar="NAME", help="Crontabs: whose they are.")
@click.option("--user-column/--no-user-column", "column", default=None,
              help="Crontabs: whether the sixth word is a user, as in /etc/crontab.  "
              "[default: by path and content]")  # fmt: skip
def import_(
    kind: str,
    files: tuple[str, ...],
    output: str | None,
    force: bool,
    hosts: str | None,
    user: str | None,
    column: bool | None,
) -> int:
    """Make a task file of crontabs, or of the files of gotorch, yacron or cronstable.

    A folder stands for the crontabs in it, - for standard input. What cannot be mapped stays as a
    comment with the reason; then the exit code is 1. Look at each '# review:', then 'torch check'.
    """
    if kind != "crontab" and (user is not None or column is not None):
        raise UsageError("--user and --user-column are for crontabs")
    if user is not None and column:
        raise UsageError(
            "--user names the owner of crontabs without a user column",
            hint="leave out --user, or say --no-user-column",
        )
    if force and output is None:
        raise UsageError("--force belongs to -o")
    if output is not None and not force and os.path.lexists(output):
        raise UsageError(f"{output} is there already", hint="name another file, or use --force")
    from torch.importing import page

    skipped: list[str] = []
    originals = [_reader(kind, user, column)(data, name) for name, data in _sources(files, skipped)]
    for original in originals[:1]:
        for name in skipped:
            original.note(f"{name} was not read: cron reads no file of such a name.")
    names = ", ".join("standard input" if file == "-" else file for file in files)
    origin = f"{names if len(names) < 200 else count(len(files), 'file')} by 'torch import {kind}'"
    result = page.compose(originals, origin=origin, hosts=_hosts(hosts))
    if output is None:
        click.echo(result.text, nl=False)
    else:
        _write(output, result.text, force)
    _tell(result, output)
    return ExitCode.FOUND if result.unmapped else ExitCode.OK


def _tell(result: Imported, output: str | None) -> None:
    """On stderr: how much there is, and each thing that was not mapped."""
    for each in result.unmapped:
        click.echo(harmless(each.told()), err=True)
    left = len(result.unmapped)
    missing = f", {left} not imported (see the comments)" if left else ""
    said = f"{count(result.tasks, 'task')}{missing}, {count(result.reviews, 'review')} to look at"
    where = harmless(output) if output else "FILE"
    click.echo(f"{said}\nnext: torch check {where}; torch plan -f {where}", err=True)


def _reader(kind: str, user: str | None, column: bool | None) -> Callable[[bytes, str], Original]:
    if kind == "gotorch":
        from torch.importing import gotorch

        return lambda data, name: gotorch.read(data, file=name)
    if kind == "yacron":
        from torch.importing import yacron

        return lambda data, name: yacron.read(data, file=name)
    from torch.importing import crontab

    host = crontab.Host(users=_users(), home=_home)
    return lambda data, name: crontab.read(
        data, file=name, host=host, column=column, owner=user or ""
    )


def _users() -> frozenset[str]:
    return frozenset(each.pw_name for each in pwd.getpwall())


def _home(user: str) -> str | None:
    """A user's home on this host, if it is a folder."""
    with contextlib.suppress(KeyError, ValueError):
        home = pwd.getpwnam(user).pw_dir
        return home if os.path.isdir(home) else None
    return None


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


def _sources(files: tuple[str, ...], skipped: list[str]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each file; of a folder those that cron reads, in the order of names."""
    for file in files:
        if file == "-":
            yield "-", _limited(file, sys.stdin.buffer.read(LIMIT + 1))
        elif os.path.isdir(file):
            for name in sorted(_listed(file)):
                path = os.path.join(file, name)
                if not os.path.isfile(path) or name == ".placeholder":
                    continue
                if _is_read(file, name):
                    yield path, _bytes(path)
                else:
                    skipped.append(path)
        else:
            yield file, _bytes(file)


def _is_read(folder: str, name: str) -> bool:
    """Whether cron reads a file of this name: /etc/cron.d knows packages, a spool knows users."""
    if folder.rstrip("/").endswith("cron.d"):
        return _NAME.fullmatch(name) is not None
    return not name.startswith((".", "tmp."))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return _limited(path, file.read(LIMIT + 1))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _limited(name: str, data: bytes) -> bytes:
    if len(data) > LIMIT:
        message = f"the file is larger than {LIMIT // 2**20} MiB"
        raise TaskFileError((Problem(file=name, line=0, column=0, key="", message=message),))
    return data


def _unreadable(path: str, error: Exception) -> Exception:
    if isinstance(error, PermissionError):
        return NotPermitted(f"{path} may not be read by this user", hint="try it as root")
    why = (
        (error.strerror or "").lower() if isinstance(error, OSError) else "no file has such a name"
    )
    return UsageError(f"{path} cannot be read: {why}", hint="- stands for standard input")


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
            f"{path} is there already", hint="name another file, or --force"
        ) from error
    except PermissionError as error:
        raise NotPermitted(f"{path} may not be written by this user") from error
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
