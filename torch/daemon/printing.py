"""Runs whose output is open: while they are active, and after their end as long as a process of
them may print.

Owns the steps after it was closed by all processes: it is searched to its end, and counted among
the files of its task. Also hears of output that cannot be written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch.daemon.child import Child
from torch.daemon.link import Link
from torch.daemon.output import Outputs
from torch.event import Event, PartFailed
from torch.reaper.journal import Found


class Printing:
    def __init__(
        self, *, children: Mapping[str, Child], outputs: Outputs,
        completed: Callable[[str, int], None], tell: Callable[[Event], None],
    ) -> None:  # fmt: skip
        """`completed` hears of each run whose output grows no more, and of the bytes that were cut
        off its head."""
        self._children = children
        self._outputs = outputs
        self._completed = completed
        self._tell = tell
        self._ended: dict[str, Child] = {}
        self._lossy: set[str] = set()  # of whose lost output was told

    def end(self, child: Child) -> None:
        """The run is over; its output may not be."""
        if not child.closed:
            self._ended[child.run.id] = child

    def close(self, run_id: str, *, cut: int, size: int) -> None:
        """Nobody has it open any more; `size` bytes are left of it."""
        self._completed(run_id, cut)
        self._lossy.discard(run_id)
        child = self._ended.pop(run_id, None) or self._children.get(run_id)
        if child is not None:
            child.closed = True
            if size:
                self._outputs.prune(child.run, child.task, live=self._live)

    def _live(self) -> set[str]:
        return {*self._children, *self._ended}

    def lose(self, link: Link, found: Found) -> None:
        """A reaper is gone. Of output that nobody had open any more nothing will be heard."""
        for run_id, child in [*self._ended.items()]:
            said = found.runs.get(run_id)
            if child.link is link and (said is None or not said.fifo):
                self.close(run_id, cut=0, size=1)

    def hear_lost(self, run_id: str, count: int, reason: str) -> None:
        """Told once a run: a full disk must not fill the log as well."""
        if run_id not in self._lossy:
            self._lossy.add(run_id)
            why = f"{count} bytes or more could not be written: {reason}"
            self._tell(PartFailed(part=f"the output of run {run_id}", reason=why))
