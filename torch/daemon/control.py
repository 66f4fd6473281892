"""The unix socket through which the command line speaks to the service.

Owns the socket and the protocol: one JSON object a line each way. A request is
{"do": NAME, ...}; the answer is {"v": 1, "ok": true, ...}, or {"v": 1, "ok": false, "error",
"hint", "exit_code"}. Only the service's own user and root are heard: the socket is 0600 and the
kernel names the peer. It can be made again if a cleaner removed it.
The requests themselves are in requests.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from torch.daemon.proof import peer_of
from torch.errors import Fault, NotPermitted, SettingsError, TorchError, UsageError

LINE_LIMIT = 64 * 1024
Answerer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Control:
    def __init__(self, path: str, answer: Answerer) -> None:
        self._path = path
        self._answer = answer
        self._listener: socket.socket | None = None  # made, and not yet listened to
        self._made: tuple[int, int] | None = None  # device and inode of our file at the path
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    def make(self) -> None:
        """Makes the socket; who asks is refused by the kernel until `open`. We hold the lock, so
        what lies there already is a dead service's. Raises SettingsError."""
        try:
            self._make()
        except OSError as error:
            raise SettingsError(f"the socket {self._path} cannot be created: {error}") from error

    def _make(self) -> None:
        folder = os.open(os.path.dirname(self._path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        listener = socket.socket(socket.AF_UNIX)
        try:
            # By way of the folder's descriptor: a socket's own path may have only 107 bytes.
            short = f"/proc/self/fd/{folder}/{os.path.basename(self._path)}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            listener.setblocking(False)
            umask = os.umask(0o177)  # before the bind: there is no moment in which it is open
            try:
                listener.bind(short)
            finally:
                os.umask(umask)
            self._made = _identity(self._path)
        except BaseException:
            listener.close()
            raise
        finally:
            os.close(folder)
        self._listener = listener

    async def open(self) -> None:
        """From here on who asks is answered. Raises SettingsError."""
        listener, self._listener = self._listener, None
        try:
            self._server = await asyncio.start_unix_server(
                self._talk, sock=listener, limit=LINE_LIMIT
            )
        except OSError as error:
            self._made = None
            raise SettingsError(f"the socket {self._path} cannot be used: {error}") from error

    @property
    def is_there(self) -> bool:
        """Whether the file at the path is our socket."""
        return self._made is not None and _identity(self._path) == self._made

    async def make_again(self) -> None:
        """In the place of one that was removed. Who is being answered is not disturbed. Raises
        SettingsError."""
        if self._server is not None:
            self._server.close()
        self._made = None
        self.make()
        await self.open()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._listener is not None:
            self._listener.close()
        for talk in tuple(self._talks):
            talk.cancel()
        if self.is_there:  # else it is another service's
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        try:
            if not _may_speak(writer):
                await _say(
                    writer,
                    _refusal(NotPermitted("only the service's user or root can use this socket")),
                )
                return
            while line := await reader.readline():
                await _say(writer, await self._one(line))
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # the asker left, sent a line without end, or we are stopping
        finally:
            writer.close()

    async def _one(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise UsageError("a request must be a JSON object")
            return {"v": 1, "ok": True} | await self._answer(request)
        except (ValueError, RecursionError):
            return _refusal(UsageError("a request must be one line of JSON"))
        except TorchError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001  # the asker must hear of it, as the log does
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "a request failed", "exception": error})
            return _refusal(Fault("internal error in torch", hint="see torch.log"))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def _may_speak(writer: asyncio.StreamWriter) -> bool:
    peer = writer.get_extra_info("socket")
    return peer_of(peer).uid in (0, os.geteuid())


def _refusal(error: TorchError) -> dict[str, Any]:
    return {
        "v": 1,
        "ok": False,
        "error": error.message,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
    }


async def _say(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()
