"""Performs start and stop; owns the active runs.

Every run is here from its order, or its adoption, until it is proven gone, and the core hears of
its start and its end. A run that was told to stop is gone when none of its processes is left, not
when its first process ends; stopping.py checks that. lost_reaper.py handles runs whose
reaper is gone. Must not decide what starts, stops or is killed: the core does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from torch.clock import Clock, Now
from torch.daemon.child import Child
from torch.daemon.left_behind import Leftovers
from torch.daemon.link import Link
from torch.daemon.lost_reaper import Orphans
from torch.daemon.output import Outputs
from torch.daemon.printing import Printing
from torch.daemon.reapers import Reapers
from torch.daemon.recover import Left
from torch.daemon.refusals import is_hosts
from torch.daemon.shims import Shims
from torch.daemon.start_queue import Ordering
from torch.daemon.stopping import Stopping
from torch.daemon.unforked import unforked
from torch.event import Event, PartFailed
from torch.reaper.journal import Found
from torch.reaper.output import Output
from torch.run import Usage
from torch.schedule.commands import Start
from torch.schedule.messages import Ended, Message, NotStarted, Started, Trace

_WITHDRAWN = "stopped before it started"


class Supervisor:
    def __init__(
        self, *, clock: Clock, post: Callable[[Message], None], reapers: Reapers,
        outputs: Outputs, runs_dir: str, completed: Callable[[str, int], None],
        tell: Callable[[Event], None],
    ) -> None:  # fmt: skip
        """`completed` is Printing's. `runs_dir`: run files of the version before."""
        self._clock = clock
        self._post = post
        self._reapers = reapers
        self._outputs = outputs
        self._tell = tell
        self._children: dict[str, Child] = {}
        self._ordering = Ordering(
            clock=clock, post=post, reapers=reapers, outputs=outputs, children=self._children
        )
        self._unrecorded: dict[str, Link] = {}  # have ended; their reaper has not heard it
        self._printing = Printing(
            children=self._children, outputs=outputs, completed=completed, tell=tell
        )
        self.leftovers = Leftovers(self._children, parents=self._own_pids)
        self._stopping = Stopping(
            clock=clock, post=post, children=self._children, finish=self._finish,
            never=self._own_pids,
        )  # fmt: skip
        self._shims = Shims(runs_dir, clock=clock, children=self._children, follow=self._follow_end)
        self._orphans = Orphans(
            clock=clock, children=self._children, reapers=reapers, outputs=outputs,
            follow=self._follow_end, again=self.start, sweep=self._stopping.sweep_soon,
            begun=self._begun,
        )  # fmt: skip
        reapers.report_to(self._hear, self._lose, self._orphans.reaper_began)

    # ── starting ──────────────────────────────────────────────────────────────────────────

    def start(self, start: Start) -> None:
        """Orders in the order of the calls; a burst is spread over turns of the loop."""
        self._ordering.add(start)

    def _begun(self, child: Child, pid: int, birth: int, mark: int, at: Now | None = None) -> None:
        """Its first process is there, or was; since `at`."""
        if child.begun:
            return
        child.pid, child.birth, child.mark = pid, birth, mark
        child.begun, child.start = True, None
        self._post(Started(run_id=child.run.id, pid=pid, at=at))
        if child.stopping:
            self._stopping.stop(child, by_force=child.forced_at is not None)

    # ── what reapers say ──────────────────────────────────────────────────────────────────

    def _hear(self, link: Link, message: list[bytes]) -> None:
        match message:
            case [b"trouble", reason]:
                self._hear_trouble(reason.decode("utf-8", "replace"))
            case [b"settled"]:
                self._settle(link)
            case [word, name, *rest]:
                child = self._children.get(name.decode())
                if child is not None and child.link is link:
                    self._hear_of(child, word, rest)
                elif word == b"ended" and name.decode() not in self._unrecorded:
                    link.send(b"forget", name)  # its end is on record
                if word == b"closed":
                    self._printing.close(name.decode(), cut=int(rest[0]), size=int(rest[1]))
                    self._orphans.let_go(name.decode())
                    self._reapers.remains.tidy()
                elif word == b"lost":
                    why = rest[1].decode("utf-8", "replace")
                    self._printing.hear_lost(name.decode(), int(rest[0]), why)

    def _hear_of(self, child: Child, word: bytes, rest: list[bytes]) -> None:
        if word == b"started":
            pid, birth, mark, wall, mono = rest
            at = Now(float(wall), float(mono))
            self._begun(child, int(pid), int(birth), int(mark), at)
        elif word == b"refused":
            self._withdraw(child, rest[0].decode("utf-8", "replace"))
        elif word == b"ended" and child.ended_at is None:
            code, number, wall, cpu, rss = rest
            child.exit_code = int(code)
            child.signal = int(number) if number else None
            child.ended_at = float(wall)
            child.usage = Usage(cpu_seconds=float(cpu), max_rss=int(rss) if rss else None)
            self._follow_end(child)

    def _lose(self, link: Link, found: Found) -> None:
        self._orphans.lost(link, found)
        self._printing.lose(link, found)

    def _hear_trouble(self, reason: str) -> None:
        if reason:
            self._tell(PartFailed(part="the journal of runs", reason=reason))

    def _settle(self, link: Link) -> None:
        """An earlier service's reaper has said what it has. What it was thought to have and has
        not, it never began, and never will."""
        for child in [*self._children.values()]:
            if child.link is link and not link.ours and not child.begun:
                self._orphans.never_began(child)

    # ── adopting ──────────────────────────────────────────────────────────────────────────

    def adopt(self, left: Left) -> None:
        """Takes over what is left of a run; the core must hear of it before anything else."""
        run_id, child, link = left.found.run.id, left.child, left.trail.link
        if child is None:
            self.leftovers.remember(left.found.run, left.trail.said.mark)
            if left.found.trace is Trace.ENDED and link is not None:
                self._unrecorded[run_id] = link
            return
        self._children[run_id] = child
        if child.ended_at is not None:  # its reaper is gone, and something of it lives
            self._stopping.sweep_soon(0)
        elif child.run_file:
            path = self._outputs.path(child.run)
            self._shims.adopt(child, Output(path, child.task.output.max_size, direct=True))

    def go_on(self, dead: Mapping[str, Found]) -> None:
        """All that was left is adopted: what reapers have to say is heard, and what runs of `dead`
        ones (journals by directory) print is read."""
        self._reapers.go_on()
        for found in dead.values():
            self._orphans.read_on(found)

    # ── ending ────────────────────────────────────────────────────────────────────────────

    def _follow_end(self, child: Child) -> None:
        """Its first process is gone."""
        if not child.begun:
            self._withdraw(child, child.reason or "it never began, and its service is gone")
        elif child.in_doubt:
            self._stopping.sweep_soon(0)
        else:
            self._finish(child)

    def _withdraw(self, child: Child, reason: str) -> None:
        """The command never began."""
        del self._children[child.run.id]
        if child.link is not None:
            self._unrecorded[child.run.id] = child.link
        if child.stopping:
            reason = _WITHDRAWN
        self._post(NotStarted(run_id=child.run.id, reason=reason, of_host=is_hosts(reason)))

    def _finish(self, child: Child) -> None:
        run, run_id = child.run, child.run.id
        del self._children[run_id]
        self.leftovers.remember(run, child.mark)
        if child.journal:
            self._orphans.read_end(child)
        if child.link is not None:
            self._unrecorded[run_id] = child.link
        self._printing.end(child)
        if child.run_file:
            cut, size = self._shims.close(child)
            self._printing.close(run_id, cut=cut, size=size)
        tail = partial(self._outputs.tail, run, 1)
        self._post(
            Ended(
                run_id=run_id, exit_code=child.exit_code, signal=child.signal, usage=child.usage,
                at=self._end_of(child),
                reason=child.reason or unforked(child.exit_code, child.task, tail),
            )
        )  # fmt: skip

    def _end_of(self, child: Child) -> float:
        """Of one that lost its parent nobody sees the end; it is over when nothing is left."""
        known = child.ended_at if child.exit_code is not None else None
        return known or self._clock.now().wall

    def forget(self, run_ids: Iterable[str]) -> None:
        """Their ends are on record, so reapers may forget them. The other order could lose an exit
        code."""
        ended = [*run_ids]
        touched = set()
        for run_id in ended:
            link = self._unrecorded.pop(run_id, None)
            if link is not None:
                link.owe(b"forget", run_id.encode())
                touched.add(link)
        for link in touched:
            link.flush()
        self._reapers.remains.forget(ended)
        self._shims.forget(ended)

    # ── stopping ──────────────────────────────────────────────────────────────────────────

    def stop(self, run_id: str, *, by_force: bool) -> None:
        """SIGTERM to the run, wherever its processes are; by force SIGKILL until none is left."""
        child = self._children.get(run_id)
        if child is None:
            self._cancel(run_id)
            return
        child.stopping = True
        if child.begun:
            self._stopping.stop(child, by_force=by_force)
        elif child.link is not None:
            child.forced_at = self._clock.now().mono if by_force else child.forced_at
            child.link.send(b"cancel", run_id.encode())

    def _cancel(self, run_id: str) -> None:
        """A stop that overtook its start: the run leaves the queue and was never there."""
        self._ordering.remove(run_id)
        # Known here or not: the core believes in it, and nothing of it lives or will.
        self._post(NotStarted(run_id=run_id, reason=_WITHDRAWN))

    def _own_pids(self) -> frozenset[int]:
        ours = {os.getpid(), *(link.pid for link in self._reapers.all())}
        return frozenset(ours)

    @property
    def is_starting(self) -> bool:
        """Whether something is about to start: whatever can wait, waits."""
        return bool(self._ordering) or any(not c.begun for c in self._children.values())

    def close(self) -> None:
        self._shims.close_all()
        with contextlib.suppress(OSError):
            self._orphans.close()
