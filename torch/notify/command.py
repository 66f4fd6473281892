"""A message to a command: the event on its standard input, the facts in its environment.

Owns how it is started, and that its end is the end of all it started. It runs as the service's
user, in / and with the environment that tasks begin with. `TORCH_RUN_ID` is never set here: it
marks what belongs to a run.
"""

from __future__ import annotations

import os
import pwd
import select
import subprocess

from torch.clock import rfc3339
from torch.message import Message
from torch.notify.cloudevent import event
from torch.notify.fitting import DETAIL, one_line
from torch.notify.guard import end_descendants, follow_parent
from torch.notify.wire import Result

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELL = "/bin/sh"
_TAIL = 4096


def send(target: str | tuple[str, ...], message: Message) -> Result:
    """Runs it to its end; `guard` bounds how long that takes."""
    argv = [_SHELL, "-c", target] if isinstance(target, str) else list(target)
    try:
        # Both ends are files or drained here: a command that does not read, or never stops
        # writing, holds nothing up.
        given = _file_of(event(message) + b"\n")
        try:
            process = subprocess.Popen(
                argv, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=environment(message), cwd="/", umask=0o022, start_new_session=True,
                preexec_fn=follow_parent,
            )  # fmt: skip
        finally:
            os.close(given)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Result(ok=False, detail=one_line(f"{argv[0]} could not be started: {why}", DETAIL))
    said = _until_end(process)
    if process.returncode == 0:
        return Result(ok=True, detail="exit code 0")
    lines = said.decode("utf-8", "replace").strip().splitlines()
    code = process.returncode
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    detail = f"{how}: {lines[-1]}" if lines else how
    return Result(ok=False, detail=one_line(detail, DETAIL))


def _file_of(data: bytes) -> int:
    """A descriptor that reads `data`, without a file anywhere."""
    fd = os.memfd_create("event")
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _until_end(process: subprocess.Popen[bytes]) -> bytes:
    """Waits for the command itself, ends what it left, and gives the last that was written."""
    assert process.stdout is not None  # noqa: S101
    fd, pidfd = process.stdout.fileno(), os.pidfd_open(process.pid)
    watched, said = [fd, pidfd], b""
    while pidfd in watched:
        ready = select.select(watched, [], [])[0]
        if fd in ready:
            more = os.read(fd, 65536)
            said = (said + more)[-_TAIL:]
            if more:
                continue  # what it wrote before it ended comes first
            watched.remove(fd)
        if pidfd in ready:
            watched.remove(pidfd)
    os.close(pidfd)
    process.wait()
    end_descendants()
    return said


def environment(message: Message) -> dict[str, str]:
    """A clean base, and the message. Nothing of our own."""
    try:
        user, home = (lambda found: (found.pw_name, found.pw_dir))(pwd.getpwuid(os.geteuid()))
    except KeyError:  # a container may run us under a uid without a name
        user, home = str(os.geteuid()), "/"
    told = {
        "ID": message.id,
        "KIND": message.kind.value,
        "HOST": message.host,
        "AT": rfc3339(message.at) or "",
        "TITLE": message.title,
        "BODY": message.body,
        "RUN": message.run or "",
        "OUTCOME": message.outcome or "",
        "EXIT_CODE": "" if message.exit_code is None else str(message.exit_code),
        "REASON": message.reason,
        "OWNER": message.owner,
    }
    return {
        "PATH": PATH,
        "HOME": home,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "USER": user,
        "LOGNAME": user,
        "SHELL": _SHELL,
        "TORCH_TASK": message.task,
        **{f"TORCH_MESSAGE_{name}": text for name, text in told.items()},
    }
