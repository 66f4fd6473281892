"""A run as the version before started it: a shell around the command, and a run file."""

from __future__ import annotations

import fcntl
import os

_SHIM = """
run=$1; shift
read go <&3 || exit 0
exec 3<&-
echo "S $$" >>"$run"
"$@" </dev/null 9<&-
code=$?
echo "X $code" >>"$run"
exit $code
"""
"""What that shim did, in few words: its run file is on descriptor 9, locked as long as it lives."""


def start(run_id: str, command: str, *, runs_dir: str, output: str) -> tuple[int, int]:
    """(pid of the shim, the pipe that releases it); task `t`."""
    path = f"{runs_dir}/{run_id}"
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
    wait, go = os.pipe2(os.O_CLOEXEC)
    sources = [os.dup(fd) for fd in (held, out, wait)]
    environ = {"PATH": "/usr/bin:/bin", "TORCH_RUN_ID": run_id, "TORCH_TASK": "t"}
    environ |= {"TORCH_FIRE_TIME": "1970-01-01T00:01:00+00:00", "TORCH_ATTEMPT": "1"}
    actions: list[tuple[object, ...]] = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in sources]
    for fd, targets in zip(high, ((9,), (1, 2), (3,)), strict=True):
        actions += [(os.POSIX_SPAWN_DUP2, fd, to) for to in targets]
    argv = ["/bin/sh", "-c", _SHIM, "torch", path, "/bin/sh", "-c", command]
    pid = os.posix_spawn(argv[0], argv, environ, setsid=True, file_actions=actions)
    for fd in (held, out, wait, *sources, *high):
        os.close(fd)
    return pid, go


def release(go: int) -> None:
    os.write(go, b"\n")
    os.close(go)
