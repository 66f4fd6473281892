"""Performs `Send`: each message is delivered by a process of its own, which soon ends.

Owns those processes. Their memory, their libraries and their waiting never enter the service; they
run at a low priority and are started when nothing else is about to start, so that no start waits
for a message. Must not know when something is sent, nor what is said: the core and
torch/report/notices.py do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from torch import zone
from torch.daemon.output import Outputs
from torch.daemon.process import MOMENT, NICE, Form, ask
from torch.message import Message, MessageKind
from torch.notice import Notice
from torch.notify import wire
from torch.report.notices import About, message
from torch.schedule.commands import Send
from torch.schedule.messages import Sent
from torch.task import Task

LINES = 10
"""Last lines of output that a message brings along."""

_AWHILE = 0.05
"""Seconds to wait while something is about to start."""

SENDER = Form(argv=tuple(wire.argv()), nice=NICE)
"""What it writes to standard error is not read: it could hold the secret of the channel."""

_TAILED = (MessageKind.FAILING, MessageKind.STILL_FAILING, MessageKind.CRASH_LOOPING)


class Notifier:
    def __init__(
        self, *, post: Callable[[Sent], None], outputs: Outputs, host: str,
        task: Callable[[str], Task | None], is_starting: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._post = post
        self._outputs = outputs
        self._host = host
        self._task = task
        self._is_starting = is_starting
        self._sending: set[asyncio.Task[None]] = set()

    def send(self, send: Send) -> None:
        """Begins to deliver; `Sent` says what came of it."""
        sending = asyncio.get_running_loop().create_task(self._send(send))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """What is on its way has a moment; else it is owed, and the next service sends it."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=MOMENT)
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await asyncio.sleep(0)  # what was posted is heard, and recorded

    async def _send(self, send: Send) -> None:
        while self._is_starting():
            await asyncio.sleep(_AWHILE)
        try:
            result = await self._deliver(send)
        except Exception as error:  # noqa: BLE001  # of ours or of the host's: it is tried again
            result = wire.Result(ok=False, detail=f"it could not be sent: {error}")
        self._post(
            Sent(
                channel=send.channel.name,
                notices=tuple(notice.id for notice in send.notices),
                problem="" if result.ok else result.detail or "no reason given",
                permanent=result.permanent,
                retry_after=result.retry_after,
            )
        )

    async def _deliver(self, send: Send) -> wire.Result:
        order = wire.order(send.channel, self._message(send))
        within = wire.TIMEOUT + 2 * wire.MARGIN
        said = await ask(SENDER, order, within=within, environ=zone.environ(os.environ))
        return wire.understand(said.output, said.code)

    def _message(self, send: Send) -> Message:
        return message(send.notices, self._host, self._about)

    def _about(self, notice: Notice) -> About:
        task = self._task(notice.task)
        lines: tuple[str, ...] = ()
        if notice.run is not None and notice.kind in _TAILED:
            lines = self._outputs.tail_of(notice.task, notice.run, LINES)
        if task is None:
            return About(lines=lines)
        return About(
            owner=task.owner, description=task.description, labels=task.labels, lines=lines
        )
