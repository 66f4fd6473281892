"""The process that sends one message: `python -I -m torch.notify`, an order on standard input.

Owns which way is taken, and that whatever happens ends in one line and an exit code: 0 it was
delivered, 75 try again, 69 it never will be, 65 the order is none. Never a traceback: it could
hold the secret of the channel.
"""

from __future__ import annotations

import os
import sys

from torch.channel import Channel, Way, redacted, why_no_webhook
from torch.clock import SystemClock
from torch.errors import ExitCode
from torch.message import Message
from torch.notify.fitting import fit
from torch.notify.guard import Guard
from torch.notify.wire import ORDER_LIMIT, Result, answer, read_order
from torch.taskfile.private import read_private_text

URL_LIMIT = 8192


def main() -> None:
    """Delivers what the order says, and ends the process."""
    _close_errors()
    try:
        data = sys.stdin.buffer.read(ORDER_LIMIT + 1)
        channel, message, timeout = read_order(data)
    except (OSError, ValueError) as error:
        os.write(1, answer(Result(ok=False, detail=f"no order: {error}", permanent=True)))
        os._exit(ExitCode.TASK_FILE)
    guard = Guard(timeout, lambda: _late(channel, timeout))
    try:
        result = deliver(channel, fit(message), timeout)
    except Exception as error:  # noqa: BLE001  # of libraries; its text may hold secrets
        detail = f"sending failed inside torch: {type(error).__name__}"
        result = Result(ok=False, detail=detail)
    guard.finish(result)


def deliver(channel: Channel, message: Message, timeout: float) -> Result:
    """One try. Imports what the way needs and no more."""
    if not channel.target and not channel.file:
        return Result(ok=False, detail="the channel has no target", permanent=True)
    if channel.way is Way.EXEC:
        from torch.notify import command

        return command.send(channel.target, message)
    try:
        url = _url(channel)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return Result(ok=False, detail=f"the URL in {channel.file} cannot be read: {why}")
    if channel.way is Way.APPRISE:
        from torch.notify import apprise

        return apprise.send(url, message, timeout)
    if reason := why_no_webhook(url):
        where = f"the URL in {channel.file}" if channel.file else "the URL of the webhook"
        return Result(ok=False, detail=f"{where} {reason[0]}", permanent=True)
    from torch.notify import webhook

    return webhook.send(url, message, timeout, SystemClock())


def _url(channel: Channel) -> str:
    """The URL of a channel, of its file if it has one: the first line that says anything."""
    if not channel.file:
        return str(channel.target)
    text = read_private_text(channel.file, limit=URL_LIMIT)
    lines = (line.strip() for line in text.splitlines())
    url = next((line for line in lines if line and not line.startswith("#")), "")
    if not url:
        raise ValueError("it is empty")
    return url


def _late(channel: Channel, timeout: float) -> str:
    if channel.way is Way.EXEC:
        return f"the command ran longer than {timeout:g} s and was killed"
    where = "" if channel.file else f" from {redacted(str(channel.target))}"
    return f"no answer{where} within {timeout:g} s"


def _close_errors() -> None:
    """What libraries write to standard error goes nowhere: it could hold a secret."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, 2)
    os.close(null)


if __name__ == "__main__":
    main()
