"""The reaper's entrance: `python -I -m torch.reaper DIRECTORY`, its service on descriptor 3.

Owns the outermost frame: an error at the start is reported to the service in words. The reaper
leads a session of its own and ignores the signals that end a service: at a shutdown it stays until
the runs have ended, to record their ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import socket
import sys

from torch.linux import be_subreaper
from torch.reaper import service
from torch.reaper.journal import Journal
from torch.reaper.loop import Loop
from torch.reaper.processes import boot_id
from torch.reaper.pump import Pump
from torch.reaper.service import Connection
from torch.reaper.spawning import Spawner
from torch.reaper.wire import VERSION

_SERVICE = 3
_IGNORED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGUSR1,
    signal.SIGUSR2,
)  # fmt: skip


def main() -> int:
    directory = sys.argv[1]
    os.closerange(_SERVICE + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # our starter's
    pump = Pump()  # before anything else is open that it would have too
    first = Connection(socket.socket(fileno=_SERVICE))
    first.socket.set_inheritable(False)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        be_subreaper()
        os.umask(0o077)
        os.chdir("/")  # where a task runs that names no other place; it holds no mount either
        journal = Journal(f"{directory}/journal", boot=boot_id())
        directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        listening = service.listen(directory_fd)
        spawner = Spawner(directory)
        loop = Loop(journal=journal, spawner=spawner, pump=pump, listening=listening, first=first)
    except Exception as error:  # noqa: BLE001  # in words to the service; a trace helps nobody there
        first.send(b"failed", f"{directory}: {error}".encode("utf-8", "replace"))
        first.flush()
        return 1
    first.send(b"welcome", VERSION, b"%d" % os.getpid())
    first.send(b"settled")
    first.flush()
    gc.freeze()
    loop.run()
    spawner.clear()
    journal.say([])  # what is owed, if the disk has room by now
    with contextlib.suppress(OSError):  # somebody may have swept it away
        os.unlink(f"{directory}/{service.SOCKET}")
    if not journal.needed:
        with contextlib.suppress(OSError):
            os.unlink(f"{directory}/journal")
            os.rmdir(directory)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the thread that reads output has nothing left to read
