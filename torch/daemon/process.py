"""One child process with pipes: started, told, heard, and ended for certain.

Owns how each child of the service is started that is neither a run nor a reaper: in /, in a session
of its own, without anything of the caller's Python; and that its end does not depend on it: one
that ignores SIGTERM, is stopped, or has given its pipes away is gone all the same, and no
descriptor of it stays open. Must not know what is said, nor when one is started again:
torch/daemon/sidecar.py does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, SubprocessStreamProtocol
from collections.abc import Mapping
from dataclasses import dataclass

NICE = 10
"""Of children that work beside the service, so that no start waits for them."""

MOMENT = 2.0
"""Seconds that a child has to end once it is asked to, before SIGKILL."""

LONGEST = 2**20
"""Bytes of a line that a child may say."""

_DRAIN = 1.0
"""Seconds in which a child that has ended is still heard: what it started may hold its pipes."""

_LAST_WORDS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a child is started. `errors`: what it writes to standard error may be repeated; else it
    is not even read, because it could hold a secret."""

    argv: tuple[str, ...]
    nice: int = 0
    errors: bool = False


def module(name: str) -> tuple[str, ...]:
    """The command line of a module. -I: nothing of the caller's Python reaches it."""
    return (sys.executable, "-I", "-m", name)


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a child said, and its exit code, negative for a signal. None: it was given up."""

    output: bytes
    code: int | None


class _Pipes(SubprocessStreamProtocol):
    """That of asyncio, but the end of the process is told even while its pipes are open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LONGEST, loop=loop)
        self.exited: asyncio.Future[None] = loop.create_future()

    def process_exited(self) -> None:
        super().process_exited()
        if not self.exited.done():
            self.exited.set_result(None)


class Process:
    def __init__(self, transport: asyncio.SubprocessTransport, pipes: _Pipes) -> None:
        assert pipes.stdin is not None and pipes.stdout is not None  # noqa: S101
        self._transport = transport
        self._input = pipes.stdin
        self.output: asyncio.StreamReader = pipes.stdout
        self.exited = pipes.exited
        self._last = b""
        self._errors = asyncio.create_task(self._keep_errors(pipes.stderr))

    @classmethod
    async def start(cls, form: Form, environ: Mapping[str, str] | None = None) -> Process:
        """`environ`: in place of the service's own. Raises OSError if there is no process, no
        descriptor or no memory left for it."""
        loop = asyncio.get_running_loop()
        transport, pipes = await loop.subprocess_exec(
            lambda: _Pipes(loop), *form.argv, stdin=PIPE, stdout=PIPE,
            stderr=PIPE if form.errors else DEVNULL, cwd="/", start_new_session=True, env=environ,
        )  # fmt: skip
        with contextlib.suppress(OSError):
            if form.nice:
                os.setpriority(os.PRIO_PROCESS, transport.get_pid(), form.nice)
        return cls(transport, pipes)

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it is there."""
        return self._transport.get_returncode()

    # ── told and heard ────────────────────────────────────────────────────────────────────

    def write(self, data: bytes) -> None:
        """Never waits. What the child does not read is kept for it: see `unread`."""
        if not self._input.is_closing():
            self._input.write(data)

    @property
    def unread(self) -> int:
        """Bytes that were written to it and do not fit into its pipe."""
        return self._input.transport.get_write_buffer_size()

    def close_input(self) -> None:
        """Once it has read what was written, it reads the end."""
        self._input.close()

    async def read_to_end(self, most: int) -> bytes | None:
        """What it says until it ends; None if that is more than `most` bytes."""
        said = bytearray()

        async def read() -> None:
            while len(said) <= most and (more := await self.output.read(65_536)):
                said.extend(more)

        reading = asyncio.create_task(read())
        try:
            await asyncio.wait({reading, self.exited}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({reading}, timeout=_DRAIN)
        finally:
            reading.cancel()
        return bytes(said) if len(said) <= most else None

    async def last_words(self) -> str:
        """The last line that it wrote to standard error; '' where there is none."""
        await asyncio.wait({self._errors}, timeout=_DRAIN)
        lines = self._last.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    async def _keep_errors(self, errors: asyncio.StreamReader | None) -> None:
        """Reads on whatever comes, or the child would wait for room in the pipe."""
        while errors is not None and (more := await errors.read(65_536)):
            self._last = (self._last + more)[-_LAST_WORDS:]

    # ── ended ─────────────────────────────────────────────────────────────────────────────

    async def end(self, grace: float) -> None:
        """It is gone when this returns. SIGTERM first where it has `grace` seconds: what it has
        started ends with it."""
        try:
            if self.code is None and grace:
                self._signal(signal.SIGTERM)
                await asyncio.wait({self.exited}, timeout=grace)
            if self.code is None:
                self._signal(signal.SIGKILL)
                await asyncio.wait({self.exited})
        finally:
            self._errors.cancel()
            self._transport.close()  # kills it, should this be broken off

    def _signal(self, number: int) -> None:
        """By force to all of its session's group, which nobody else is in. It was not waited for,
        so the number is still its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self._transport.get_pid(), number)
            else:
                self._transport.send_signal(number)


async def ask(
    form: Form, order: bytes, *, within: float, most: int = LONGEST, grace: float = MOMENT,
    environ: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    """One child, one order, one answer. Raises OSError if it cannot be started."""
    process = await Process.start(form, environ)
    try:
        process.write(order)
        process.close_input()
        async with asyncio.timeout(within):
            said = await process.read_to_end(most)
            if said is not None:
                await asyncio.shield(process.exited)
                return Answer(said, process.code)
    except TimeoutError:
        pass
    finally:
        await process.end(grace)
    return Answer(b"", None)
