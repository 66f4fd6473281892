"""Stopping a run, and waiting until none of its processes is left.

Owns the signals of a stop and the sweep over /proc that goes on until a run that was stopped, or
whose reaper was killed, has no process any more. The parent of a run signals its group, so the pid
cannot be another process's; other processes are signalled through checked pidfds. Must not decide
when a run is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Container, Mapping

from torch.clock import Clock
from torch.daemon.child import Child
from torch.reaper import processes
from torch.schedule.messages import Message, Survived

SWEEP = 0.1
"""Seconds between two looks at runs that are being stopped."""

AT_ONCE = 0.01
"""Seconds to the second look that has to find nothing too: a process can start another one and end
while the first look goes past both."""

PATIENT_SWEEP = 1.0
"""Seconds between two looks at runs that lost their reaper and were not told to stop."""

GIVE_UP = 5.0
"""Seconds of SIGKILL after which the remaining processes are named and no longer waited for."""

EMPTY = 2
"""Consecutive looks that must find nothing."""


class Stopping:
    def __init__(
        self, *, clock: Clock, post: Callable[[Message], None], children: Mapping[str, Child],
        finish: Callable[[Child], None], never: Callable[[], Container[int]],
    ) -> None:  # fmt: skip
        """`finish` is called once for a child of which nothing is left; `never`: our own pids."""
        self._clock = clock
        self._post = post
        self._children = children
        self._finish = finish
        self._never = never
        self._sweeping: asyncio.TimerHandle | None = None

    def stop(self, child: Child, *, by_force: bool) -> None:
        """SIGTERM to the run, wherever its processes are; by force SIGKILL until none is left. What
        is of it is looked for before anything is signalled: ancestry ends with an ancestor."""
        if by_force:
            child.forced_at = child.forced_at or self._clock.now().mono
        self.sweep_soon(0)

    @staticmethod
    def _tell_group(child: Child) -> bool:
        """By its parent, which has not reaped it. False: nobody can; the sweep tells each."""
        if child.link is not None and not child.link.is_stopped():
            for number in (signal.SIGTERM, signal.SIGCONT):  # a stopped process hears nothing
                child.link.send(b"signal", child.run.id.encode(), b"%d" % number)
            return True
        if child.link is None and child.pidfd >= 0 and not child.run_file:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGTERM)
                os.killpg(child.pid, signal.SIGCONT)
            return True
        return False

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
        if not doubtful:
            return
        ties = {child.run.id: child.tie() for child in doubtful}
        found = processes.find(ties, never=self._never())
        mono = self._clock.now().mono
        for child in doubtful:
            self._press(child, found[child.run.id], mono)
        waiting = [c for c in self._children.values() if c.in_doubt and (c.forced_at or c.ended_at)]
        if waiting:
            pressed = any(child.stopping for child in waiting)
            almost = any(child.empty for child in waiting)
            self.sweep_soon(AT_ONCE if almost else SWEEP if pressed else PATIENT_SWEEP)

    def _press(self, child: Child, alive: list[processes.Process], mono: float) -> None:
        child.seen = {process.pid: process.started for process in alive}
        if child.forced_at is not None:
            for process in alive:
                processes.send(process, signal.SIGKILL)
            if mono >= child.forced_at + GIVE_UP:
                self._give_up(child, alive, mono)
        elif child.stopping and not child.told:
            child.told = True
            child.group_told = child.ended_at is None and self._tell_group(child)
            for process in alive:
                if not (child.group_told and process.group == child.pid):
                    processes.send(process, signal.SIGTERM)
                    processes.send(process, signal.SIGCONT)
        child.empty = 0 if alive or child.ended_at is None else child.empty + 1
        if child.empty >= EMPTY:
            self._finish(child)

    def _give_up(self, child: Child, alive: list[processes.Process], mono: float) -> None:
        """Nothing can be done to these. A reaper that does not say that its run is gone hangs."""
        if alive and not child.given_up:
            child.given_up = True
            self._post(Survived(run_id=child.run.id, processes=tuple(map(str, alive))))
        elif not alive and child.ended_at is None:
            late = mono >= (child.forced_at or mono) + 2 * GIVE_UP
            self._wake_parent(child, signal.SIGKILL if late else signal.SIGCONT)

    @staticmethod
    def _wake_parent(child: Child, number: signal.Signals) -> None:
        """Whoever waits for it is stopped, or hangs."""
        if child.link is not None:
            child.link.press(number)
        elif child.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
