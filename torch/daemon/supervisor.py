"""Performs start and stop; owns the live processes.

Every run is a child here from its spawn until it is proven gone, and the core hears of both
ends. A run that was told to stop is gone when nothing of it is left, not when its first
process ends. Must not decide: what starts, stops or is killed when is the core's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch.clock import Clock
from torch.daemon import processes
from torch.daemon.capping import Capping
from torch.daemon.linux import CLOCK_BOOTTIME, Timer
from torch.daemon.output import Outputs
from torch.daemon.spawn import Spawned, SpawnError, release, spawn
from torch.run import Run
from torch.schedule.messages import Ended, Message, NotStarted, Start, Started, Survived
from torch.task import Task

SLICE = 0.2
"""Seconds of spawning before the loop gets a turn: exits, signals and requests wait no longer.
In a burst, whatever else is done between two spawns makes all that follow later."""

SPIN = 0.001
"""Seconds before an instant at which to be awake: waking up from sleep costs about as much."""

LONGEST_WAIT = 1.0
"""Seconds a spawned shim may wait for its instant; more means that the clock was set back."""

SWEEP = 0.1
GIVE_UP = 5.0
"""Seconds of SIGKILL after which what is left is named and no longer waited for."""


@dataclass(slots=True, kw_only=True)
class _Child:
    run: Run
    task: Task
    spawned: Spawned
    pidfd: int
    released: bool = False  # the command may have begun
    go_closed: bool = False
    stopping: bool = False
    told: bool = False  # the processes outside its group have had their SIGTERM
    forced_at: float | None = None
    given_up: bool = False
    ended_at: float | None = None  # wall; the shim is gone
    exit_code: int | None = None
    reason: str = ""

    @property
    def pid(self) -> int:
        return self.spawned.pid

    @property
    def in_doubt(self) -> bool:
        """Whether processes of it may live on that the end of the run has to wait for."""
        unknown = self.ended_at is not None and self.exit_code is None
        return self.released and (self.stopping or unknown)


class Supervisor:
    def __init__(
        self, *, clock: Clock, post: Callable[[Message], None], runs_dir: str, outputs: Outputs
    ) -> None:
        self._clock = clock
        self._post = post
        self._runs_dir = runs_dir
        self._outputs = outputs
        self._pending: deque[Start] = deque()
        self._waiting: deque[tuple[float, _Child]] = deque()  # mono instant; they share a second
        self._release_timer = Timer(CLOCK_BOOTTIME)
        asyncio.get_running_loop().add_reader(self._release_timer.fd, self._release_due)
        self._children: dict[str, _Child] = {}
        self._pumping = False
        self._sweeping: asyncio.TimerHandle | None = None
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
        child = _Child(run=run, task=task, spawned=spawned, pidfd=pidfd)
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

    def _release(self, child: _Child) -> None:
        """Now the command begins."""
        if child.go_closed:
            return
        child.go_closed = True
        child.released = release(child.spawned)
        if child.released:
            self._post(Started(run_id=child.run.id, pid=child.pid))
            self._capping.watch()

    # ── ending ────────────────────────────────────────────────────────────────────────────

    def _reap(self, child: _Child) -> None:
        """The shim is gone. It ends with the command's code, or was killed itself."""
        asyncio.get_running_loop().remove_reader(child.pidfd)
        result = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
        os.close(child.pidfd)
        child.ended_at = self._clock.now().wall
        if result is not None and result.si_code == os.CLD_EXITED:
            child.exit_code = result.si_status
        else:
            child.reason = "its shim was killed; how the command ended is not known"
        if not child.released:
            self._withdraw(child)
        elif child.in_doubt:
            self._sweep_soon(0)
        else:
            self._finish(child)

    def _withdraw(self, child: _Child) -> None:
        """Its shim ended before it was released: the command never began."""
        if not child.go_closed:
            child.go_closed = True
            os.close(child.spawned.go)
        del self._children[child.run.id]
        self._outputs.discard(child.run)
        reason = "stopped before it started" if child.stopping else "its shim did not start it"
        self._post(NotStarted(run_id=child.run.id, reason=reason))

    def _finish(self, child: _Child) -> None:
        del self._children[child.run.id]
        self._outputs.close(child.run, child.task, live=self._children.keys())
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
        if not child.released:
            if not child.go_closed:
                child.go_closed = True
                os.close(child.spawned.go)  # the shim ends by itself, and is then withdrawn
            return
        if by_force:
            child.forced_at = child.forced_at or self._clock.now().mono
        elif child.ended_at is None:
            processes.send_group(child.pid, signal.SIGTERM)
        if child.ended_at is None:
            processes.send_group(child.pid, signal.SIGCONT)  # a stopped process hears nothing
        self._sweep_soon(0)

    def _cancel(self, run_id: str) -> None:
        """A stop that overtook its start: the run leaves the queue and was never there."""
        for item in self._pending:
            if item.run.id == run_id:
                self._pending.remove(item)
                break
        # Known here or not: the core believes in it, and nothing of it lives or will.
        self._post(NotStarted(run_id=run_id, reason="stopped before it started"))

    def _sweep_soon(self, delay: float) -> None:
        if self._sweeping is not None:
            if delay:
                return
            self._sweeping.cancel()
        self._sweeping = asyncio.get_running_loop().call_later(delay, self._sweep)

    def _sweep(self) -> None:
        """One look at /proc for all runs that are to end."""
        self._sweeping = None
        doubtful = [child for child in self._children.values() if child.in_doubt]
        found = processes.find({child.run.id: self._session(child) for child in doubtful})
        mono = self._clock.now().mono
        for child in doubtful:
            self._press(child, found[child.run.id], mono)
        if any(c.in_doubt and (c.forced_at or c.ended_at) for c in self._children.values()):
            self._sweep_soon(SWEEP)

    def _session(self, child: _Child) -> int:
        """The session to look for; 0 (none) when its leader has ended and the pid lives again,
        which the kernel allows only once nothing of the session is left."""
        reused = child.ended_at is not None and os.path.exists(f"/proc/{child.pid}")
        return 0 if reused else child.pid

    def _press(self, child: _Child, alive: list[processes.Process], mono: float) -> None:
        if child.forced_at is not None:
            for process in alive:
                processes.send(process, signal.SIGKILL)
            if mono >= child.forced_at + GIVE_UP:
                self._give_up(child, alive)
        elif child.stopping and not child.told:
            child.told = True
            for process in alive:
                if process.group != child.pid:
                    processes.send(process, signal.SIGTERM)
        if child.ended_at is not None and not alive:
            self._finish(child)

    def _give_up(self, child: _Child, alive: list[processes.Process]) -> None:
        """Nothing can be done to these. A shim that waits for nobody (stopped, say) is killed."""
        if alive and not child.given_up:
            child.given_up = True
            self._post(Survived(run_id=child.run.id, processes=tuple(map(str, alive))))
        elif not alive and child.ended_at is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._release_timer.fd)
        self._release_timer.close()
