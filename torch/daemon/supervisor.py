"""Performs start and stop; owns the live processes.

Every run is here from its spawn, or its adoption, until it is proven gone, and the core hears
of both ends. A run that was told to stop is gone when nothing of it is left, not when its
first process ends; stopping.py sees to that. Must not decide: what starts, stops or is killed
when is the core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable

from torch.clock import Clock
from torch.daemon import runfile
from torch.daemon.capping import Capping
from torch.daemon.child import Child
from torch.daemon.linux import CLOCK_BOOTTIME, Timer
from torch.daemon.output import Outputs
from torch.daemon.spawn import SpawnError, release, spawn
from torch.daemon.stopping import Stopping
from torch.schedule.evidence import SHIM_KILLED
from torch.schedule.messages import Ended, Found, Message, NotStarted, Start, Started, Trace

SLICE = 0.2
"""Seconds of spawning before the loop gets a turn: exits, signals and requests wait no longer.
In a burst, whatever else is done between two spawns makes all that follow later."""

SPIN = 0.001
"""Seconds before an instant at which to be awake: waking up from sleep costs about as much."""

LONGEST_WAIT = 1.0
"""Seconds a spawned shim may wait for its instant; more means that the clock was set back."""

_UNWRITTEN = 125
"""What the shim says when it could not write its start down; a command may say so too."""


class Supervisor:
    def __init__(
        self, *, clock: Clock, post: Callable[[Message], None], runs_dir: str, outputs: Outputs,
        completed: Callable[[str, int], None],
    ) -> None:  # fmt: skip
        """`completed` hears of each run whose output grows no more, and of the bytes that were
        cut off its head."""
        self._clock = clock
        self._post = post
        self._runs_dir = runs_dir
        self._outputs = outputs
        self._completed = completed
        self._pending: deque[Start] = deque()
        self._waiting: deque[tuple[float, Child]] = deque()  # mono instant; they share a second
        self._release_timer = Timer(CLOCK_BOOTTIME)
        asyncio.get_running_loop().add_reader(self._release_timer.fd, self._release_due)
        self._children: dict[str, Child] = {}
        self._pumping = False
        self._stopping = Stopping(
            clock=clock, post=post, children=self._children, finish=self._finish
        )
        self._capping = Capping(
            outputs, lambda: [(child.run, child.task) for child in self._children.values()]
        )

    # ── starting ──────────────────────────────────────────────────────────────────────────

    def start(self, start: Start) -> None:
        """Spawns in the order of the calls; a burst is spread over turns of the loop."""
        self._pending.append(start)
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        until = self._clock.now().mono + SLICE
        while self._pending:
            start = self._pending.popleft()
            try:
                self._spawn(start)
            except Exception as error:  # noqa: BLE001  # one that fails must not stop the others
                reason = f"a fault of torch's own: {error!r}"
                self._post(NotStarted(run_id=start.run.id, reason=reason))
            if self._clock.now().mono >= until:
                break
        self._pumping = bool(self._pending)
        if self._pumping:
            asyncio.get_running_loop().call_soon(self._pump)

    def _spawn(self, start: Start) -> None:
        run, task = start.run, start.task
        try:
            output = self._outputs.open(run)
        except OSError as error:
            reason = f"its output file could not be made: {error.strerror}"
            self._post(NotStarted(run_id=run.id, reason=reason))
            return
        try:
            spawned = spawn(run, task, runs_dir=self._runs_dir, output_fd=output)
        except SpawnError as error:
            self._outputs.discard(run)
            self._post(NotStarted(run_id=run.id, reason=str(error)))
            return
        finally:
            os.close(output)
        try:
            pidfd = os.pidfd_open(spawned.pid)
        except OSError:  # no descriptor left: without one its end would not be heard
            os.close(spawned.go)
            os.waitpid(spawned.pid, 0)  # it ends at once, having started nothing
            raise
        child = Child(run=run, task=task, pid=spawned.pid, pidfd=pidfd, go=spawned.go)
        self._children[run.id] = child
        asyncio.get_running_loop().add_reader(child.pidfd, self._reap, child)
        now = self._clock.now()
        if start.at is None or start.at <= now.wall:
            self._release(child)
        else:  # by the monotonic clock from here: a step of the wall clock strands nobody
            wait = min(start.at - now.wall, LONGEST_WAIT)
            self._waiting.append((now.mono + wait, child))
            self._set_release_timer()

    def _release_due(self) -> None:
        self._release_timer.clear()
        soon = self._clock.now().mono + SPIN
        while self._waiting and self._waiting[0][0] <= soon:
            at, child = self._waiting.popleft()
            while self._clock.now().mono < at:
                pass
            self._release(child)
        self._set_release_timer()

    def _set_release_timer(self) -> None:
        self._release_timer.set(self._waiting[0][0] - SPIN if self._waiting else None)

    def _release(self, child: Child) -> None:
        """Now the command begins."""
        if child.go < 0:
            return
        go, child.go = child.go, -1
        child.released = release(go)
        if child.released:
            self._post(Started(run_id=child.run.id, pid=child.pid))
            self._capping.watch()

    # ── adopting ──────────────────────────────────────────────────────────────────────────

    def adopt(self, found: Found) -> None:
        """Takes over a run that lives; the core must hear of it before anything else."""
        child = Child(
            run=found.run, task=found.task, pid=found.pid or 0, adopted=True, released=True
        )
        self._children[found.run.id] = child
        self._capping.watch()
        if found.trace is Trace.LEFT:
            child.ended_at, child.reason = self._clock.now().wall, SHIM_KILLED
            self._stopping.sweep_soon(0)
            return
        loop = asyncio.get_running_loop()
        try:
            child.pidfd = os.pidfd_open(child.pid)
        except OSError:  # it has ended in this very moment
            loop.call_soon(self._see_end, child)
            return
        loop.add_reader(child.pidfd, self._reap, child)
        # Only now: a lock that is held still says that the pid was the shim's when we opened it.
        seen = runfile.look(self._run_file(child))
        if seen is None or not seen.held:
            loop.call_soon(self._reap, child)

    def _see_end(self, child: Child) -> None:
        """We are not its parent: how it ended is in its run file."""
        seen = runfile.look(self._run_file(child))
        child.exit_code = seen.code if seen else None
        child.ended_at = self._clock.now().wall
        if seen is not None and child.exit_code is not None:
            child.ended_at = seen.changed
        elif seen is not None and seen.shim is None:
            child.released = False  # it was never released, and nothing began
        else:
            child.reason = SHIM_KILLED
        self._follow_end(child)

    # ── ending ────────────────────────────────────────────────────────────────────────────

    def _reap(self, child: Child) -> None:
        """The shim is gone. It ends with the command's code, or was killed itself."""
        if child.pidfd < 0:
            return
        asyncio.get_running_loop().remove_reader(child.pidfd)
        pidfd, child.pidfd = child.pidfd, -1
        if child.adopted:
            os.close(pidfd)
            self._see_end(child)
            return
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)
        child.ended_at = self._clock.now().wall
        if result is not None and result.si_code == os.CLD_EXITED:
            child.exit_code = result.si_status
        else:
            child.reason = SHIM_KILLED
        if child.exit_code == _UNWRITTEN and self._never_began(child):
            child.released, child.reason = False, "its start could not be written down"
        self._follow_end(child)

    def _never_began(self, child: Child) -> bool:
        seen = runfile.look(self._run_file(child))
        return seen is not None and seen.shim is None

    def _follow_end(self, child: Child) -> None:
        if not child.released:
            self._withdraw(child)
        elif child.in_doubt:
            self._stopping.sweep_soon(0)
        else:
            self._finish(child)

    def _withdraw(self, child: Child) -> None:
        """Its shim ended before it was released: the command never began."""
        self._close_go(child)
        del self._children[child.run.id]
        self._outputs.discard(child.run)
        reason = child.reason or "its shim did not start it"
        if child.stopping:
            reason = "stopped before it started"
        self._post(NotStarted(run_id=child.run.id, reason=reason))

    def _finish(self, child: Child) -> None:
        del self._children[child.run.id]
        cut = self._outputs.close(child.run, child.task, live=self._children.keys())
        self._completed(child.run.id, cut)
        self._post(
            Ended(
                run_id=child.run.id,
                exit_code=child.exit_code,
                at=child.ended_at or self._clock.now().wall,
                reason=child.reason,
            )
        )

    def forget(self, run_ids: Iterable[str]) -> None:
        """Their ends are on record: the run files go. The other order could lose an exit code."""
        for run_id in run_ids:
            with contextlib.suppress(OSError):
                os.unlink(f"{self._runs_dir}/{run_id}")

    # ── stopping ──────────────────────────────────────────────────────────────────────────

    def stop(self, run_id: str, *, by_force: bool) -> None:
        """SIGTERM to the run, wherever its processes are; by force SIGKILL until none is left."""
        child = self._children.get(run_id)
        if child is None:
            self._cancel(run_id)
            return
        child.stopping = True
        if child.released:
            self._stopping.stop(child, by_force=by_force)
        else:
            self._close_go(child)  # the shim ends by itself, and is then withdrawn

    def _close_go(self, child: Child) -> None:
        if child.go >= 0:
            go, child.go = child.go, -1
            os.close(go)

    def _cancel(self, run_id: str) -> None:
        """A stop that overtook its start: the run leaves the queue and was never there."""
        for item in self._pending:
            if item.run.id == run_id:
                self._pending.remove(item)
                break
        # Known here or not: the core believes in it, and nothing of it lives or will.
        self._post(NotStarted(run_id=run_id, reason="stopped before it started"))

    def _run_file(self, child: Child) -> str:
        return f"{self._runs_dir}/{child.run.id}"

    @property
    def is_starting(self) -> bool:
        """Whether something is about to start: whatever can wait, waits."""
        return bool(self._pending or self._waiting)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._release_timer.fd)
        self._release_timer.close()
