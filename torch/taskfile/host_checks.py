"""What a task needs of this host: its users, directories and programs.

Owns the checks that only a host that owns a task can make, so a file made for a hundred hosts
is judged on each by what that host is to run. A disabled task is not judged: its host may not
be ready for it, which is a reason to disable it.

Missing users, groups, directories and shells are errors: every run would fail, and the one who
edits the file is there now. A missing program or env_file is a warning, since a package or a
secret may come after the file, and the run then says so itself.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from torch.errors import Problem
from torch.task import Task
from torch.taskfile.parse import TaskFile
from torch.taskfile.private import why_not_private
from torch.taskfile.problems import SHOWN, quoted, visible

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a task finds its programs if its `env` does not say otherwise."""


def check_host(file: TaskFile, tasks: Iterable[Task]) -> tuple[Problem, ...]:
    """Problems of `tasks` (those of `file` that this host owns) on this host, errors and warnings.

    Answers for the user this process runs as, which is the service's. At most 100 problems.
    """
    check = _Check(file)
    for task in tasks:
        if task.enabled and len(check.found) < SHOWN:
            check.task(task)
    return tuple(check.found)


@dataclass(slots=True)
class _Check:
    file: TaskFile
    found: list[Problem] = field(default_factory=list)

    def task(self, task: Task) -> None:
        if task.user is not None:
            self._user(task, task.user)
        if task.group is not None:
            self._group(task, task.group)
        if task.nice is not None and task.nice < 0 and os.geteuid() != 0:
            self._add(task, "nice", "'nice' below 0 needs a service that runs as root")
        if task.cwd is not None and not _is_directory(task.cwd):
            why = "is not a directory" if os.path.exists(task.cwd) else "does not exist"
            self._add(task, "cwd", f"'cwd': {quoted(task.cwd)} {why} on this host", _hint(task))
        if task.shell is not None and not _is_program(task.shell):
            self._add(
                task,
                "shell",
                f"'shell': {quoted(task.shell)} is not a program on this host",
                _hint(task),
            )
        if task.env_file is not None:
            self._env_file(task, task.env_file)
        self._command(task)

    def _user(self, task: Task, name: str) -> None:
        uid = _uid(name)
        if uid is None:
            message = f"'user': there is no user {quoted(name)} on this host"
            self._add(task, "user", message, _hint(task))
        elif os.geteuid() not in (0, uid):
            message = f"'user': only root can run a task as {quoted(name)}"
            self._add(task, "user", message, "run the service as root, or remove 'user'")

    def _group(self, task: Task, name: str) -> None:
        gid = _gid(name)
        if gid is None:
            message = f"'group': there is no group {quoted(name)} on this host"
            self._add(task, "group", message, _hint(task))
        elif os.geteuid() != 0 and gid != os.getegid():
            message = f"'group': only root can run a task under {quoted(name)}"
            self._add(task, "group", message, "run the service as root, or remove 'group'")

    def _env_file(self, task: Task, path: str) -> None:
        if doubt := _env_file_doubt(path):
            hint = f"no run starts until this is fixed: chmod 600 {visible(path)}"
            self._add(task, "env_file", f"'env_file': {quoted(path)} {doubt}", hint, warning=True)

    def _command(self, task: Task) -> None:
        """The program of a list. What text for a shell would run, only that shell knows."""
        if isinstance(task.command, str):
            return
        program, path = task.command[0], dict(task.env).get("PATH", PATH)
        if not _is_found(program, path, task.cwd or "/"):
            message = f"'command': there is no program {quoted(program)} on this host"
            hint = "" if "/" in program else f"it was searched for in {visible(path)}"
            self._add(task, "command", message, hint, warning=True)

    def _add(
        self, task: Task, key: str, message: str, hint: str = "", *, warning: bool = False
    ) -> None:
        self.found.append(self.file.problem(task, key, message, hint, warning=warning))


def _hint(task: Task) -> str:
    where = "" if task.hosts else "; without 'hosts' it runs on every host"
    return f"fix the key, or limit 'hosts' to hosts that have it{where}"


# Cached for one reading: the child that checks lives no longer than that. A process that lives
# longer calls forget() first.


@lru_cache(maxsize=1024)
def _uid(name: str) -> int | None:
    try:
        return pwd.getpwuid(int(name)).pw_uid if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):  # ValueError: a NUL or a surrogate
        return None


@lru_cache(maxsize=1024)
def _gid(name: str) -> int | None:
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _is_directory(path: str) -> bool:
    return os.path.isdir(path)


@lru_cache(maxsize=1024)
def _is_program(path: str) -> bool:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & 0o111)


@lru_cache(maxsize=1024)
def _is_found(program: str, path: str, cwd: str) -> bool:
    if "/" in program:
        return _is_program(os.path.join(cwd, program))
    return any(_is_program(os.path.join(cwd, part, program)) for part in path.split(":"))


_env_file_doubt = lru_cache(maxsize=1024)(why_not_private)


def forget() -> None:
    """Drops what earlier checks learned of this host."""
    for each in (_uid, _gid, _is_directory, _is_program, _is_found, _env_file_doubt):
        each.cache_clear()
