"""From an order to an active run: orders that wait for their instant, and those that begin now.

Owns the orders that have not begun. They begin in the order in which they were asked for; a line in
the journal comes before each spawn. Orders that have not begun are dropped when the service is
gone.
"""

from __future__ import annotations

import contextlib
import heapq
import os
from collections import deque
from collections.abc import Callable

from torch.reaper import processes
from torch.reaper.instants import since_boot, wall
from torch.reaper.journal import Journal
from torch.reaper.output import Output
from torch.reaper.pump import Pump, Source
from torch.reaper.runs import Run, Table, started
from torch.reaper.spawning import Refused, Spawner, open_output
from torch.reaper.wire import Order

SPIN = 0.001
"""Seconds to wake up before an instant: waking up from sleep takes about as long."""

SLICE = 0.5
"""Seconds of spawning before anything else gets a turn."""

WITHDRAWN = "stopped before it started"


class Starts:
    def __init__(
        self, table: Table, *, journal: Journal, spawner: Spawner, pump: Pump,
        tell: Callable[..., None],
    ) -> None:  # fmt: skip
        self._table = table
        self._journal = journal
        self._spawner = spawner
        self._pump = pump
        self._tell = tell
        self._orders: deque[Order] = deque()
        self._waiting: list[tuple[float, int, Run]] = []  # a heap: since boot, number, run
        self._number = 0
        self._new: list[Run] = []  # spawned, and not told; of the first _said the S line is written
        self._said = 0
        self._held: deque[tuple[int, Source]] = deque()

    def take(self, order: Order) -> None:
        self._orders.append(order)

    def is_due(self) -> bool:
        """Whether there is something to do at once."""
        return bool(self._orders) or (
            bool(self._waiting) and self._waiting[0][0] <= since_boot() + SPIN
        )

    def first(self) -> float | None:
        """When to be awake, in seconds since boot."""
        return self._waiting[0][0] - SPIN if self._waiting else None

    def begin(self) -> None:
        """What is due begins; what is not is made ready."""
        until = since_boot() + SLICE
        self._pump.is_quiet = bool(self._waiting)
        while True:
            if self._waiting and self._waiting[0][0] <= since_boot() + SPIN:
                at, _, run = heapq.heappop(self._waiting)
                while since_boot() < at:
                    pass
                self._spawn(run)
            elif self._orders:
                self._prepare(self._orders.popleft())
            else:
                break
            if since_boot() >= until:
                break
        self._pump.is_quiet = False
        self._say_started()
        self.let_go()

    def cancel(self, run_id: str) -> None:
        """If it has not begun, it never will."""
        for order in self._orders:
            if order.run == run_id:
                self._orders.remove(order)
                self._refuse(run_id, WITHDRAWN)
                return
        run = self._table.runs.get(run_id)
        if run is not None and run.order is not None:
            self._waiting = [each for each in self._waiting if each[2] is not run]
            heapq.heapify(self._waiting)
            self._drop(run)
            self._refuse(run_id, WITHDRAWN)

    def drop_all(self) -> None:
        """Whoever asked is gone."""
        self._orders.clear()
        for _, _, run in self._waiting:
            self._drop(run)
        self._waiting.clear()

    def _drop(self, run: Run) -> None:
        """It has not begun. Its FIFO is used again once the other thread has let go of it: it
        would read what the next one prints into the wrong file."""
        del self._table.runs[run.id]
        if run.source is not None:
            self._pump.ask("drop", run.source)

    def _refuse(self, run_id: str, reason: str) -> None:
        self._tell(b"refused", run_id.encode(), reason.encode("utf-8", "replace"))

    def _prepare(self, order: Order) -> None:
        known = self._table.runs.get(order.run)
        if known is not None and (known.pid or known.order is not None):
            return  # said twice; it begins once
        run = Run(order.run, order=order)
        try:
            self._make_output(run, order)
        except Refused as refused:
            self._refuse(order.run, str(refused))
            return
        self._table.runs[order.run] = run
        self._number += 1
        heapq.heappush(self._waiting, (order.at, self._number, run))

    def _make_output(self, run: Run, order: Order) -> None:
        """Raises Refused."""
        run.fifo = "" if order.direct else self._spawner.take_fifo()
        path = self._spawner.path(run.fifo) if run.fifo else ""
        output = Output(order.output, order.max_size, direct=order.direct)
        run.source = Source(run.id, path, output)
        self._pump.add(run.source)

    def _has_output(self, run: Run, order: Order) -> None:
        """Somebody may have taken its FIFO away since. Raises Refused: it cannot be read.

        A run that would write a file that cannot be made prints into a FIFO like others: what it
        prints is lost, which is said, and the run is not."""
        source = run.source
        assert source is not None  # noqa: S101
        if order.direct and not _can_be_made(order.output):
            self._pump.ask("drop", source)
            order.direct = False
            self._make_output(run, order)
        elif source.path and not os.path.lexists(source.path):
            self._pump.ask("drop", source)
            self._make_output(run, order)
        elif source.problem:
            raise Refused(f"its output cannot be read: {source.problem}")

    def _spawn(self, run: Run) -> None:
        order, run.order = run.order, None
        assert order is not None  # noqa: S101
        try:
            self._has_output(run, order)
        except Refused as refused:
            self._drop(run)
            self._refuse(run.id, str(refused))
            return
        run.mark = self._spawner.mark()
        task = os.path.basename(os.path.dirname(order.output))
        if not self._journal.begin(run.id, run.mark, run.fifo, task, self._unsaid()):
            self._drop(run)
            self._refuse(run.id, f"its start could not be written down: {self._journal.problem}")
            return
        self._hold(run)
        run.wall, run.mono = wall(), since_boot()
        try:
            pid = self._spawner.spawn(order, run.fifo, run.mark)
        except Refused as refused:
            self._journal.say([(run.id, b"N " + run.id.encode())])
            self._drop(run)
            if order.direct:
                with contextlib.suppress(OSError):
                    os.unlink(order.output)
            self._refuse(run.id, str(refused))
            return
        self._table.live(run, pid)
        # Not read from /proc: that waits for the exec, and costs a fifth of the spawn.
        run.birth = processes.birth_at(run.mono)
        self._new.append(run)

    def _hold(self, run: Run) -> None:
        """What a run prints is gone with its last process unless somebody has the FIFO open. The
        other thread has, where it had the time; else we, until it has."""
        source = run.source
        if source is not None and source.path and not source.ready:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
            with contextlib.suppress(OSError):
                self._held.append((os.open(source.path, flags), source))

    def let_go(self) -> None:
        """What the other thread has by now is not held here any more."""
        while self._held and self._held[0][1].ready:
            os.close(self._held.popleft()[0])

    def _unsaid(self) -> list[tuple[str, bytes]]:
        """S lines that are not in the journal yet: they go there with the next line."""
        lines = [
            (run.id, b"S %s %d %d" % (run.id.encode(), run.pid, run.birth))
            for run in self._new[self._said :]
        ]
        self._said = len(self._new)
        return lines

    def _say_started(self) -> None:
        if not self._new:
            return
        self._journal.say(self._unsaid())
        for run in self._new:
            self._tell(*started(run))
        self._new.clear()
        self._said = 0


def _can_be_made(output: str) -> bool:
    try:
        os.close(open_output(output))
    except OSError:
        return False
    return True
