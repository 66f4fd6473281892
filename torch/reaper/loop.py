"""The thread that spawns and reaps: orders in, facts out.

Owns its selector, and the choice of the service that gives orders. The only disk that it waits for
is that of the journal.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket

from torch.linux import CLOCK_BOOTTIME, Timer
from torch.reaper import service
from torch.reaper.deadlines import Deadlines
from torch.reaper.ends import Ends
from torch.reaper.instants import since_boot
from torch.reaper.journal import Journal
from torch.reaper.output import Output
from torch.reaper.pump import Pump, Source
from torch.reaper.runs import Run, Table, facts
from torch.reaper.service import Connection
from torch.reaper.spawning import Spawner
from torch.reaper.starts import Starts
from torch.reaper.wire import VERSION, BadFrame, Order


class Loop:
    def __init__(
        self, *, journal: Journal, spawner: Spawner, pump: Pump, listening: socket.socket,
        first: Connection,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._directory = spawner.directory
        self._listening = listening
        self._owner: Connection | None = first
        self._strangers: dict[int, Connection] = {}  # connected, and have not said hello
        self._troubled = ""
        self._timer = Timer(CLOCK_BOOTTIME)
        self._pump = pump
        self._table = Table()
        self._starts = Starts(
            self._table, journal=journal, spawner=spawner, pump=self._pump, tell=self._tell
        )
        self._ends = Ends(
            self._table, journal=journal, spawner=spawner, pump=self._pump, tell=self._tell
        )
        self._deadlines = Deadlines(self._table)
        self._epoll = select.epoll()
        self._died, dying = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(dying, warn_on_full_buffer=False)
        for fd in (self._timer.fd, pump.event, self._died, listening.fileno(), first.fileno()):
            self._epoll.register(fd, select.EPOLLIN)

    def run(self) -> None:
        """Returns when nobody gives orders and nothing is left to do."""
        while not self._is_over():
            self._set_timer()
            for fd, _ in self._epoll.poll(0 if self._starts.is_due() else -1):
                self._see(fd)
            self._starts.begin()
            self._ends.reap()
            self._ends.hear_pump()
            self._ends.tell_late()
            self._deadlines.look(since_boot())
            self._flush()

    def _is_over(self) -> bool:
        if self._owner is not None or self._strangers or self._pump.open > 0:
            return False
        return not self._table.of_pid

    def _see(self, fd: int) -> None:
        if fd == self._timer.fd:
            self._timer.clear()
        elif fd == self._pump.event:
            os.eventfd_read(self._pump.event)
        elif fd == self._died:
            os.read(self._died, 4096)
        elif fd == self._listening.fileno():
            connection = service.accept(self._listening)
            if connection is not None:
                self._strangers[connection.fileno()] = connection
                self._epoll.register(connection.fileno(), select.EPOLLIN)
        elif self._owner is not None and fd == self._owner.fileno():
            self._hear_owner(self._owner)
        elif fd in self._strangers:
            self._hear_stranger(self._strangers[fd])

    def _set_timer(self) -> None:
        soon = (self._starts.first(), self._ends.first(), self._deadlines.first())
        self._timer.set(min((at for at in soon if at is not None), default=None))

    # ── who gives the orders ──────────────────────────────────────────────────────────────

    def _hear_owner(self, owner: Connection) -> None:
        messages = owner.read()
        if messages is None:
            self._disown()
        else:
            self._hear_all(messages)

    def _hear_all(self, messages: list[list[bytes]]) -> None:
        try:
            for message in messages:
                self._hear(message)
        except (BadFrame, IndexError, ValueError):
            self._disown()  # it speaks another language; the next one may ask

    def _hear_stranger(self, connection: Connection) -> None:
        messages = connection.read()
        if messages == []:
            return
        del self._strangers[connection.fileno()]
        if messages is None or messages[0] != [b"hello", VERSION]:
            connection.send(b"failed", b"this reaper speaks version " + VERSION)
            connection.flush()
            connection.close()
            return
        self._disown()
        self._owner = connection
        connection.send(b"welcome", VERSION, b"%d" % os.getpid())
        for run in self._table.runs.values():
            for fact in facts(run):
                connection.send(*fact)
        if self._troubled:
            connection.send(b"trouble", self._troubled.encode())
        connection.send(b"settled")
        self._hear_all(messages[1:])  # it was not read for a while

    def _disown(self) -> None:
        """Whoever gave the orders is gone: what has not begun does not begin."""
        if self._owner is not None:
            self._owner.close()
            self._owner = None
            self._be_found()
        self._starts.drop_all()

    def _be_found(self) -> None:
        """By the next service, though somebody took our socket away."""
        if os.path.exists(f"{self._directory}/{service.SOCKET}"):
            return
        with contextlib.suppress(OSError):
            folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                listening = service.listen(folder)
            finally:
                os.close(folder)
            self._epoll.register(listening.fileno(), select.EPOLLIN)
            self._listening.close()
            self._listening = listening

    def _tell(self, *fields: bytes) -> None:
        if self._owner is not None:
            self._owner.send(*fields)

    def _flush(self) -> None:
        problem = self._journal.problem
        if problem != self._troubled:
            self._troubled = problem
            self._tell(b"trouble", problem.encode())
        owner = self._owner
        if owner is not None and owner.flush() is not owner.flushed:
            owner.flushed = not owner.flushed
            more = 0 if owner.flushed else select.EPOLLOUT
            self._epoll.modify(owner.fileno(), select.EPOLLIN | more)

    def _hear(self, message: list[bytes]) -> None:
        word = message[0]
        if word == b"start":
            self._starts.take(Order.unpack(message))
            return
        run_id = message[1].decode()
        run = self._table.runs.get(run_id)
        if word == b"pump":
            fifo, path, most = message[2].decode(), message[3].decode(), int(message[4])
            self._adopt_output(run_id, fifo, path, most)
        elif word == b"forget":
            if self._table.forget(run_id):
                self._journal.forget(run_id)
        elif word == b"cancel":
            self._starts.cancel(run_id)
        elif word == b"signal" and run is not None and run.lives:
            number = int(message[2])
            with contextlib.suppress(OSError, OverflowError):  # gone; no such signal
                os.killpg(run.pid, number)  # unreaped, so the group is its own
        elif word == b"deadline" and run is not None and run.lives:
            self._deadlines.set(run, since_boot(), float(message[2]), float(message[3]))

    def _adopt_output(self, run_id: str, fifo: str, path: str, most: int) -> None:
        """Of a run that another reaper had started. Asked for once by the journal of that one, and
        once more by that of a dead one which had read on from it."""
        if run_id in self._table.runs:
            return
        run = self._table.runs[run_id] = Run(run_id)
        run.told = run.forgotten = True
        run.source = Source(run_id, fifo, Output(path, most), remove=True)
        task = os.path.basename(os.path.dirname(path))
        self._journal.say([(run_id, f"P {run_id} {fifo} {task}".encode())])
        self._pump.add(run.source)
