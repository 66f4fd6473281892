"""Stopping a run, and waiting until nothing of it is left.

Owns the signals of a stop and the sweep over /proc that goes on until a run that was stopped,
or whose shim was killed, has no process any more. The shim of a run is signalled last or not
at all, so that the exit code is still written down. Must not decide when a run is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping

from torch.clock import Clock
from torch.daemon import processes
from torch.daemon.child import Child
from torch.schedule.messages import Message, Survived

SWEEP = 0.1
"""Seconds between two looks at what is to end."""

PATIENT_SWEEP = 1.0
"""The same for what nobody pressed to end: the command of a shim that was killed."""

GIVE_UP = 5.0
"""Seconds of SIGKILL after which what is left is named and no longer waited for."""


class Stopping:
    def __init__(
        self, *, clock: Clock, post: Callable[[Message], None],
        children: Mapping[str, Child], finish: Callable[[Child], None],
    ) -> None:  # fmt: skip
        """`finish` is called once for a child of which nothing is left."""
        self._clock = clock
        self._post = post
        self._children = children
        self._finish = finish
        self._sweeping: asyncio.TimerHandle | None = None

    def stop(self, child: Child, *, by_force: bool) -> None:
        """SIGTERM to the run, wherever its processes are; by force SIGKILL until none is left."""
        if by_force:
            child.forced_at = child.forced_at or self._clock.now().mono
        if child.ended_at is None and not child.adopted:
            # We hold the shim unreaped, so its group is its own. An adopted one is no child of
            # ours: its processes are signalled one by one, each by a pidfd that was checked.
            if not by_force:
                processes.send_group(child.pid, signal.SIGTERM)
            processes.send_group(child.pid, signal.SIGCONT)  # a stopped process hears nothing
        self.sweep_soon(0)

    def sweep_soon(self, delay: float) -> None:
        if self._sweeping is not None:
            if delay:
                return
            self._sweeping.cancel()
        self._sweeping = asyncio.get_running_loop().call_later(delay, self._sweep)

    def _sweep(self) -> None:
        """One look at /proc for all runs that are to end."""
        self._sweeping = None
        doubtful = [child for child in self._children.values() if child.in_doubt]
        found = processes.find({child.run.id: _session(child) for child in doubtful})
        mono = self._clock.now().mono
        for child in doubtful:
            self._press(child, found[child.run.id], mono)
        waiting = [c for c in self._children.values() if c.in_doubt and (c.forced_at or c.ended_at)]
        if waiting:
            pressed = any(child.stopping for child in waiting)
            self.sweep_soon(SWEEP if pressed else PATIENT_SWEEP)

    def _press(self, child: Child, alive: list[processes.Process], mono: float) -> None:
        if child.forced_at is not None:
            for process in alive:
                processes.send(process, signal.SIGKILL)
            if mono >= child.forced_at + GIVE_UP:
                self._give_up(child, alive)
        elif child.stopping and not child.told:
            child.told = True
            for process in alive:
                if child.adopted or child.ended_at is not None or process.group != child.pid:
                    processes.send(process, signal.SIGTERM)
                    processes.send(process, signal.SIGCONT)
        if child.ended_at is not None and not alive:
            self._finish(child)

    def _give_up(self, child: Child, alive: list[processes.Process]) -> None:
        """Nothing can be done to these. A shim that waits for nobody (stopped, say) is killed."""
        if alive and not child.given_up:
            child.given_up = True
            self._post(Survived(run_id=child.run.id, processes=tuple(map(str, alive))))
        elif not alive and child.ended_at is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)


def _session(child: Child) -> int:
    """The session to look for; 0 (none) when its leader has ended and the pid lives again,
    which the kernel allows only once nothing of the session is left."""
    reused = child.ended_at is not None and processes.lives(child.pid)
    return 0 if reused else child.pid
