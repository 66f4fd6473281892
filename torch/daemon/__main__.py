"""The service's own entrance: `python -I -m torch.daemon ORDER`, made by launch.py.

Owns the outermost frame: whatever goes wrong ends in a named error and its exit code, at the
starter and in the log, never in a traceback on somebody's terminal.
"""

from __future__ import annotations

import torch.daemon.lean  # noqa: F401

# isort: split
import asyncio
import contextlib
import faulthandler
import json
import os
import sys
import traceback

from torch.daemon import clean, signals
from torch.daemon.detach import Readiness, detach
from torch.daemon.rehearsal import rehearse
from torch.daemon.service import raise_limits, serve
from torch.daemon.systemd import Asked, asked
from torch.errors import Fault, TorchError
from torch.linux import close_on_exec
from torch.report.errors import describe
from torch.settings import Settings


def main() -> int:
    clean.begin(keep_blocked=signals.OURS)
    order = json.loads(sys.argv[1])
    settings = Settings(**order["settings"])
    ready_fd: int | None = order["ready_fd"]
    if ready_fd is not None:
        os.set_inheritable(ready_fd, False)
        if not order.get("rehearsal"):
            detach(keep=ready_fd)
    os.umask(0o077)
    raise_limits()
    close_on_exec()
    readiness = Readiness(ready_fd)
    wish = asked(os.environ, pid=os.getpid())
    if ready_fd is not None:  # systemd did not start us: who did has passed on its own variables
        wish = Asked()
    elif wish.watchdog is not None:
        faulthandler.enable()  # systemd ends a service that hangs by SIGABRT: say where it hung
    try:
        if order.get("rehearsal"):
            rehearse(settings)
            readiness.ready()
            return 0
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(
            serve(settings, foreground=not order["log_file"], readiness=readiness, wish=wish)
        )
    except TorchError as error:
        readiness.failed(error)
        if ready_fd is None:
            sys.stderr.write(describe(error) + "\n")
        return int(error.exit_code)
    except Exception:  # noqa: BLE001  # ours: the trace to the log, a sentence to the starter
        _keep_trace(settings, traceback.format_exc())
        fault = Fault("internal error in the service", hint=f"see {settings.log}")
        readiness.failed(fault)
        if ready_fd is None:
            sys.stderr.write(traceback.format_exc())
        return int(fault.exit_code)
    return 0


def _keep_trace(settings: Settings, trace: str) -> None:
    with contextlib.suppress(OSError), open(settings.log, "a", encoding="utf-8") as file:
        file.write(trace)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All parts are closed by now. A reading that a stop has overtaken is not waited for: asyncio
    # would, and may wait for ever for a pipe that nobody reads.
    os._exit(code)
