"""Safe reading of the task file, which decides what root runs: as cron opens a crontab.

Owns who may have written what we read. Rules (docs/security.md; Debian cron `load.c`, cronie
`database.c` for the list of checks):
- No symlink on the way belongs to anybody but root or the service's user.
- A regular file, at most 8 MiB, of root or the service's user; not writable by others, nor by a
  group unless that is the own group of root or the service's user and nobody else is in it.
- The same of the directory that holds it and of those that hold its symlinks, but that in a
  sticky one (/tmp) everybody may write: only a file's owner can replace it there.
- On a file system that is mounted read-only here nobody writes, whatever the mode says: the
  directory of a Kubernetes ConfigMap is 0777. Owners count there too.
- Two equal reads with an unchanged file around them: an old file or a new one, never a mix.
  Between them the kernel is asked whether a process has it open for writing, so that nobody had at
  the moment whose bytes these are; what follows says `torch/taskfile/settling.py`.
- More than one hard link is a warning only; refusing it let any user who may link to the file
  stop cron (MDKSA-2007:234).

Never hangs: devices, FIFOs and sockets are refused before they are opened, and the opening
itself never waits. Refusals name the file and the command that mends it.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from torch.errors import Problem, TaskFileError
from torch.paths import walk
from torch.taskfile.settling import Save, is_ended
from torch.taskfile.text import LIMIT
from torch.taskfile.writers import writer_of

ATTEMPTS = 5
"""Times a file that is replaced or changed while it is read is read anew."""

_KINDS = {
    stat.S_IFDIR: ("is a directory", "name the file in it"),
    stat.S_IFIFO: ("is a FIFO, not a regular file", ""),
    stat.S_IFSOCK: ("is a socket, not a regular file", ""),
    stat.S_IFCHR: ("is a device, not a regular file", ""),
    stat.S_IFBLK: ("is a device, not a regular file", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The bytes of a task file that is safe to read, how it was saved, and doubts about it."""

    data: bytes
    save: Save
    warnings: tuple[Problem, ...] = ()


class Missing(TaskFileError):
    """There is no file, perhaps only for the moment in which it is being replaced."""


class _Changed(Exception):
    """The file was replaced or written while it was read."""


def read_task_file(path: str) -> Opened:
    """Reads the task file at `path`. Raises TaskFileError when it is missing or not safe."""
    for _ in range(ATTEMPTS):
        try:
            return _read(path)
        except _Changed:
            continue
        except OSError as error:
            _refuse_unreadable(path, error)
        except ValueError:  # a NUL or half a character in it
            _refuse(path, "has a name that is not valid for a file")
    return _refuse(
        path, "keeps changing while it is read", "write a new file and rename it over this one"
    )


