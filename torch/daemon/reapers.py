"""All running reapers: ours, which gets new runs, and those of earlier services.

Owns starting ours, and starting another one when it was killed, and finding the others by their
directories. The facts of all go to one listener. Must not know what a run is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable

from torch.daemon.dead_reapers import Remains
from torch.daemon.link import Link, connect
from torch.errors import SettingsError, TryAgain
from torch.event import Event, PartFailed
from torch.reaper import journal
from torch.reaper.journal import Found

LIMIT = 10.0
"""Seconds that our reaper may take to begin."""

PATIENCE = 2.0
"""Seconds that the reaper of an earlier service has to say what it has: more than one needs, on a
host that is busy with starting us."""

AGAIN, LONGEST = 0.05, 5.0
"""Seconds before ours is started again when it was killed; they double up to the second."""

_DESCRIPTOR = 3
_LOOK, _LOOKS, _OTHER_LOOKS = 0.01, 200, 20
"""Seconds between two looks whether it is dead, and how many."""


class Reapers:
    def __init__(self, directory: str, *, name: str, tell: Callable[[Event], None]) -> None:
        """`directory`: of all reapers; `name`: that no other service has used, for ours."""
        self._directory = directory
        self._name = name
        self._count = 0
        self._tell = tell
        self._hear: Callable[[Link, list[bytes]], None] = lambda _, __: None
        self._lost: Callable[[Link, Found], None] = lambda _, __: None
        self._began: Callable[[Link], None] = lambda _: None
        self.remains = Remains()
        self._delay = AGAIN
        self._closing = False
        self._again: asyncio.TimerHandle | None = None
        self.ours: Link | None = None
        self.others: list[Link] = []
        self._found: list[Link] = []  # among these, until what they have is adopted

    def report_to(
        self, hear: Callable[[Link, list[bytes]], None], lost: Callable[[Link, Found], None],
        began: Callable[[Link], None],
    ) -> None:  # fmt: skip
        """`hear` gets every fact of every reaper; `lost` is called when one is gone, with what its
        journal says; `began` with ours, each time there is another one."""
        self._hear, self._lost, self._began = hear, lost, began

    def all(self) -> list[Link]:
        return [*self.others, *([self.ours] if self.ours is not None else [])]

    # ── ours ──────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Ours is there and listens. Raises SettingsError and TryAgain."""
        try:
            link = self._spawn()
        except OSError as error:
            raise SettingsError(
                f"the process that runs tasks cannot be started: {error}",
                hint="free memory, processes or disk space, and start again",
            ) from error
        try:
            await asyncio.wait_for(link.settled.wait(), LIMIT)
        except TimeoutError:
            raise TryAgain(
                f"the process that runs tasks was not ready within {LIMIT:g} s",
                hint="the host may be overloaded; start again",
            ) from None
        if link.closed:
            raise SettingsError(
                f"the process that runs tasks could not start: {link.failure or 'it was killed'}",
                hint="free disk space, or choose another --state-dir",
            )

    def _spawn(self) -> Link:
        self._count += 1
        directory = f"{self._directory}/{self._name}-{self._count}"
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        os.mkdir(directory, 0o700)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # -I: nothing of the caller's Python environment, nor its directory, reaches it.
            argv = [sys.executable, "-I", "-m", "torch.reaper", directory]
            pid = os.posix_spawn(
                argv[0], argv, {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}, setsid=True,
                setsigmask=(), setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
                    (os.POSIX_SPAWN_DUP2, 0, 1),
                    (os.POSIX_SPAWN_DUP2, 0, 2),
                    (os.POSIX_SPAWN_DUP2, there.fileno(), _DESCRIPTOR),
                ],
            )  # fmt: skip
        except OSError:
            here.close()
            os.rmdir(directory)
            raise
        finally:
            there.close()
        self.ours = Link(directory, here, ours=True, pid=pid)
        self.ours.listen(self._fact, self._lose)
        return self.ours

    def _fact(self, link: Link, message: list[bytes]) -> None:
        self._delay = AGAIN
        self._hear(link, message)

    def _lose(self, link: Link) -> None:
        """A reaper has ended, or was killed, or does not want to hear us."""
        if link is not self.ours:
            self.others.remove(link)
            if not link.gathers:  # else it is looked at again when all is gathered
                self._lose_other(link, _OTHER_LOOKS)
            return
        self.ours = None
        if self._closing or not link.settled.is_set() or link.failure:
            return
        self._await_death(link, _LOOKS)

    def _lose_other(self, link: Link, looks: int) -> None:
        """The socket of one that dies is closed a moment before it lets go of its journal."""
        found = journal.read(f"{link.directory}/journal")
        if found.held and looks:
            loop = asyncio.get_running_loop()
            loop.call_later(_LOOK, self._lose_other, link, looks - 1)
            return
        if found.held:
            self._tell(_does_not_speak(link.directory, link.failure))
        self._lost(link, found)

    def _await_death(self, link: Link, looks: int) -> None:
        """Its socket is closed a moment before its children are ours."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(link.pid, os.WNOHANG)[0] == 0:
                if looks == 0:  # it lives, and has broken with us: two of ours would be a riddle
                    os.kill(link.pid, signal.SIGKILL)
                loop.call_later(_LOOK, self._await_death, link, looks - 1)
                return
        self._tell(
            PartFailed(part="the reaper", reason="it was killed; another one will be started")
        )
        self._lost(link, journal.read(f"{link.directory}/journal"))
        self._start_again()

    def _start_again(self) -> None:
        self._again = None
        if self._closing or self.ours is not None:
            return
        try:
            link = self._spawn()
        except OSError as error:
            self._tell(PartFailed(part="the reaper", reason=f"it cannot be started: {error}"))
            delay, self._delay = self._delay, min(self._delay * 2, LONGEST)
            self._again = asyncio.get_running_loop().call_later(delay, self._start_again)
        else:
            self._began(link)

    # ── those of earlier services ─────────────────────────────────────────────────────────

    async def find(self) -> tuple[list[Link], dict[str, Found]]:
        """(those that live, and will be heard; the journals of the others by their directory: most
        are dead, and of one that lives and cannot be spoken with the journal is held). One that
        lives and says nothing for PATIENCE is among the first, not settled."""
        links, unheard = [], {}
        for directory in self._listed():
            link = connect(directory)
            if link is None:
                unheard[directory] = ""
            else:
                links.append(link)
        for link in links:
            link.listen(self._hear, self._lose)
        self.others += links
        waits = [asyncio.create_task(link.settled.wait()) for link in links]
        if waits:
            await asyncio.wait(waits, timeout=PATIENCE)
            for each in waits:
                each.cancel()
        unheard |= {link.directory: link.failure for link in links if link.closed}
        self._found = [link for link in links if not link.closed]
        for link in self._found:
            if not link.settled.is_set():
                self._tell(PartFailed(part=_part(link.directory), reason="it does not answer"))
        return [*self._found], {each: await self._last_words(each, why)
                                for each, why in unheard.items()}  # fmt: skip

    async def _last_words(self, directory: str, failure: str) -> Found:
        for _ in range(_OTHER_LOOKS):
            found = journal.read(f"{directory}/journal")
            if not found.held:
                return found
            await asyncio.sleep(_LOOK)
        self._tell(_does_not_speak(directory, failure))
        return found

    def go_on(self) -> None:
        """What was found is adopted: the facts of those that live are heard from here on."""
        found, self._found = self._found, []
        for link in found:
            link.go_on()
            if link.closed:
                self._lose_other(link, _OTHER_LOOKS)

    def _listed(self) -> list[str]:
        ours = self.ours.name if self.ours is not None else ""
        try:
            names = sorted(os.listdir(self._directory))
        except OSError:
            return []
        return [f"{self._directory}/{name}" for name in names if name != ours]

    def read_elsewhere(self) -> set[str]:
        """The FIFOs of dead ones that reapers of earlier services read."""
        found = (journal.read(f"{link.directory}/journal", probe=False) for link in self.others)
        return {said.fifo for each in found for said in each.runs.values()}

    def close(self) -> None:
        """They go on without us, until what they have has ended."""
        self._closing = True
        if self._again is not None:
            self._again.cancel()
        for link in self.all():
            link.close()


def _part(directory: str) -> str:
    return f"the reaper {os.path.basename(directory)} of an earlier service"


def _does_not_speak(directory: str, failure: str) -> PartFailed:
    why = failure or "it is running, but communication with it is not possible"
    reason = f"{why}; the outcome of its runs is read from its journal"
    return PartFailed(part=_part(directory), reason=reason)
