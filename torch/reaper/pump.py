"""The thread that reads the output of runs and writes it into their files.

Owns the reading ends of the FIFOs. A disk that is slow or frozen blocks only this thread, not the
spawning and reaping. Its reports (a run's output was read, closed, or lost) go into a queue, and
the other thread is woken for them.

It has a table of descriptors of its own: a spawn copies and closes every descriptor that the
spawning thread has, and ten thousand FIFOs there would make each spawn ten times as long.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import threading
from collections import deque

from torch.linux import unshare_descriptors
from torch.reaper.instants import pause, since_boot
from torch.reaper.output import Output

_CHUNK = 64 << 10
_TRIES = 50

LOOK, OFTEN = 0.2, 0.02
"""Seconds between two looks at files that runs write themselves; the second while one is over
its cap."""

LAST = ("closed", "dropped")
"""After one of these words nothing more is told of a source."""

QUIET = 0.02
"""Seconds to wait before each look while runs are being started."""

TELL = 1.0
"""Seconds between two reports of lost output."""


class Source:
    """What one run prints. `ready`: it is open here, so nothing that is printed can be lost, or it
    never will be. `problem`: it could not be opened so far, for that reason."""

    __slots__ = ("alone", "fd", "output", "over", "path", "problem", "ready", "remove", "run")

    def __init__(self, run: str, path: str, output: Output, *, remove: bool = False) -> None:
        self.run = run
        self.path = path  # of the FIFO; '' for a file that the run writes itself
        self.output = output
        self.remove = remove  # the FIFO goes when it is closed
        self.fd = -1
        self.ready = False
        self.problem = ""
        self.alone = remove  # perhaps nobody has it open any more
        self.over = False  # its last word is told


class Pump:
    """`told` holds (what, source, bytes, bytes left, reason): 'drained', 'lost', and as the last
    word of each source 'closed' or 'dropped': nobody has its FIFO open here any more."""

    def __init__(self) -> None:
        self.told: deque[tuple[str, Source, int, int, str]] = deque()
        self.event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)  # readable: something is told
        self.is_quiet = False  # the other thread is starting runs: it needs the interpreter more
        self.open = 0  # sources whose last word was not heard so far
        self._asked: deque[tuple[str, Source]] = deque()
        self._sources: dict[int, Source] = {}
        self._direct: list[Source] = []
        self._shut: list[Source] = []  # there are too many open files so far
        self._lost: dict[str, Source] = {}
        self._tell_at = 0.0
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._woken = False  # it is yet to look at what was asked: to wake it again costs a turn
        self._begun = threading.Event()
        # Signals are the other thread's: to be woken by one is to write to a descriptor of its.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        threading.Thread(target=self._begin, daemon=True).start()
        self._begun.wait()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    # ── called by the other thread ────────────────────────────────────────────────────────

    def add(self, source: Source) -> None:
        """It is opened, and read from then on."""
        self.open += 1
        self.ask("open", source)

    def ask(self, what: str, source: Source) -> None:
        """'drain': say 'drained' when all that was printed before this moment is in its file.
        'end': its command has ended; a file that it wrote itself is finished. 'drop': it never
        began, and is not in use any more."""
        self._asked.append((what, source))
        if not self._woken:
            self._woken = True
            os.eventfd_write(self._wake, 1)

    # ── the thread ────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        unshare_descriptors()
        low, high = sorted((self.event, self._wake))
        for first, last in ((3, low), (low + 1, high), (high + 1, 1 << 16)):
            os.closerange(first, last)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._begun.set()
        self._go_on()

    def _go_on(self) -> None:
        buffer = memoryview(bytearray(_CHUNK))
        wait = -1.0
        while True:
            if self.is_quiet:
                pause(QUIET)
            events = self._epoll.poll(wait)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            self._woken = False  # after the reading and before the looking: no wake-up is lost
            # By source, not by number: what was asked may close one and open another as its number,
            # and to read a FIFO that nobody writes to so far is to see its end.
            ready = [self._sources[fd] for fd, _ in events if fd in self._sources]
            # First what was asked: a FIFO that is used again must not be read for its last run.
            while self._asked:
                self._answer(*self._asked.popleft(), buffer)
            for source in ready:
                if source.fd >= 0:
                    self._read(source, buffer)
            self._open_late()
            over = [source.output.look() for source in self._direct]
            self._tell_lost()
            wait = -1.0
            if over or self._shut:
                wait = OFTEN if any(over) else LOOK
            if self._lost:
                wait = TELL if wait < 0 else min(wait, TELL)
            if self.told:
                os.eventfd_write(self.event, 1)

    def _answer(self, what: str, source: Source, buffer: memoryview) -> None:
        if what == "open":
            self._open(source)
        elif what == "drop":
            if not source.over:  # its writers are gone too, and that may have been seen first
                self._let_go(source)
                self._tell("dropped", source)
        elif what == "drain":
            for _ in range(_TRIES):  # a pipe has 64 KiB, or a MiB at the most
                if source.fd < 0 or not self._read(source, buffer):
                    break
            self._tell("drained", source)
        elif source in self._shut:
            source.alone = True
        elif source.fd < 0 and not source.over:
            self._close(source)

    def _open(self, source: Source) -> None:
        if not source.path:
            source.ready = True
            self._direct.append(source)
            return
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        tries = 0 if self._shut or source.problem else _TRIES
        for last in (*[False] * tries, True):
            try:
                source.fd = os.open(source.path, flags)
                break
            except OSError as error:
                if error.errno != errno.EMFILE:  # somebody has swept it away
                    source.problem = error.strerror or str(error)
                    source.ready = True
                    if source.alone:
                        self._close(source)
                    return
                if last:
                    source.problem = error.strerror or str(error)
                    self._shut.append(source)
                    return
                pause(0.001)  # the thread that spawns has lowered the limit for a moment
        self._sources[source.fd] = source
        source.problem = ""
        source.ready = True
        self._epoll.register(source.fd, select.EPOLLIN)
        if source.alone:
            # The end of all writers is only reported to who has seen one come (pipe_poll in
            # Linux's fs/pipe.c).
            with contextlib.suppress(OSError):
                os.close(os.open(source.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def _open_late(self) -> None:
        shut, self._shut = self._shut, []
        for source in shut:
            self._open(source)

    def _read(self, source: Source, buffer: memoryview) -> bool:
        """One piece, so that no run starves the others; at the end of all writers it is closed.
        False: there is nothing more now."""
        try:
            count = os.readv(source.fd, [buffer])
        except BlockingIOError:
            return False
        except OSError:
            count = 0
        if count == 0:
            self._close(source)
            return False
        source.output.write(buffer[:count])
        if source.output.lost:
            self._lost[source.run] = source
        return True

    def _close(self, source: Source) -> None:
        self._let_go(source)
        cut, size = source.output.close()
        if source.output.lost:
            self._tell_at = 0.0
            self._tell_lost()
        self._tell("closed", source, cut, size=size)

    def _let_go(self, source: Source) -> None:
        if source.fd >= 0:
            self._epoll.unregister(source.fd)
            del self._sources[source.fd]
            os.close(source.fd)
            source.fd = -1
        for each in (self._direct, self._shut):
            if source in each:
                each.remove(source)
        if source.remove:
            with contextlib.suppress(OSError):  # swept away already
                os.unlink(source.path)
            with contextlib.suppress(OSError):  # of a dead reaper: the last one out
                os.rmdir(os.path.dirname(source.path))

    def _tell_lost(self) -> None:
        if not self._lost or since_boot() < self._tell_at:
            return
        self._tell_at = since_boot() + TELL
        for source in self._lost.values():
            output = source.output
            self._tell("lost", source, output.lost, reason=output.reason)
            output.lost, output.reason = 0, ""
        self._lost.clear()

    def _tell(
        self, what: str, source: Source, count: int = 0, *, size: int = 0, reason: str = ""
    ) -> None:
        source.over = source.over or what in LAST
        self.told.append((what, source, count, size, reason))
