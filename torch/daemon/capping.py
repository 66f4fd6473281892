"""Looks at the output files of live runs now and then, and caps those that are too large.

Owns when to look: often while a file is past its cap, ever less often while none is, and not
at all while nothing lives. Between two looks a writer may pass its cap by what the disk takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from torch.daemon.output import Outputs
from torch.run import Run
from torch.task import Task

SOON, FIRST, LATEST = 0.02, 0.2, 1.0
"""Seconds to the next look: after a file past its cap, after a start, and at most."""


class Capping:
    def __init__(self, outputs: Outputs, live: Callable[[], Iterable[tuple[Run, Task]]]) -> None:
        self._outputs = outputs
        self._live = live
        self._delay = FIRST
        self._next: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """A run has started: its file is looked at soon."""
        self._delay = FIRST
        if self._next is None:
            self._look_in(self._delay)

    def _look_in(self, seconds: float) -> None:
        self._next = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._next = None
        over = [self._outputs.cap(run, task.output.max_size) for run, task in self._live()]
        if over:
            self._delay = SOON if any(over) else min(self._delay * 2, LATEST)
            self._look_in(self._delay)
