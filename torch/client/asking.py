"""Asking the service: one line of JSON there, one back. The protocol is daemon/control.py's.

Owns the ways in which no answer comes: no service, no permission, a service that hangs, and an
answer that no service of ours gives; and the check of who answers: the kernel names the process
and the user at the other end. What an answer must hold is in answers.py.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable
from typing import Any

from torch.client import answers
from torch.clock import SystemClock
from torch.daemon import folders, proof
from torch.daemon.lock import holder
from torch.errors import (
    ExitCode,
    NotPermitted,
    NotRunning,
    ServiceUnreachable,
    SettingsError,
    TorchError,
)
from torch.report.text import harmless
from torch.settings import Settings


def ask(
    settings: Settings, request: dict[str, Any], *, timeout: float | None,
    look: Callable[[], None] | None = None, meet: Callable[[int], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The service's answer; a `pid` in it is the kernel's word, not the service's. Raises
    NotRunning, ServiceUnreachable, NotPermitted, or the error that the service answered with,
    under its exit code. `timeout` None waits for ever, and `look` is called again and again
    meanwhile; `meet` is called with the service's pid before anything is asked."""
    until = None if timeout is None else SystemClock().now().mono + timeout
    try:
        with _connect(settings, timeout) as connection:
            peer = _met(settings, connection)
            if meet is not None:
                meet(peer.pid)
            connection.sendall(json.dumps(request).encode() + b"\n")
            while timeout is None and look is not None and not _is_answered(connection):
                look()
            line = _read_line(connection, until)
    except TimeoutError as error:
        raise ServiceUnreachable(
            f"the service did not answer within {timeout:g} s", hint=f"see {settings.log}"
        ) from error
    except PermissionError as error:
        raise NotPermitted(
            f"{settings.socket}: permission denied", hint="run torch as the service's user or root"
        ) from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _nobody(settings) from error
    except NotADirectoryError as error:
        raise SettingsError(
            f"{settings.run_dir} is not a directory", hint="set --state-dir to that of the service"
        ) from error
    except OSError as error:
        raise ServiceUnreachable(f"{settings.socket}: {error.strerror or error}") from error
    answer = _understood(line, request["do"], settings)
    if "pid" in answer:
        if not peer.is_called(answer["pid"]):
            raise ServiceUnreachable(
                f"the answer names pid {answer['pid']}, but it came from pid {peer.pid}",
                hint=f"it is not a torch service; to identify it: ps -fp {peer.pid}",
            )
        answer["pid"] = peer.pid
    return answer


_LOOK = 0.1
_CHUNK = 1 << 18
MOST = 128 * 2**20
"""Bytes of an answer: several times those of the status of the largest task file."""


def _met(settings: Settings, connection: socket.socket) -> proof.Peer:
    """Who listens. Raises ServiceUnreachable where that may be anybody."""
    peer = proof.peer_of(connection)
    if not proof.is_service_at(settings.run_dir, peer):
        raise ServiceUnreachable(
            f"{settings.socket} is answered by pid {peer.pid} of another user (uid {peer.uid})",
            hint=f"it is not a torch service; to identify it: ps -fp {peer.pid}",
        )
    return peer


def _understood(line: bytes, request: str, settings: Settings) -> dict[str, Any]:
    """Raises ServiceUnreachable for what no service of ours says, and what the service refused."""
    if not line.endswith(b"\n"):
        where = "in the middle of its answer" if line else "without an answer"
        raise ServiceUnreachable(
            f"the service closed the connection {where}", hint=f"see {settings.log}"
        )
    try:
        answer = json.loads(line)
        version = answer["v"]
        if type(version) is int and version != 1:
            raise ServiceUnreachable(
                f"the service uses protocol version {version}, this command uses version 1",
                hint="use the torch command of the service's version",
            )
        if version != 1 or type(answer["ok"]) is not bool:
            raise ValueError("neither an answer nor a refusal")
        if answer["ok"]:
            answers.check(request, answer)
            return _Answer({key: value for key, value in answer.items() if key != "ok"})
        error = _Answered(harmless(answer["error"]), hint=harmless(answer["hint"]))
        error.exit_code = ExitCode(answer["exit_code"] or -1)
    except answers.Wrong as wrong:
        raise _not_understood(f": '{wrong}' is missing or not as expected") from wrong
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as wrong:
        raise _not_understood() from wrong
    raise error


def _not_understood(why: str = "") -> ServiceUnreachable:
    return ServiceUnreachable(
        f"this command does not understand the answer{why}",
        hint="the service may be of another version, or is not a torch service; see: torch version",
    )


class _Answer(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        raise ServiceUnreachable(
            f"the answer has no '{key}'",
            hint="the service may be of another version; run: torch restart",
        )


class _Answered(TorchError):
    """The service's own refusal."""


def _connect(settings: Settings, timeout: float | None) -> socket.socket:
    """By way of the folder's descriptor: a socket's own path may have only 107 bytes."""
    folders.refuse_planted(settings.run_dir)
    folder = os.open(os.path.dirname(settings.socket), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{os.path.basename(settings.socket)}")
        except BaseException:
            connection.close()
            raise
        return connection
    finally:
        os.close(folder)


def _is_answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], _LOOK)[0])


def _read_line(connection: socket.socket, until: float | None) -> bytes:
    """All that comes up to the end of a line, or until the other side closes. Raises TimeoutError
    where that is not so at `until`, however much has come, and ServiceUnreachable."""
    parts: list[bytes] = []
    size = 0
    while size <= MOST:
        if until is not None:
            left = until - SystemClock().now().mono
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        part = connection.recv(_CHUNK)
        parts.append(part)
        size += len(part)
        if not part or part.endswith(b"\n"):  # it is one line, and nothing follows it
            return b"".join(parts)
    raise ServiceUnreachable(
        f"the answer is longer than {MOST // 2**20} MiB",
        hint="it is not the answer of a torch service; see: torch version",
    )


def _nobody(settings: Settings) -> TorchError:
    pid = holder(settings.lock)
    if pid is None and settings.state_lock != settings.lock:
        elsewhere = holder(settings.state_lock)
        if elsewhere is not None:
            return ServiceUnreachable(
                f"the running service (pid {elsewhere or 'unknown'}) is not in {settings.run_dir}",
                hint="check that XDG_RUNTIME_DIR and --run-dir are as at its start; torch stop"
                " works, by signal",
            )
    if pid is None:
        return NotRunning(
            f"the torch service is not running ({settings.where})", hint="start it: torch start"
        )
    return ServiceUnreachable(
        f"the service (pid {pid or 'unknown'}) is running but has no socket",
        hint="it is starting or stopping; if this does not change, see " + settings.log,
    )
