"""A real reaper, spoken to as a service does it: orders out, facts in, everything ended after."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.waiting import DEADLINE, until
from torch.reaper import journal, processes
from torch.reaper.journal import Found, Said
from torch.reaper.processes import Tie
from torch.reaper.service import address_of
from torch.reaper.wire import VERSION, Order, Stream, pack

_FD = 3
_RESET = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
FOLDER = "TEST_FOLDER"


def in_environ(run: str) -> str:
    """What the processes of a run have as TORCH_RUN_ID. Whoever looks for processes looks at the
    whole host, where tests that run at the same time have runs of the same name."""
    return f"{run}.{os.getpid()}"


class Talk:
    """One connection to a reaper."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.facts: list[list[bytes]] = []
        self.closed = False
        self._stream = Stream()

    def send(self, *fields: bytes) -> None:
        self.socket.sendall(pack(*fields))

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, seconds: float) -> None:
        """Waits for the next bytes, and hears them."""
        if self.closed or not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        self.closed = not data
        self.facts += self._stream.feed(data)

    def find(self, word: str, run: str | None = None) -> list[bytes] | None:
        for fact in self.facts:
            if fact[0].decode() == word and (run is None or fact[1].decode() == run):
                return fact
        return None

    def hear(self, word: str, run: str | None = None) -> list[bytes]:
        """The first such fact, waited for. A run that is refused is not waited for."""
        end = time.monotonic() + DEADLINE
        while (found := self.find(word, run)) is None:
            assert not self.closed, f"closed before {word} {run}: {self.facts}"
            assert time.monotonic() < end, f"no {word} of {run}: {self.facts}"
            if run is not None and word != "refused":
                assert self.find("refused", run) is None, self.find("refused", run)
            self.read(1.0)
        return found

    def hear_close(self) -> None:
        end = time.monotonic() + DEADLINE
        while not self.closed:
            assert time.monotonic() < end, "it does not close the connection"
            self.read(1.0)

    def code(self, run: str) -> int:
        return int(self.hear("ended", run)[2])

    def refusal(self, run: str) -> str:
        return self.hear("refused", run)[2].decode()

    def pid(self, run: str) -> int:
        return int(self.hear("started", run)[2])

    def close(self) -> None:
        self.socket.close()


class Reaper:
    """The process. `say` starts a run, and `talk` is the connection that it was born with."""

    def __init__(
        self, folder: Path, *, name: str = "reaper", user: int | None = None, made: bool = False,
        front: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """`user`: whose process it is; the folder becomes theirs. `made`: it has its directory.
        `front`: a program that becomes it."""
        self.folder = folder
        self.directory = folder / name
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=made)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        argv = [sys.executable, "-I", "-m", "torch.reaper", str(self.directory)]
        if user is not None:
            for each in (folder, self.directory):
                os.chown(each, user, user)
            front = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        argv = [*front, *argv]
        self.pid = os.posix_spawn(
            argv[0], argv, {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}, setsid=True,
            setsigmask=(), setsigdef=_RESET,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, there.fileno(), _FD),
            ],
        )  # fmt: skip
        there.close()
        self.talk = Talk(here)
        self._ended = False
        self._known: dict[str, Said] = {}
        self.talks = [self.talk]

    def ready(self) -> Reaper:
        self.talk.hear("settled")
        return self

    # ── orders ────────────────────────────────────────────────────────────────────────────

    def order(
        self, run: str, command: str | list[str], *, env: Mapping[str, str] = {}, at: float = 0.0,
        max_size: int = 1 << 20, direct: bool = False, cwd: str = "/", umask: int = 0o022,
        fronts: Sequence[int] = (), soft_files: int = 1024,
    ) -> Order:  # fmt: skip
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
        environ = {
            "PATH": "/usr/bin:/bin", "TORCH_RUN_ID": in_environ(run), FOLDER: str(self.folder),
            **env,
        }  # fmt: skip
        return Order(
            run=run, argv=[os.fsencode(each) for each in argv],
            environ=[os.fsencode(f"{name}={value}") for name, value in environ.items()],
            at=at, output=str(self.output(run)), max_size=max_size, direct=direct, cwd=cwd,
            umask=umask, fronts=fronts, soft_files=soft_files,
        )  # fmt: skip

    def say(self, run: str, command: str | list[str], **keys: object) -> None:
        self.talk.send_raw(self.order(run, command, **keys).pack())  # type: ignore[arg-type]

    def output(self, run: str) -> Path:
        return self.folder / "output" / "t" / f"{run}.log"

    def printed(self, run: str) -> str:
        path = self.output(run)
        return path.read_text() if path.exists() else ""

    def connect(self, version: bytes | None = VERSION) -> Talk:
        """As the next service does; None: without a hello."""
        folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(address_of(folder))
        finally:
            os.close(folder)
        talk = Talk(sock)
        self.talks.append(talk)
        if version is not None:
            talk.send(b"hello", version)
        return talk

    def has_open(self, path: Path) -> bool:
        """Any of its threads: the one that reads output has descriptors of its own."""
        for thread in (*os.listdir(f"/proc/{self.pid}/task"),):
            folder = f"/proc/{self.pid}/task/{thread}/fd"
            for fd in os.listdir(folder):
                with contextlib.suppress(OSError):
                    if os.readlink(f"{folder}/{fd}") == str(path):
                        return True
        return False

    def fifos(self) -> list[Path]:
        return sorted(self.directory.glob("out-*"))

    def fifo(self, run: str) -> Path:
        """What a run that has begun prints into."""
        return Path(self.journal().runs[run].fifo)

    # ── what it left ──────────────────────────────────────────────────────────────────────

    def journal(self) -> Found:
        found = journal.read(f"{self.directory}/journal", probe=False)
        self._known |= found.runs
        return found

    @property
    def lives(self) -> bool:
        if not self._ended:
            self._ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return not self._ended

    def wait_end(self) -> None:
        until("the reaper has ended", lambda: not self.lives)

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)
        if number == signal.SIGKILL:
            self.wait_end()

    def close(self) -> None:
        """Kills it and all that its runs have left."""
        self.journal()
        if self.lives:
            self.kill()
        self.journal()
        for talk in self.talks:
            talk.close()
        ties = {
            in_environ(run): Tie(said.pid or 0, mark=said.mark, since=said.birth)
            for run, said in self._known.items()
        }
        until("its runs are gone", lambda: not any(_end(ties)))


def _end(ties: Mapping[str, Tie]) -> list[bool]:
    found = processes.find(ties, never={os.getpid()})
    return [processes.send(process, signal.SIGKILL) for each in found.values() for process in each]


def gone(pid: int) -> bool:
    return not processes.lives(pid)


def wait_for(path: Path, text: str = "") -> str:
    """What stands in a file, once it says `text`."""

    def there() -> str | None:
        with contextlib.suppress(OSError):
            found = path.read_text()
            return found if text in found and found else None
        return None

    return until(f"{path} says {text!r}", there)


def let_go(fifo: Path) -> None:
    """Writes a line to whoever waits for it."""

    def written() -> bool:
        try:
            fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody has come so far
            return False
        with os.fdopen(fd, "w") as file:
            file.write("go\n")
        return True

    until(f"somebody reads {fifo}", written)
