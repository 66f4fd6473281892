"""torch logs: what tasks wrote, read from their output files; or the service's own log.

Owns what is shown of it, and following. It works without the service: files are looked at four
times a second, new runs of a task join as their files appear. Text of tasks reaches a terminal
harmless, a pipe as it is.
"""

from __future__ import annotations

import re
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice, takewhile

import click

from torch.cli import names, show
from torch.cli.options import in_its_zone, json_option, place_options
from torch.cli.targets import elsewhere
from torch.cli.terminal import columns
from torch.client import outputs, tailing
from torch.client.outputs import Source
from torch.clock import SystemClock, local
from torch.errors import UsageError
from torch.history import query
from torch.report.logline import spoken
from torch.report.text import harmless, last_written
from torch.settings import Settings

_LOOK = 0.25
_STAYS = 8
"""Looks for which the file of a run that seems over is still read: it may just be starting."""
_LINES = 100
_NAME_ROOM = 20
_HUES = ("36", "32", "35", "1;36", "1;32", "1;35")  # readable on light and dark grounds
_STAMP = re.compile(r'(?:time=|\{"time": ")([0-9T:.+-]+)')

Wanted = Callable[[str], bool]


@click.command()
@click.argument("targets", nargs=-1, metavar="[TASK|RUN]...", shell_complete=names.tasks_and_runs)
@click.option("-f", "--follow", is_flag=True,
              help="Follow new output until the run ends or Ctrl-C.")  # fmt: skip
@click.option("-n", "--lines", type=click.IntRange(0, 1_000_000_000), metavar="N",
              help="Maximum number of lines per name, the newest.  "
              "[default: 100; with --since: all]")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Show every task that has output.")
@click.option("--grep", metavar="RE", help="Only lines that match this regular expression.")
@click.option("--since", metavar="TIME",
              help="Only output since TIME: 2h (ago), 10:30, 2026-11-20, …")  # fmt: skip
@click.option("--times", is_flag=True,
              help="Print a heading for each run; with -f, the time of each line.")  # fmt: skip
@click.option("--raw", is_flag=True, help="Print lines without names.")
@json_option
@place_options
def logs(
    settings: Settings, targets: tuple[str, ...], follow: bool, lines: int | None, every: bool,
    grep: str | None, since: str | None, times: bool, raw: bool, as_json: bool,
) -> None:  # fmt: skip
    """Show the output of tasks and runs, or, without a name, the service's log.

    On a terminal, shows the service's log as sentences; a pipe, or --raw, gets the lines of the
    file. With several names, each line begins with its name. Torch does not store the times of
    output lines: --since selects whole runs (in the service's log: lines). --json prints one
    document; with -f, one object per line.
    """
    if as_json and (raw or times):
        raise UsageError(
            "--json cannot be combined with --raw or --times", hint="JSON has the run and the time"
        )
    if raw and times:
        raise UsageError("--raw and --times cannot be combined", hint="use one of them")
    if every and targets:
        raise UsageError("--all cannot be combined with names", hint="use one of them")
    outputs.refuse_absent(settings)
    if since or times or not targets:
        in_its_zone(settings)
    begin = _instant(since)
    most = lines if lines is not None else None if since else _LINES
    found = outputs.sources(settings, targets, every=every, elsewhere=partial(elsewhere, settings))
    view = _View(settings, found, wanted=_matcher(grep), times=times, raw=raw or as_json)
    view.record = (_print if follow else view.recorded.append) if as_json else None
    ends = {path: tailing.whole_lines(path) for s in found for path in s.files()} if follow else {}
    for source in found:
        view.newest(source, most, begin, ends if follow else None)
    if follow:
        view.follow(ends)
    elif as_json:
        show.document({"lines": view.recorded})
    elif not view.said and not grep:
        of = f" of {', '.join(targets)}" if targets else ""
        click.echo(f"no output{of} yet", err=True)