def _read(path: str) -> Opened:
    real = _resolve(path)
    before = os.lstat(real)
    _check_kind(path, before)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
    fd = os.open(real, flags)
    try:
        opened = os.fstat(fd)
        if (opened.st_dev, opened.st_ino) != (before.st_dev, before.st_ino):
            raise _Changed
        _check_kind(path, opened)
        _check_file(path, opened, fd)
        if opened.st_size > LIMIT:
            _refuse(
                path,
                f"is larger than {LIMIT // 2**20} MiB ({opened.st_size} bytes)",
                "split it, and keep the data of tasks in other files",
            )
        # A clock tick can hide a write from mtime, so the bytes themselves are compared too.
        data = _read_all(fd)
        writer, is_known = writer_of(fd)
        again = _read_all(fd)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    same = (opened.st_size, opened.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not writer and (not same or data != again or len(data) != opened.st_size):
        raise _Changed
    save = Save(
        identity=(opened.st_dev, opened.st_ino, opened.st_mtime_ns, opened.st_size),
        writer=writer, is_known=is_known, ends=is_ended(data),
    )  # fmt: skip
    return Opened(data=data, save=save, warnings=tuple(_doubts(path, opened, save)))


def _read_all(fd: int) -> bytes:
    """The whole file from its beginning, one byte more than allowed at most."""
    parts, offset = [], 0
    while offset <= LIMIT and (part := os.pread(fd, LIMIT + 1 - offset, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _resolve(path: str) -> str:
    """The path without symlinks; each link on the way, and where it lies, is checked."""

    def look(here: str, found: os.stat_result, is_last: bool) -> None:
        link = stat.S_ISLNK(found.st_mode)
        if link or is_last:
            _check_directory(path, os.path.dirname(here))
        if link and found.st_uid not in _trusted():
            _refuse(
                path,
                f"is reached through the symlink {here}, which belongs to {_user(found.st_uid)}",
                f"remove it, or: chown -h {_self()} {here}",
            )

    return walk(path, look)


def _check_kind(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        if stat.S_ISLNK(found.st_mode):
            raise _Changed
        what, hint = _KINDS.get(stat.S_IFMT(found.st_mode), ("is not a regular file", ""))
        _refuse(path, what, hint)


def _check_file(path: str, found: os.stat_result, fd: int) -> None:
    if found.st_uid not in _trusted():
        _refuse(path, f"belongs to {_user(found.st_uid)}", f"chown {_self()} {path}")
    if _is_read_only(fd):
        return
    if found.st_mode & stat.S_IWOTH:
        _refuse(path, "is writable by all users", f"chmod go-w {path}")
    if found.st_mode & stat.S_IWGRP and (group := _foreign_group(found.st_gid, fd)):
        _refuse(path, f"is writable by {group}", f"chmod g-w {path}")


def _check_directory(path: str, directory: str) -> None:
    found = os.stat(directory)
    if found.st_uid not in _trusted():
        owner = _user(found.st_uid)
        hint = f"chown {_self()} {directory}, or keep the task file elsewhere"
        _refuse(path, f"is in the directory {directory}, which belongs to {owner}", hint)
    if found.st_mode & stat.S_ISVTX or _is_read_only(directory):
        return
    if found.st_mode & stat.S_IWOTH:
        who = "all users"
    elif not (found.st_mode & stat.S_IWGRP and (who := _foreign_group(found.st_gid, directory))):
        return
    message = f"is in the directory {directory}, which is writable by {who}"
    _refuse(path, message, f"chmod go-w {directory}")


def _is_read_only(place: int | str) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def _trusted() -> tuple[int, int]:
    return 0, os.geteuid()


def _foreign_group(gid: int, place: int | str) -> str:
    """Who else may write by way of the group, or '' for a private group of a trusted user."""
    if _has_acl(place):
        return "the users in its access control list"
    users = [_passwd(uid) for uid in _trusted()]
    own = {user.pw_gid for user in users if user}
    names = {user.pw_name for user in users if user}
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return f"the group {gid}"
    called = f"the group {group.gr_name}"
    if gid not in own | {0}:
        return called
    others = set(group.gr_mem) | {each.pw_name for each in pwd.getpwall() if each.pw_gid == gid}
    others -= names
    return f"{called}, of which {min(others)} is a member" if others else ""


def _has_acl(place: int | str) -> bool:
    """Whether more than owner, group and others have rights; the group bits then are a mask."""
    try:
        return bool(os.getxattr(place, "system.posix_acl_access"))
    except OSError:
        return False


def _doubts(path: str, found: os.stat_result, save: Save) -> Iterator[Problem]:
    if found.st_nlink > 1:
        message = f"has {found.st_nlink} hard links: a change of one changes the others too"
        hint = f"cp {path} {path}.new && mv {path}.new {path}"
        yield _problem(path, message, hint, warning=True)
    if not save.ends:
        message = "has no line end after its last line, so it may be cut off"
        yield _problem(path, message, f"echo >>{path}", warning=True)


def _refuse_unreadable(path: str, error: OSError) -> NoReturn:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        message, hint = "does not exist", "create it, or name another with -f FILE or TORCH_FILE"
        if os.path.islink(path):
            message, hint = "is a symlink to a file that does not exist", f"see ls -l {path}"
        raise Missing((_problem(path, message, hint),))
    if error.errno in (errno.EACCES, errno.EPERM):
        _refuse(path, f"cannot be read by {_user(os.geteuid())}", "check the modes of its path")
    if error.errno == errno.ELOOP:
        _refuse(path, "is in a loop of symlinks", "fix the links")
    _refuse(path, f"cannot be read: {error.strerror}")


def _refuse(path: str, message: str, hint: str = "") -> NoReturn:
    raise TaskFileError((_problem(path, message, hint),))


def _problem(path: str, message: str, hint: str, *, warning: bool = False) -> Problem:
    return Problem(
        file=path,
        line=0,
        column=0,
        key="",
        message=f"the task file {message}",
        hint=hint,
        warning=warning,
    )


def _passwd(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _user(uid: int) -> str:
    user = _passwd(uid)
    return f"the user {user.pw_name}" if user else f"the user {uid}"


def _self() -> str:
    user = _passwd(os.geteuid())
    return user.pw_name if user else str(os.geteuid())
