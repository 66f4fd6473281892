"""From a task to the order for a reaper: command, environment, user, limits.

Owns the environment and the programs in front of a command. Nothing is started here; a reaper
does that (torch/reaper). Invariant: a start that is known to be impossible is refused here, before
anything exists.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
import shutil
from collections.abc import Mapping

from torch.clock import rfc3339
from torch.daemon.env_file import read_env_file
from torch.reaper.wire import Order
from torch.run import Run
from torch.task import Privileges, Task, Via
from torch.taskfile.private import BeingSaved

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = "/bin/sh"
UMASK = 0o022

SOFT_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
"""Open files that a task may have, as we found it: the service raises its own limit."""


class OrderError(Exception):
    """The run cannot be started, for the reason in the text."""


class NotYet(OrderError):
    """Not now, but perhaps in a moment."""


class Orders:
    """Makes orders one after the other; what many of them need is looked up once, until `renew`."""

    def __init__(self) -> None:
        self._users: dict[str | None, pwd.struct_passwd] = {}
        self._nice = os.getpriority(os.PRIO_PROCESS, 0)

    def renew(self) -> None:
        """A user or a program may be another by now."""
        self._users.clear()

    def make(self, run: Run, task: Task, *, at: float, output: str) -> Order:
        """`at`: not before this second since boot, 0 at once; `output`: the file for what it
        prints. Raises OrderError."""
        environ = self.environment(run, task)
        fronts, argv = self._chain(task, environ)
        try:
            return Order(
                run=run.id, argv=[os.fsencode(each) for each in argv],
                environ=[os.fsencode(f"{name}={value}") for name, value in environ.items()],
                at=at, output=output, max_size=task.output.max_size,
                direct=task.output.via is Via.FILE, soft_files=SOFT_FILES,
                umask=UMASK if task.umask is None else task.umask, cwd=task.cwd or "/",
                fronts=fronts,
            )  # fmt: skip
        except ValueError as error:  # a surrogate
            reason = f"its command or environment cannot be passed to a process: {error}"
            raise OrderError(reason) from error

    def _chain(self, task: Task, environ: Mapping[str, str]) -> tuple[list[int], list[str]]:
        """(where the programs in front of the command are; nice, then setpriv, then the command):
        what may only be done as root comes first."""
        chain: list[str] = []
        fronts: list[int] = []
        if task.nice is not None and task.nice != self._nice:
            self._may_have(task.nice)
            fronts.append(len(chain))
            chain += [_program("nice"), "-n", str(task.nice - self._nice)]
        if dropping := self._drop_privileges(task):
            fronts.append(len(chain))
            chain += dropping
        if isinstance(task.command, str):
            command = [task.shell or SHELL, "-c", task.command]
        else:
            command = [*task.command]
            if "/" not in command[0]:
                found = shutil.which(command[0], path=environ["PATH"])
                if found is None:
                    raise OrderError(f"its command '{command[0]}' is not in {environ['PATH']}")
                command = [found, *command[1:]]
        return fronts, [*chain, *command]

    def _may_have(self, nice: int) -> None:
        """nice itself only warns, and runs the command as it is. Root of a container often may not
        go below either, whatever its capabilities say: so it is tried."""
        if nice > self._nice:
            return
        try:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        except OSError as error:
            raise OrderError(
                f"its nice {nice} is below the service's {self._nice}, which needs CAP_SYS_NICE"
            ) from error
        os.setpriority(os.PRIO_PROCESS, 0, self._nice)

    def _drop_privileges(self, task: Task) -> list[str]:
        """setpriv, from util-linux: a change of user before the exec would need a slow fork."""
        if task.user is None and task.group is None:
            return []
        user = self._user(task.user) if task.user is not None else None
        gid = _gid(task.group) if task.group is not None else user.pw_gid if user else None
        ours = user is None or user.pw_uid == os.geteuid()
        if os.geteuid() != 0 and ours and gid == os.getegid():
            return []
        options = [f"--regid={gid}"]
        if user is not None:
            options += [f"--reuid={user.pw_uid}", "--init-groups"]
            if task.privileges is Privileges.DROP:
                options.append("--no-new-privs")
        else:
            options += ["--clear-groups"]
        return [_program("setpriv"), *options, "--"]

    def environment(self, run: Run, task: Task) -> dict[str, str]:
        """A clean base, the task's env_file, its env, then who it is. Nothing of our own."""
        user = self._user(task.user)
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
            except BeingSaved as error:
                raise NotYet(f"env_file {task.env_file}: {error}") from error
            except (OSError, ValueError) as error:
                raise OrderError(f"env_file {task.env_file}: {error}") from error
        environ |= task.env
        environ["TORCH_TASK"] = task.name
        environ["TORCH_RUN_ID"] = run.id
        environ["TORCH_FIRE_TIME"] = rfc3339(run.fire_time) or ""
        environ["TORCH_ATTEMPT"] = str(run.attempt)
        return environ

    def _user(self, name: str | None) -> pwd.struct_passwd:
        """None: the service's own."""
        if name not in self._users:
            self._users[name] = _self() if name is None else _named(name)
        return self._users[name]


def _named(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError as error:
        raise OrderError(f"there is no user '{name}' on this host") from error


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
        raise OrderError(f"there is no group '{name}' on this host") from error


def _program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        raise OrderError(f"'{name}' is not installed on this host")
    return found
