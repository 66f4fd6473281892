"""Starting the sending process and waiting for it: for whoever can wait, `torch notify test`.

Owns the synchronous form; the service has its own, which never waits.
"""

from __future__ import annotations

import subprocess

from torch.channel import Channel
from torch.message import Message
from torch.notify.wire import MARGIN, TIMEOUT, Result, argv, order, understand


def deliver(channel: Channel, message: Message, timeout: float = TIMEOUT) -> Result:
    """Sends one message on one channel, once; returns within `timeout` and a few seconds.

    Call it from the main thread: the process ends with the thread that started it."""
    try:
        done = subprocess.run(
            argv(), input=order(channel, message, timeout), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd="/", check=False, timeout=timeout + MARGIN,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return understand(b"", None)
    except OSError as error:
        detail = f"the sending process could not be started: {error.strerror}"
        return Result(ok=False, detail=detail)
    return understand(done.stdout, done.returncode)