@dataclass
class _View:
    """What is shown of some sources, and how a line looks."""

    settings: Settings
    sources: list[Source]
    wanted: Wanted
    times: bool
    raw: bool
    said: bool = False
    record: Callable[[dict[str, object]], None] | None = None  # takes each line as an object
    recorded: list[dict[str, object]] = field(default_factory=list)
    _last: dict[str, str] = field(default_factory=dict)  # of each source, the path shown last
    _heads: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        if len(self.sources) < 2 or self.raw:
            return
        most = _NAME_ROOM if self._terminal else 64
        room = min(max(len(source.name) for source in self.sources), most)
        for source in self.sources:
            head = columns.pad(columns.cut(source.name, room), room) + " |"
            self._heads[source.name] = columns.styled(
                head, _hue(source.name), colour=show.colours()
            )

    def newest(
        self, source: Source, most: int | None, begin: float | None, ends: dict[str, int] | None
    ) -> None:
        """The newest lines of its newest files, oldest first."""
        left = most
        kept: list[tuple[str, list[str]]] = []
        for path in reversed(source.files()):
            if left == 0 or (begin is not None and not source.path and _changed(path) < begin):
                break
            lines = tailing.backwards(path, None if ends is None else ends.get(path, 0))
            if begin is not None and path == self.settings.log:
                lines = takewhile(lambda line: _stamp(line) >= begin, lines)
            found = [*islice(filter(self.wanted, lines), left)][::-1]
            left = None if left is None else left - len(found)
            kept.append((path, found))
        for path, found in reversed(kept):
            self._show(source, path, found)

    def follow(self, ends: dict[str, int]) -> None:
        """Until Ctrl-C, or until every run that was named has ended."""
        live = outputs.live(self.settings)
        of: dict[str, Source] = {}
        watched: dict[str, tuple[tailing.Growing, int]] = {}
        for source in self.sources:
            files = [path for path in source.files() if path in ends]
            of |= dict.fromkeys(files, source)
            for path in (*(p for p in files if outputs.run_of(p) in live), *files[-1:]):
                watched[path] = tailing.Growing(path, ends[path]), 0
        over: set[str] = set()
        while True:
            for source in self.sources:
                for path in source.files() if source.changed() else ():
                    of.setdefault(path, source)
                    if path not in ends:
                        watched[path] = tailing.Growing(path), 0
                        ends[path] = 0
            over |= {s.run for s in self.sources if s.run and outputs.end_of(self.settings, s.run)}
            live = outputs.live(self.settings)
            for path, (file, still) in [*watched.items()]:
                source = of[path]
                lines = [*filter(self.wanted, file.read(whole=source.run in over))]
                self._show(source, path, lines, now=True)
                still = 0 if lines or source.path or outputs.run_of(path) in live else still + 1
                watched[path] = file, still
                if still > _STAYS:
                    self._show(source, path, [*filter(self.wanted, file.read(whole=True))])
                    del watched[path]
            sys.stdout.flush()
            if over and len(over) == len(self.sources):
                for run_id in sorted(over):
                    end = outputs.end_of(self.settings, run_id)
                    click.echo(f"{run_id}: {harmless(end)}", err=True)
                return
            select.select([], [], [], _LOOK)

    def _show(self, source: Source, path: str, lines: Iterable[str], *, now: bool = False) -> None:
        lines = [*lines]
        if not lines:
            return
        self.said = True
        if self.record is not None:
            for line in lines:
                self.record(self._object(source, path, line, now))
            return
        if path != self._last.get(source.name):
            self._turn(source, path, now)
        head = self._heads.get(source.name, "")
        stamp = f"{_now():%H:%M:%S} " if now and self.times else ""
        # Not by click.echo, which takes the colours out of what goes into a pipe.
        if self._terminal and path == self.settings.log and not self.raw:
            today = _now().date()
            lines = [f"{stamp}{spoken(line, today)}" for line in lines]
        else:
            lines = self._lines(lines, f"{stamp}{head}{' ' * bool(head)}")
        for line in lines:
            sys.stdout.write(f"{line}\n")

    def _object(self, source: Source, path: str, line: str, now: bool) -> dict[str, object]:
        """`at`: when the line came, if it was followed; output has no times of its own."""
        of_task = path != self.settings.log
        return {
            "task": source.name if of_task else None,
            "run": outputs.run_of(path) if of_task else None,
            "at": _now().isoformat(timespec="milliseconds") if now else None,
            "line": line,
        }

    def _lines(self, lines: Iterable[str], before: str) -> Iterator[str]:
        for line in lines:
            yield before + (harmless(last_written(line, self.wanted)) if self._terminal else line)

    def _turn(self, source: Source, path: str, now: bool) -> None:
        """Lines of another run come next."""
        first = source.name not in self._last
        self._last[source.name] = path
        if path == self.settings.log:
            return
        run_id = outputs.run_of(path)
        if self.times:
            click.echo(f"== {source.name}: {_told(self.settings, run_id)}")
        elif now and not first and len(self.sources) == 1 and not self.raw:
            sys.stdout.flush()
            click.echo(f"== {source.name}: run {run_id}", err=True)


def _print(line: dict[str, object]) -> None:
    sys.stdout.write(show.text(line) + "\n")


def _told(settings: Settings, run_id: str) -> str:
    """'run tou-7, 2026-11-21 04:20:00, failed, exit code 3 after 2.0 s'."""
    row = query.find(settings.history, run_id)
    if row is None or row.started_at is None:
        return f"run {run_id}"
    started = local(row.started_at)
    return f"run {run_id}, {started:%Y-%m-%d %H:%M:%S}, {outputs.ending(row)}"


def _now() -> datetime:
    return local(SystemClock().now().wall)


def _hue(name: str) -> str:
    """The same for a name for ever."""
    import zlib

    return _HUES[zlib.crc32(name.encode()) % len(_HUES)]


def _instant(text: str | None) -> float | None:
    from torch.cli.times import instant

    return instant(text, "--since", SystemClock().now().wall)


def _changed(path: str) -> float:
    import os

    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def _stamp(line: str) -> float:
    """The time of a line of the service's log; of one without a time: as if it were new."""
    match = _STAMP.match(line)
    try:
        return datetime.fromisoformat(match[1]).timestamp() if match else float("inf")
    except ValueError:
        return float("inf")


def _matcher(pattern: str | None) -> Wanted:
    """The dialect is that of `alert_on`, in which nothing takes long. Raises UsageError."""
    if pattern is None:
        return lambda _: True
    from torch.matching.patterns import BadPattern, Pattern

    try:
        pattern.encode()
        found = Pattern(pattern)
    except UnicodeEncodeError as error:
        hint = "write such a byte as \\xNN, or . for any character"
        raise UsageError("--grep: the pattern is not valid UTF-8", hint=hint) from error
    except BadPattern as error:
        raise UsageError(f"--grep: {error}", hint="quote the pattern for the shell") from error
    return lambda line: found.is_in(line.encode("utf-8", "surrogateescape"))
