"""Passes every event of the service to the log and to the parts that wait for it.

Owns the receivers of an event, and their order. Adds its last output lines to a run that failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch.daemon.logfile import LogFile, Terminal
from torch.daemon.output import Outputs
from torch.daemon.reporting import Reporter
from torch.daemon.requests import Requests
from torch.daemon.systemd import Systemd
from torch.event import DaemonCrashLooping, Event, HistorySetAside, PartFailed, RunEnded
from torch.history.store import HistoryError
from torch.run import FAILURES

_TAIL_LINES = 5


class Telling:
    """Passes an event on to the log and to whoever waits for it, with the task's last lines
    where a person will want them."""

    def __init__(self, outputs: Outputs, systemd: Systemd, *, all_tails: bool) -> None:
        self.sink: LogFile | Terminal | None = None
        self._outputs = outputs
        self._systemd = systemd
        self._all_tails = all_tails
        self.requests: Requests | None = None
        self.reporter: Reporter | None = None

    def tell(self, event: Event) -> None:
        if isinstance(event, RunEnded | DaemonCrashLooping) and self._wants_tail(event):
            event = replace(event, tail=self._outputs.tail(event.run, _TAIL_LINES))
        if self.sink is not None:
            self.sink.tell(event)
        self._systemd.hear(event)
        if self.requests is not None:
            self.requests.hear(event)
        if self.reporter is not None:
            self.reporter.hear(event)

    def set_aside(self, path: str, reason: str) -> None:
        """The history was damaged, and lies at the path."""
        self.tell(HistorySetAside(path=path, reason=reason))

    @contextlib.contextmanager
    def failing(self, part: str) -> Iterator[None]:
        """What is done in it may fail, and the service goes on without."""
        try:
            yield
        except HistoryError as error:
            self.tell(PartFailed(part=part, reason=str(error)))

    def _wants_tail(self, event: RunEnded | DaemonCrashLooping) -> bool:
        if isinstance(event, DaemonCrashLooping) or self._all_tails:
            return True
        return event.ending.outcome in FAILURES

    def fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault of ours in a callback: said with its place, and the service goes on."""
        error = context.get("exception")
        trace = traceback.extract_tb(error.__traceback__)[-1:] if error else []
        place = f" at {trace[0].filename}:{trace[0].lineno}" if trace else ""
        self.tell(PartFailed(part="the service", reason=f"{error or context['message']!r}{place}"))
