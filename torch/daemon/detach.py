"""Leaving the terminal, and telling the starter how it went.

Owns daemonizing; the only importer of python-daemon. The starter waits on a pipe until the
service is ready or has failed: `ready PID`, or `failed CODE` and the reason as JSON.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import daemon

from torch.errors import TaskFileError, TorchError


def detach(*, keep: int) -> None:
    """Forks away from terminal and session; the descriptor `keep` stays open.

    python-daemon's defaults that are wrong for us are set: its umask of 0, and a core limit
    of 0 that every task would inherit.
    """
    context = daemon.DaemonContext(
        detach_process=True,
        umask=0o077,
        working_directory="/",
        prevent_core=False,
        files_preserve=[keep],
        signal_map={},
    )
    context.open()


class Readiness:
    """Our end of the starter's pipe. Without one (foreground), it does nothing."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def ready(self) -> None:
        self._say(f"ready {os.getpid()}\n")

    def failed(self, error: TorchError) -> None:
        problems = error.problems if isinstance(error, TaskFileError) else ()
        reason = json.dumps(
            {
                "message": error.message,
                "hint": error.hint,
                "problems": [asdict(problem) for problem in problems],
            }
        )
        self._say(f"failed {int(error.exit_code)} {reason}\n")

    def _say(self, line: str) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, line.encode())
        except BrokenPipeError:  # the starter gave up waiting; we go on
            pass
        finally:
            os.close(self._fd)
            self._fd = None
