"""From an order to a process: its FIFO, its descriptors, its limits, and posix_spawn.

Owns the state in which a run begins, independent of what started the service: every signal at its
default and none blocked, a session of its own, /dev/null as input, the output on 1 and 2, no other
descriptor, the umask, folder and soft limit of open files of its order, and its mark. posix_spawn
because a fork costs three times as much; what it cannot set (folder, umask, limits) is set here
around the call. Another thread that opens something meanwhile may have to try again: the limit of
open files is low for that moment. Another user and its rights are no concern of this file: the
order has setpriv in front of the command (torch/daemon/order.py).
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal

from torch.reaper.fronts import Fronts
from torch.reaper.marks import Marks
from torch.reaper.wire import Order

FIFO_MODE = 0o622
"""Mode of a FIFO: a program that runs as another user opens it again through /dev/stderr. Other
processes of other users cannot reach it: the folder is private."""

_ALL = [
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)
]


class Refused(Exception):
    """The run did not begin, for the reason in the text; it is certain that nothing runs."""


class Spawner:
    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._fronts = Fronts(directory)
        self._marks = Marks()
        self._free: list[str] = []  # FIFOs that nobody has open
        self._made = 0
        self._hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._hard_files, self._hard_files))
        self._null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def mark(self) -> int:
        return self._marks.take()

    def take_fifo(self) -> str:
        """The name of one that nobody has open: one that was used before, where there is one, for
        making a file costs as much as a spawn. Raises Refused."""
        while self._free:
            fifo = self._free.pop()
            if os.path.lexists(self.path(fifo)):  # else somebody took it away
                return fifo
        try:
            self._make(self._made + 1)
        except OSError as error:
            raise Refused(f"its output cannot be made: {error.strerror}") from error
        self._made += 1
        return f"out-{self._made}"

    def _make(self, number: int) -> None:
        path = self.path(f"out-{number}")
        os.umask(0)
        try:
            os.mkfifo(path, FIFO_MODE)
        except FileNotFoundError:  # somebody took the folder away
            os.umask(0o077)
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            os.umask(0)
            os.mkfifo(path, FIFO_MODE)

    def give_back(self, fifo: str) -> None:
        """Nobody has it open any more."""
        if fifo:
            self._free.append(fifo)

    def path(self, fifo: str) -> str:
        return f"{self.directory}/{fifo}"

    def clear(self) -> None:
        """The FIFOs go, only what nobody has open is left by now, and the links."""
        self._fronts.clear()
        for number in range(1, self._made + 1):
            with contextlib.suppress(OSError):
                os.unlink(f"{self.directory}/out-{number}")

    def spawn(self, order: Order, fifo: str, mark: int) -> int:
        """The pid. Raises Refused."""
        opened: list[int] = []
        try:
            _enter(order.cwd)
            try:
                self._open(order, fifo, opened)
            except OSError as error:
                raise Refused(f"its output cannot be made: {error.strerror}") from error
            path, argv = self._put_fronts(order)
            os.umask(order.umask)
            self._marks.wear(mark)
            environ = dict(each.split(b"=", 1) for each in order.environ)
            # Few descriptors are open here, so these are low: a source above the soft limit of
            # the run would be refused.
            actions = [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate((self._null, *opened))]
            self._limit(order.soft_files)
            try:
                return os.posix_spawn(
                    path, argv, environ, setsid=True, setsigmask=(),
                    setsigdef=_ALL, file_actions=actions,
                )  # fmt: skip
            finally:
                self._limit(self._hard_files)
        except FileNotFoundError as error:  # ENOENT, of the program or of what its #! names
            program = order.argv[0].decode("utf-8", "replace")
            raise Refused(
                f"its command {program} was not found, or the interpreter that it names"
            ) from error
        except PermissionError as error:
            program = order.argv[0].decode("utf-8", "replace")
            raise Refused(f"its command {program} cannot be run: {error.strerror}") from error
        except OSError as error:
            reason = f"the process could not be started: {error.strerror}{_what(error)}"
            raise Refused(reason) from error
        except ValueError as error:  # a NUL in an argument, a name without a value
            raise Refused(f"its command or environment cannot be given: {error}") from error
        finally:
            for fd in opened:
                os.close(fd)
            if order.cwd != "/":
                os.chdir("/")

    def _put_fronts(self, order: Order) -> tuple[bytes, list[bytes]]:
        try:
            return self._fronts.put(order.argv, order.fronts)
        except OSError as error:
            program = order.argv[0].decode("utf-8", "replace")
            raise Refused(
                f"a link to {program} cannot be made in {self.directory}: {error.strerror}"
            ) from error

    def _open(self, order: Order, fifo: str, opened: list[int]) -> None:
        """What the run has as 1 and 2. Read and write: it outlives its reader. Two opens and not
        one: a program that makes its standard output non-blocking must not break the standard
        error of the next."""
        if order.direct:
            opened.append(open_output(order.output))
            opened.append(os.dup(opened[0]))
            return
        path = self.path(fifo)
        opened.append(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        opened.append(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))

    def _limit(self, soft: int) -> None:
        if soft != self._hard_files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, self._hard_files))


def _enter(folder: str) -> None:
    if folder == "/":
        return
    try:
        os.chdir(folder)
    except OSError as error:
        raise Refused(f"its directory {folder} cannot be entered: {error.strerror}") from error


def _what(error: OSError) -> str:
    name = error.filename
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    return f" ({name})" if name else ""


def open_output(path: str) -> int:
    """Appends; its folder, the one above it, and that of the log are made where they are missing.
    Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, 0o600)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        above = os.path.dirname(folder)
        for each in (os.path.dirname(above), above, folder):
            with contextlib.suppress(FileExistsError):
                os.mkdir(each, 0o700)
                os.chmod(each, 0o750)  # noqa: S103  # the group reads logs, whatever the umask
        fd = os.open(path, flags, 0o600)
    os.fchmod(fd, 0o640)  # readable for the group, whatever the umask
    return fd
