"""How a run is started; ARCHITECTURE.md tells its whole life.

Owns the run file, the environment and the chain of programs in front of a command. The run
file is made and locked before the process exists and is the shim's standard input, so the
kernel itself says whether the run lives. Invariant: when `spawn` raises, no process exists
and no run file is left. Never a pipe: a task must not die with the service.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import pwd
import resource
import shutil
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from torch.clock import rfc3339
from torch.daemon.env_file import read_env_file
from torch.run import Run
from torch.task import Task

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = "/bin/sh"
UMASK = 0o022


class SpawnError(Exception):
    """The run did not start, for the reason in the text; it is certain that nothing runs."""


def _shim() -> str:
    """The shim without its comments: it stands in the argument list of every run."""
    text = (files("torch.daemon") / "shim.sh").read_text(encoding="ascii")
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


SHIM = _shim()
_RESET = (signal.SIGPIPE, signal.SIGXFSZ)  # what Python ignores, a task must not inherit

SOFT_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
"""Open files that a task may have, as we found it: the service raises its own limit."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A shim that waits. `pid` leads a session and is our child; a line on `go` begins the
    command, and closing `go` without one ends the shim with nothing started."""

    pid: int
    go: int


def spawn(run: Run, task: Task, *, runs_dir: str, output_fd: int) -> Spawned:
    """Starts the run's shim, which waits to be released. Raises SpawnError.

    The caller keeps `output_fd` and owns `go`. posix_spawn and not Popen: it costs a third
    less, and gives the shim the one descriptor more that it waits on.
    """
    path = f"{runs_dir}/{run.id}"
    opened: list[int] = []
    made = False
    try:
        environ = environment(run, task)
        command = [SHELL, "-c", SHIM, "torch", *_arguments(task), *_chain(task, environ)]
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        run_file = _make(path, flags)
        opened.append(run_file)
        made = True
        fcntl.flock(run_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        wait, go = os.pipe2(os.O_CLOEXEC)
        opened += [wait, go]
        descriptors = ((run_file, 0), (output_fd, 1), (output_fd, 2), (wait, 3))
        pid = os.posix_spawn(
            SHELL, command, environ, setsid=True, setsigmask=(), setsigdef=_RESET,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for fd, to in _apart(descriptors, opened)],
        )  # fmt: skip
    except (OSError, ValueError, SpawnError) as error:  # ValueError: a NUL, a surrogate
        if made:
            with contextlib.suppress(OSError):
                os.unlink(path)
        _close(opened)
        if isinstance(error, SpawnError):
            raise
        raise SpawnError(_why(error)) from error
    opened.remove(go)
    _close(opened)
    return Spawned(pid, go)


def _make(path: str, flags: int) -> int:
    """Makes the run file, and its folder anew where somebody took it away."""
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        return os.open(path, flags, 0o600)


def release(go: int) -> bool:
    """Begins the command and closes the pipe. False: the shim is gone, and it never began."""
    try:
        os.write(go, b"\n")
        return True
    except BrokenPipeError:
        return False
    finally:
        os.close(go)


def _apart(pairs: Sequence[tuple[int, int]], opened: list[int]) -> list[tuple[int, int]]:
    """The pairs with every source above every target: a dup2 must not hit a later source."""
    moved = []
    for fd, to in pairs:
        if fd <= len(pairs):
            fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
            opened.append(fd)
        moved.append((fd, to))
    return moved


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


def _arguments(task: Task) -> tuple[str, str, str]:
    """What the shim sets up. A folder that is not there is known before anything is started."""
    cwd = task.cwd or "/"
    if not os.path.isdir(cwd):
        raise SpawnError(f"its folder {cwd} does not exist")
    return str(SOFT_LIMIT), f"{UMASK if task.umask is None else task.umask:04o}", cwd


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return f"its command or environment holds what no process can be given: {error}"
    where = f" ({error.filename})" if error.filename else ""
    return f"the process could not be started: {error.strerror}{where}"


def _chain(task: Task, environ: Mapping[str, str]) -> list[str]:
    """nice, then setpriv, then the command: what may only be done as root comes first."""
    chain: list[str] = []
    if task.nice is not None:
        chain += [_program("nice"), "-n", str(task.nice)]
    chain += _drop_privileges(task)
    if isinstance(task.command, str):
        return [*chain, task.shell or SHELL, "-c", task.command]
    program, *arguments = task.command
    if not chain and "/" not in program:  # the shim's shell would prefer a builtin of that name
        found = shutil.which(program, path=environ["PATH"])
        if found is None:
            raise SpawnError(f"its command '{program}' is not in {environ['PATH']}")
        program = found
    return [*chain, program, *arguments]


def _drop_privileges(task: Task) -> list[str]:
    """setpriv, from util-linux: a change of user before the exec would need a slow fork."""
    if task.user is None and task.group is None:
        return []
    user = _user(task.user) if task.user is not None else None
    gid = _gid(task.group) if task.group is not None else user.pw_gid if user else None
    if os.geteuid() != 0 and (user is None or user.pw_uid == os.geteuid()) and gid == os.getegid():
        return []
    options = [f"--regid={gid}"]
    if user is not None:
        options += [f"--reuid={user.pw_uid}", "--init-groups", "--no-new-privs"]
    else:
        options += ["--clear-groups"]
    return [_program("setpriv"), *options, "--"]


def environment(run: Run, task: Task) -> dict[str, str]:
    """A clean base, the task's env_file, its env, then who it is. Nothing of our own."""
    user = _user(task.user) if task.user is not None else _self()
    environ = {
        "PATH": PATH,
        "HOME": user.pw_dir,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": task.shell or SHELL,
    }
    if task.env_file is not None:
        try:
            environ |= read_env_file(task.env_file, for_other_user=task.user is not None)
        except (OSError, ValueError) as error:
            raise SpawnError(f"env_file {task.env_file}: {error}") from error
    environ |= task.env
    environ["TORCH_TASK"] = task.name
    environ["TORCH_RUN_ID"] = run.id
    environ["TORCH_FIRE_TIME"] = rfc3339(run.fire_time) or ""
    environ["TORCH_ATTEMPT"] = str(run.attempt)
    return environ


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError as error:
        raise SpawnError(f"there is no user '{name}' on this host") from error


def _self() -> pwd.struct_passwd:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid)
    except KeyError:  # a container may run us under a uid without a name
        return pwd.struct_passwd((str(uid), "x", uid, os.getegid(), "", "/", SHELL))


def _gid(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise SpawnError(f"there is no group '{name}' on this host") from error


def _program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        raise SpawnError(f"'{name}' is not installed on this host")
    return found
