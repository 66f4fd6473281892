"""The journal: which runs began and how they ended, on disk before it is done or reported.

Owns the file `journal` of one reaper and its lines, each written whole by one write:

    H 1 PID BOOT              the first line: which reaper, of which boot of the host
    B RUN MARK FIFO TASK      it is about to be spawned; its processes carry MARK (marks.py); its
                              output goes into FIFO, '-' if it writes its file itself
    P RUN FIFO TASK           the output of a run of a dead reaper is read from FIFO
    S RUN PID TICKS           it was spawned, so many clock ticks after the boot
    N RUN                     it was not, after all: no process exists, and none will
    X RUN CODE SIGNAL WALL CPU RSS   it ended
    C RUN                     no process has its output open any more

Each line ends with a full stop and a line end, so that half a line is never taken for one. A flock
on the file shows that its reaper is running. When most of its runs are forgotten, it is written
again without them. There is no fsync: after a power failure the host has another boot, and no
process of the runs exists.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

TIDY = 64 << 10
"""Bytes of the journal at which forgotten runs are removed from it."""


class Said:
    """What a journal says of one run. `fifo`: a path, '' where there is none or nobody has it open;
    `ended`: code, signal or None, wall seconds, processor seconds or None, bytes of memory or
    None."""

    __slots__ = ("begun", "birth", "ended", "fifo", "mark", "pid", "task")

    def __init__(self) -> None:
        self.begun = False
        self.fifo = ""
        self.task = ""
        self.mark = 0
        self.pid: int | None = None
        self.birth = 0
        self.ended: tuple[int, int | None, float, float | None, int | None] | None = None


class Found:
    """A journal, read. `held`: its reaper lives. `damaged`: it says something, and not whose."""

    __slots__ = ("boot", "damaged", "held", "pid", "runs")

    def __init__(self) -> None:
        self.boot = ""
        self.pid = 0
        self.held = False
        self.damaged = False
        self.runs: dict[str, Said] = {}


def read(path: str, *, probe: bool = True) -> Found:
    """What stands in it now; an empty one where there is none. The lock is looked at first: who
    let go in between has written all it will."""
    found = Found()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return found
    try:
        if probe:
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.held = True
        text = b""
        while more := os.read(fd, 1 << 20):
            text += more
    except OSError:
        return found
    finally:
        os.close(fd)
    for line in text.split(b"\n")[:-1]:  # what follows the last line end is not a whole line
        if line.endswith(b" ."):
            try:
                _hear(found, line.decode("ascii").split(" ")[:-1], os.path.dirname(path))
            except (ValueError, IndexError):  # not of ours
                found.damaged = True
    found.damaged = found.damaged or (bool(text) and not found.pid)
    return found


def _hear(found: Found, words: list[str], folder: str) -> None:
    kind, rest = words[0], words[1:]
    if kind == "H":
        found.pid, found.boot = int(rest[1]), rest[2]
        return
    if kind not in ("B", "P", "S", "N", "X", "C"):
        return
    said = found.runs.get(rest[0]) or Said()
    if kind == "B":
        said.begun, said.mark = True, int(rest[1])
        said.fifo, said.task = "" if rest[2] == "-" else f"{folder}/{rest[2]}", rest[3]
    elif kind == "P":
        said.fifo, said.task = rest[1], rest[2]
    elif kind == "C":
        said.fifo = ""
    elif kind == "S":
        said.begun, said.pid, said.birth = True, int(rest[1]), int(rest[2])
    elif kind == "N":
        said = Said()
    else:
        code, number, wall, cpu, rss = rest[1:6]
        said.ended = (
            int(code), int(number) if number else None, float(wall),
            float(cpu) if cpu else None, int(rss) if rss else None,
        )  # fmt: skip
    found.runs[rest[0]] = said


class Journal:
    """The writing side, held locked as long as the reaper lives."""

    def __init__(self, path: str, *, boot: str) -> None:
        """Raises OSError: full, read-only, or another reaper's."""
        self._path = path
        self._head = b"H 1 %d %s .\n" % (os.getpid(), boot.encode())
        self._lines: dict[str, bytes] = {}  # run -> what is to be kept of it
        self._owed = b""  # could not be written yet
        self._torn = False  # the file ends in the middle of a line
        self._fd = self._make(path, self._head)
        self._size = len(self._head)
        self.problem = ""

    @staticmethod
    def _make(path: str, text: bytes) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # it is new: who has it for a moment only looks
            if os.write(fd, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        return fd

    def begin(
        self, run: str, mark: int, fifo: str, task: str, before: list[tuple[str, bytes]]
    ) -> bool:
        """Before the spawn, together with what is said of others. False: it cannot be written, so
        nothing may begin."""
        owed = self._keep(before)
        if self._is_gone() and not self.tidy():  # nobody would find it there
            self._owed += owed
            self.problem = "the journal was removed, and cannot be made again"
            return False
        line = f"B {run} {mark} {fifo or '-'} {task} .\n".encode()
        if not self._write(owed, line):
            return False
        self._lines[run] = line
        return True

    def say(self, lines: list[tuple[str, bytes]]) -> None:
        """Facts, before they are told: (run, line without its full stop). What cannot be written is
        written later; it is told all the same, for the run has started or ended all the same."""
        self._write(self._keep(lines), b"")

    def _keep(self, lines: list[tuple[str, bytes]]) -> bytes:
        text = b""
        for run, line in lines:
            line += b" .\n"
            text += line
            self._lines[run] = line if line[:1] == b"N" else self._lines.get(run, b"") + line
        return text

    def forget(self, run: str) -> None:
        self._lines.pop(run, None)
        if self._size > TIDY and self._size > 4 * sum(map(len, self._lines.values())):
            self.tidy()

    @property
    def needed(self) -> bool:
        """Whether anything in it may still be asked for."""
        return bool(self._lines)

    def _is_gone(self) -> bool:
        return os.fstat(self._fd).st_nlink == 0

    def tidy(self) -> bool:
        """Writes it anew with what is needed, under a lock from its first moment on. False: it
        cannot; the old one is as good, only longer."""
        text = self._head + b"".join(self._lines.values())
        new = f"{self._path}.new"
        try:
            fd = self._make(new, text)
        except FileExistsError:  # of one that was killed in between; it is nobody's
            with contextlib.suppress(OSError):
                os.unlink(new)
            return False
        except OSError:
            return False
        try:
            os.rename(new, self._path)
        except OSError:  # somebody took the folder away
            os.close(fd)
            return False
        os.close(self._fd)
        self._fd, self._size, self._owed, self._torn = fd, len(text), b"", False
        return True

    def _write(self, facts: bytes, intent: bytes) -> bool:
        """Everything owed, the facts, and the intent, by one write. False: not all of it is on
        disk; then the facts are owed, and the intent is not."""
        owed = self._owed + facts
        whole = owed + intent
        if not whole:
            return True
        if self._torn:  # half a line, or all but its end, becomes one that does not count
            whole = b"-\n" + whole
        try:
            written = os.write(self._fd, whole)
        except OSError as error:
            self.problem = error.strerror or str(error)
            written = 0
        if written == len(whole):
            self._owed, self._torn, self.problem = b"", False, ""
            self._size += written
            return True
        if written:  # whole lines among it are said twice, and say the same
            self._torn = not whole[:written].endswith(b"\n")
            self.problem = os.strerror(errno.ENOSPC)
        self._owed = owed
        return False
