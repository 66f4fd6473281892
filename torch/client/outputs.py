"""Whose output is meant: tasks, runs, or the service's own log, and which files that is.

Owns the way from a name to its files, and when a run that is followed has ended. Works without
the service: something may print as long as the run's FIFO is there.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torch.client import journals
from torch.daemon import runfile
from torch.errors import NotPermitted, NotRunning, TorchError, UsageError
from torch.history import query
from torch.history.query import RunRow
from torch.nearest import did_you_mean
from torch.report.text import duration, harmless
from torch.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")

Elsewhere = Callable[[str], UsageError | None]


@dataclass
class Source:
    """One name and its files. `folder`: of a task, whose files come and go; `run`: a single run."""

    name: str
    folder: str = ""
    path: str = ""
    run: str = ""
    _seen: int = field(default=-1)

    def files(self) -> list[str]:
        """Those there are, oldest first."""
        if self.path:
            return [self.path] if os.path.exists(self.path) else []
        return by_age(self.folder)

    def changed(self) -> bool:
        """Whether a file may have come since the last time; the first time always."""
        try:
            now = os.stat(self.folder or os.path.dirname(self.path)).st_mtime_ns
        except OSError:
            now = -2
        seen, self._seen = self._seen, now
        return seen != now


def sources(
    settings: Settings, targets: Sequence[str], *, every: bool, elsewhere: Elsewhere | None = None
) -> list[Source]:
    """Raises UsageError for a name that nothing here has; what `elsewhere` says of it goes first,
    such as that the task is of other hosts."""
    if every:
        try:
            names = sorted(os.listdir(settings.output))
        except FileNotFoundError:
            names = []
        return [_of_task(settings, name) for name in names if _is_folder(settings, name)]
    if not targets:
        return [Source(name="torch", path=settings.log)]
    return [_source(settings, target, elsewhere) for target in dict.fromkeys(targets)]


def _is_folder(settings: Settings, name: str) -> bool:
    return os.path.isdir(f"{settings.output}/{name}")


def _of_task(settings: Settings, name: str) -> Source:
    return Source(name=name, folder=f"{settings.output}/{name}")


def _source(settings: Settings, target: str, elsewhere: Elsewhere | None) -> Source:
    if not _NAME.match(target):
        raise UsageError(f"'{harmless(target)}' is neither a task nor a run")
    if os.path.isdir(f"{settings.output}/{target}"):
        return _of_task(settings, target)
    row = query.find(settings.history, target)
    if row is not None:
        path = f"{settings.output}/{row.task}/{row.id}.log"
        return Source(name=row.task, path=path, run=row.id)
    if target in query.known_tasks(settings.history) or query.runs(
        settings.history, task=target, limit=1
    ):
        return _of_task(settings, target)
    if elsewhere is not None and (other := elsewhere(target)):
        raise other
    raise UsageError(
        f"no task or run '{target}' here ({settings.where})",
        hint=_nearest(settings, target),
    )


def refuse_absent(settings: Settings) -> None:
    """Raises NotRunning where no service has written any output, and NotPermitted where this user
    cannot see it: an empty answer would mean that nothing was printed."""
    try:
        there = [os.stat(f"{settings.log_dir}/."), *_stats(settings.log, settings.output)]
    except (FileNotFoundError, NotADirectoryError):
        there = []
    except PermissionError as error:
        raise NotPermitted(
            f"{settings.log_dir}: permission denied", hint="run torch as the service's user or root"
        ) from error
    if len(there) < 2:
        raise NotRunning(
            f"no service has written to {settings.log_dir} ({settings.where})",
            hint="set --state-dir to that of the service, or start one: torch start",
        )


def _stats(*paths: str) -> Iterator[os.stat_result]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            yield os.stat(path)


def by_age(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [
                (e.stat().st_mtime_ns, e.path)
                for e in entries
                if e.name.endswith(".log") and e.is_file()
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for _, path in sorted(found)]


def run_of(path: str) -> str:
    """'…/backup/tou1-7.log' -> 'tou1-7'."""
    return os.path.basename(path).removesuffix(".log")


def live(settings: Settings) -> set[str]:
    """The ids of runs of which something may still print."""
    shims = set(os.listdir(settings.runs)) if os.path.isdir(settings.runs) else set()
    return shims | journals.writing(settings)


def end_of(settings: Settings, run_id: str) -> str:
    """How a run ended, in words; '' while it has not, or something of it may still print."""
    file = runfile.look(f"{settings.runs}/{run_id}", probe=False)
    if (file is not None and file.code is None) or run_id in journals.writing(settings):
        return ""
    row = query.find(settings.history, run_id)
    if row is not None and row.outcome is not None:
        return ending(row)
    if file is not None:
        return f"exit code {file.code}"
    said = journals.said(settings).get(run_id)
    return "" if said is None or said.ended is None else f"exit code {said.ended[0]}"


def ending(row: RunRow) -> str:
    """'failed, exit code 3 after 2.0 s'."""
    said = row.outcome or row.state
    if row.outcome not in (None, "succeeded") and row.exit_code is not None:
        died = f" by signal {row.signal}"
        said += died if row.signal is not None else f", exit code {row.exit_code}"
    if row.started_at is not None and row.ended_at is not None:
        said += f" after {duration(row.ended_at - row.started_at)}"
    return said


def _nearest(settings: Settings, word: str) -> str:
    """The hint for a name that is neither a task nor a run of this host."""
    from torch.history import query

    known: list[str] = []
    with contextlib.suppress(TorchError):
        known += query.known_tasks(settings.history)
        known += query.newest_ids(settings.history, 500)
    return did_you_mean(word, known, otherwise="see: torch tasks, torch runs")
