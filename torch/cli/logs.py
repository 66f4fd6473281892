"""torch logs: what tasks wrote, read from their output files; or the service's own log.

Owns following. It works without the service: files are looked at four times a second, new
runs of the task join as their files appear. Text of tasks reaches a terminal harmless, a
pipe as it is.
"""

from __future__ import annotations

import os
import re
import select
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import click

from torch.cli.options import place_options
from torch.errors import UsageError
from torch.history import query
from torch.report.text import harmless
from torch.settings import Settings

_LOOK = 0.25
_CHUNK = 1 << 20


@click.command()
@click.argument("target", metavar="[TASK|RUN]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as more is written, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=100, show_default=True)
@click.option("--grep", metavar="RE", help="Only lines in which this regular expression is found.")
@place_options
def logs(
    settings: Settings, target: str | None, follow: bool, lines: int, grep: str | None
) -> None:
    """Show the output of a task or a run, or, without a name, the service's log."""
    find = _source(settings, target)
    wanted = _matcher(grep)
    files: dict[str, _File] = {path: _File(path) for path in find()}
    if not files and not follow:
        click.echo(f"no output{f' of {target}' if target else ''} yet", err=True)
    newest: deque[str] = deque(maxlen=lines)
    for file in files.values():
        newest.extend(line for line in file.read(whole=not follow) if wanted(line))
    for line in newest:
        _print(line)
    while follow:
        sys.stdout.flush()
        select.select([], [], [], _LOOK)
        for path in find():
            file = files.setdefault(path, _File(path))
            for line in filter(wanted, file.read(whole=False)):
                _print(line)


def print_output(settings: Settings, task: str, run_id: str) -> None:
    """All output of one run, to stdout."""
    for line in _File(f"{settings.output}/{task}/{run_id}.log").read(whole=True):
        _print(line)


def _source(settings: Settings, target: str | None) -> Callable[[], list[str]]:
    """What lists the files of the target, oldest first. Raises UsageError for an unknown one."""
    if target is None:
        return lambda: [settings.log] if os.path.exists(settings.log) else []
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", target):
        raise UsageError(f"'{harmless(target)}' is neither a task nor a run")
    folder = f"{settings.output}/{target}"
    if os.path.isdir(folder):
        return lambda: _by_age(folder)
    row = query.find(settings.history, target)
    if row is not None:
        path = f"{settings.output}/{row.task}/{row.id}.log"
        return lambda: [path] if os.path.exists(path) else []
    if query.runs(settings.history, task=target, limit=1):
        return lambda: _by_age(folder)
    raise UsageError(f"no task or run '{target}' has left output", hint="see: torch tasks")


def _by_age(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [(e.stat().st_mtime_ns, e.path) for e in entries if e.name.endswith(".log")]
    except FileNotFoundError:
        return []
    return [path for _, path in sorted(found)]


@dataclass
class _File:
    """A file read on from where the last look ended. A head that was freed is passed over."""

    path: str
    offset: int = 0
    rest: bytes = field(default=b"")

    def read(self, *, whole: bool) -> Iterator[str]:
        """The lines since the last look; a last line without its end only if `whole`."""
        try:
            with open(self.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self.offset:  # cut to its tail, or a new file of that name
                    self.offset = 0
                self.offset = _data(file.fileno(), self.offset, size)
                file.seek(self.offset)
                while chunk := file.read(_CHUNK):
                    self.offset += len(chunk)
                    *ends, self.rest = (self.rest + chunk).split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in ends)
        except FileNotFoundError:
            return
        if whole and self.rest:
            yield self.rest.decode("utf-8", "replace")
            self.rest = b""


def _data(fd: int, offset: int, size: int) -> int:
    if offset >= size:
        return offset
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError:
        return offset


def _matcher(pattern: str | None) -> Callable[[str], bool]:
    if pattern is None:
        return lambda _: True
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UsageError(f"--grep: {error}", hint="a Python regular expression") from error
    return lambda line: search(line) is not None


def _print(line: str) -> None:
    click.echo(harmless(line) if sys.stdout.isatty() else line)
