"""Runs whose reaper was killed: they are still active, have ended, or never began.

Owns telling these apart while a service runs. If our own reaper is killed, its runs become our
children, since we are a child subreaper, and we wait for them ourselves. Runs of an earlier
service's reaper become children of process 1, so their codes are not known. The next reaper
continues to read their output.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

from torch.clock import Clock
from torch.daemon.child import Child
from torch.daemon.link import Link
from torch.daemon.output import Outputs
from torch.daemon.reapers import Reapers
from torch.reaper import fronts, journal, marks, processes
from torch.reaper.journal import Found, Said
from torch.reaper.processes import Stat, Tie
from torch.run import Usage
from torch.schedule.commands import Start
from torch.schedule.evidence import NOTHING_SAID, REAPER_KILLED
from torch.task import Output


class Orphans:
    def __init__(
        self, *, clock: Clock, children: dict[str, Child], reapers: Reapers, outputs: Outputs,
        follow: Callable[[Child], None], again: Callable[[Start], None],
        sweep: Callable[[float], None], begun: Callable[[Child, int, int, int], None],
    ) -> None:  # fmt: skip
        """`follow` is called when a first process is gone, `again` for what never began."""
        self._clock = clock
        self._children = children
        self._reapers = reapers
        self._outputs = outputs
        self._follow = follow
        self._again = again
        self._sweep = sweep
        self._begun = begun
        self._unread: list[tuple[str, Said]] = []  # output of runs of dead reapers
        self._held: dict[str, int] = {}  # their FIFOs, until they are closed
        self._strays: dict[int, int] = {}  # pid -> pidfd: left behind by runs, and ours now

    # ── a reaper is gone ──────────────────────────────────────────────────────────────────

    def lost(self, link: Link, found: Found) -> None:
        theirs = [child for child in self._children.values() if child.link is link]
        seen = processes.table()
        for child in theirs:
            child.journal = f"{link.directory}/journal" if found.held else ""
            self._tell_apart(child, found.runs.get(child.run.id), link, seen)
        if not found.held:  # else it lives, and reads what its runs print
            self._reapers.remains.keep(link.directory, {child.run.id for child in theirs})
            self.read_on(found)
        if link.ours:
            self._take_strays(seen)

    @staticmethod
    def read_end(child: Child) -> None:
        """Its reaper lives and cannot be spoken with: it has written down how it ended."""
        said = journal.read(child.journal, probe=False).runs.get(child.run.id)
        if said is not None and said.ended is not None:
            child.exit_code, child.signal, child.ended_at, cpu, rss = said.ended
            child.usage = None if cpu is None else Usage(cpu_seconds=cpu, max_rss=rss)
            child.reason = ""

    def _tell_apart(
        self, child: Child, said: Said | None, link: Link, seen: dict[int, Stat]
    ) -> None:
        child.link = None  # but its output may still be read by another one
        if child.ended_at is not None:  # it is being swept
            return
        if said is not None and said.ended is not None:
            pid, birth = child.pid or said.pid or 0, child.birth or said.birth
            self._begun(child, pid, birth, child.mark or said.mark)
            child.exit_code, child.signal, child.ended_at, cpu, rss = said.ended
            child.usage = None if cpu is None else Usage(cpu_seconds=cpu, max_rss=rss)
            if link.ours:  # written down, and perhaps not waited for
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            self._follow(child)
        elif not child.begun and (said is None or not said.begun):
            self.never_began(child)
        else:
            self._look_for(child, said, link, seen)

    def never_began(self, child: Child) -> None:
        """Proven: its reaper is dead and has no line of it, or says that it has not the run. So it
        begins now, unless it was told to stop."""
        if child.stopping or not child.may_begin:
            child.begun = False
            self._follow(child)
            return
        del self._children[child.run.id]
        self._again(child.start or Start(run=child.run, task=child.task))

    def _look_for(self, child: Child, said: Said | None, link: Link, seen: dict[int, Stat]) -> None:
        pid, birth = child.pid, child.birth
        mark = child.mark or (said.mark if said is not None else 0)
        if not pid and said is not None:
            pid, birth = said.pid or 0, said.birth
        if not pid:
            pid, birth = self._by_mark(child.run.id, mark, seen)
        self._begun(child, pid, birth, mark)
        first = seen.get(pid)
        if link.ours and first is not None and first.parent == os.getpid():
            self._wait_for(child)
        else:
            child.ended_at = self._clock.now().wall
            child.reason = REAPER_KILLED if pid else NOTHING_SAID
            self._sweep(0)

    @staticmethod
    def _by_mark(run_id: str, mark: int, seen: dict[int, Stat]) -> tuple[int, int]:
        """The first process of a run whose S line was never written: it leads a session, and
        where it has ended it waits to be reaped by us."""
        for pid in processes.children(os.getpid(), seen):
            if mark and seen[pid].session == pid and marks.of(pid) == mark:
                return pid, seen[pid].started
        for process in processes.find({run_id: Tie(0, mark=mark)}, among=seen)[run_id]:
            if seen[process.pid].session == process.pid:
                return process.pid, process.started
        return 0, 0

    def _wait_for(self, child: Child) -> None:
        """It is our own child now."""
        try:
            child.pidfd = os.pidfd_open(child.pid)
        except OSError:
            asyncio.get_running_loop().call_soon(self._reap, child)
            return
        asyncio.get_running_loop().add_reader(child.pidfd, self._reap, child)

    def _reap(self, child: Child) -> None:
        if child.ended_at is not None:
            return
        front = fronts.still(child.pid) if child.fronted else ""
        try:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if not pid:
                return
        except ChildProcessError:
            pid = 0
        if child.pidfd >= 0:
            asyncio.get_running_loop().remove_reader(child.pidfd)
            os.close(child.pidfd)
            child.pidfd = -1
        child.ended_at = self._clock.now().wall
        if pid:
            code = os.waitstatus_to_exitcode(status)
            child.exit_code = code if code >= 0 else 128 - code
            child.signal = -code if code < 0 else None
            child.usage = Usage(cpu_seconds=usage.ru_utime + usage.ru_stime, max_rss=None)
            if front and code in fronts.CODES:
                child.begun = False
                child.reason = f"{front} could not start its command; its output says why"
        else:
            child.reason = REAPER_KILLED
        self._follow(child)

    # ── their output ──────────────────────────────────────────────────────────────────────

    def read_on(self, found: Found) -> None:
        """What runs of a dead reaper print is read by ours, and by the one after it; not by two at
        once, which would tear lines apart: another one may have it of an earlier service."""
        read = self._reapers.read_elsewhere()
        for run_id, said in found.runs.items():
            if said.fifo and said.fifo not in read:
                self._hold(run_id, said.fifo)
                self._unread.append((run_id, said))
        if self._reapers.ours is not None:
            self.reaper_began(self._reapers.ours)

    def _hold(self, run_id: str, fifo: str) -> None:
        """What is in a FIFO is gone with the last who has it open: it must not be the run, before
        the next reaper is there."""
        self.let_go(run_id)
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
            self._held[run_id] = os.open(fifo, flags)

    def let_go(self, run_id: str) -> None:
        """Its output is closed."""
        if (fd := self._held.pop(run_id, -1)) >= 0:
            os.close(fd)

    def reaper_began(self, link: Link) -> None:
        unread, self._unread = self._unread, []
        for run_id, said in unread:
            child = self._children.get(run_id)
            most = child.task.output.max_size if child is not None else Output().max_size
            path = self._outputs.path_of(said.task, run_id)
            words = (run_id.encode(), os.fsencode(said.fifo), os.fsencode(path), b"%d" % most)
            link.owe(b"pump", *words)
        link.flush()

    # ── what runs had left behind ─────────────────────────────────────────────────────────

    def _take_strays(self, seen: dict[int, Stat]) -> None:
        """Children of the reaper that were no run's first process are ours now, and somebody must
        wait for them. Those of our own are programs of torch, for which others wait."""
        known = {child.pid for child in self._children.values()}
        for pid in processes.children(os.getpid(), seen):
            if pid in known or pid in self._strays or is_torch(pid):
                continue
            with contextlib.suppress(OSError):
                self._strays[pid] = os.pidfd_open(pid)
                asyncio.get_running_loop().add_reader(self._strays[pid], self._bury, pid)

    def _bury(self, pid: int) -> None:
        fd = self._strays.pop(pid)
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        self._take_strays(processes.table())  # its children are ours from now on

    def close(self) -> None:
        for fd in self._strays.values():
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        self._strays.clear()
        for run_id in [*self._held]:
            self.let_go(run_id)


def is_torch(pid: int) -> bool:
    """Whether it is a program of ours, and no run's."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return False
    return words[0] == os.fsencode(sys.executable) and any(w.startswith(b"torch.") for w in words)
