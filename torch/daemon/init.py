"""Being process 1, as in a container that has no init of its own.

Owns two duties of process 1 that the service is not burdened with: processes whose parent has
died become its children and are reaped when they end, and signals are passed on. The service is
a child. When it ends, process 1 ends with its exit code, and the kernel ends what is left.
Invariant: only this file waits for children that it has not started.
"""

from __future__ import annotations

import os
import signal

from torch.daemon.signals import OURS


def is_init() -> bool:
    return os.getpid() == 1


def stand_in(argv: list[str]) -> int:
    """Starts the service and returns its exit code, 128 and the number for a signal."""
    heard = {*OURS, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    # A group of its own: Ctrl-C is for us alone, and the service hears it once.
    service = os.posix_spawn(argv[0], argv, os.environ, setpgroup=0, setsigmask=OURS)
    while True:
        number = signal.sigwait(heard)
        if number != signal.SIGCHLD:
            os.kill(service, number)
            continue
        code = _reap(service)
        if code is not None:
            return code


def _reap(service: int) -> int | None:
    """Everything that has ended; the service's exit code, when it is among it."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == service:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else 128 - ended
