"""The directories that a service has for itself: its locks, its socket and its pid file.

Owns the check that they still belong to this service. A lock on a removed file keeps no other
service out, so the lock file is checked before anything starts: a service that has lost it stops
its runs, because a new service may run the same tasks, and ends. Files that a cleaner removed from
the run directory are made again. The locks are released last: the kernel drops them with the
process, after everything that still writes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from torch.daemon import lock
from torch.daemon.control import Control
from torch.errors import TorchError, TryAgain
from torch.event import Event, PartFailed, PartRecovered, PlaceLost, PlaceRestored
from torch.settings import Settings

_PART = "a directory of the service"
_REFUSED = 2
"""Beats at which another must hold the lock of the run directory: a `torch start` that will be
refused holds it for a moment."""


class Place:
    def __init__(
        self, settings: Settings, *, tell: Callable[[Event], None], make_folders: Callable[[], None]
    ) -> None:
        """`make_folders` makes those that are missing, and raises TorchError."""
        self._settings = settings
        self._tell = tell
        self._make_folders = make_folders
        self._held: dict[str, int] = {}  # lock file -> its descriptor
        self._control: Control | None = None
        self._lost = False
        self._failing = False
        self._refused = 0
        self._restoring: asyncio.Task[None] | None = None

    def take(self, pause: Callable[[float], None]) -> None:
        """Raises TryAgain naming the holder, and SettingsError or NotPermitted."""
        for path in dict.fromkeys((self._settings.lock, self._settings.state_lock)):
            self._held[path] = lock.take(path, pause=pause)

    def settle(self, control: Control) -> None:
        """Makes the socket and the pid file. Raises SettingsError."""
        control.make()
        self._control = control
        lock.write_pid(self._settings.pid_file)

    def leave(self) -> None:
        """The pid file goes, if it is ours."""
        if lock.is_ours(self._held[self._settings.lock], self._settings.lock):
            lock.remove_pid(self._settings.pid_file)

    def is_ours(self) -> bool:
        """Whether nobody else can have this state directory: one stat."""
        path = self._settings.state_lock
        return not self._lost and lock.is_ours(self._held[path], path)

    def lost(self) -> str:
        """Says once, here and in the log, why this service must end; else ''."""
        if self._lost or self.is_ours():
            return ""
        path = self._settings.state_lock
        there = os.path.lexists(path)
        return self._lose(path, "now belongs to another service" if there else "was removed")

    def _lose(self, path: str, reason: str) -> str:
        self._lost = True
        self._tell(PlaceLost(path=path, reason=reason))
        return f"{path} {reason}"

    # ── what was removed from the run directory ───────────────────────────────────────────

    def restore_soon(self, stop: Callable[[str], None]) -> None:
        """At the beat. `stop` is told if another service has the run directory."""
        if not self._lost and (self._restoring is None or self._restoring.done()):
            self._restoring = asyncio.get_running_loop().create_task(self._restore(stop))

    async def _restore(self, stop: Callable[[str], None]) -> None:
        made: list[str] = []
        try:
            self._make_folders()
            self._take_again(made)
            if self._control is not None and not self._control.is_there:
                await self._control.make_again()
                made.append(self._settings.socket)
            if not os.path.lexists(self._settings.pid_file):
                lock.write_pid(self._settings.pid_file)
                made.append(self._settings.pid_file)
        except TryAgain as error:
            self._refused += 1
            if self._refused >= _REFUSED:
                stop(self._lose(self._settings.lock, "now belongs to another service"))
            else:
                self._fail(error)
        except TorchError as error:
            self._fail(error)
        else:
            self._refused = 0
            if self._failing:
                self._failing = False
                self._tell(PartRecovered(part=_PART))
        if made:
            self._tell(PlaceRestored(paths=tuple(made)))

    def _take_again(self, made: list[str]) -> None:
        path = self._settings.lock
        if path == self._settings.state_lock or lock.is_ours(self._held[path], path):
            return
        old, self._held[path] = self._held[path], lock.take(path, pause=lambda _: None)
        os.close(old)
        made.append(path)

    def _fail(self, error: TorchError) -> None:
        if not self._failing:
            self._failing = True
            self._tell(PartFailed(part=_PART, reason=error.message))
