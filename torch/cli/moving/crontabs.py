"""The crontabs of one host: which files of a directory they are, and whose.

Owns the layouts: a directory of crontabs as cron has it (`/etc/cron.d`, a spool), and a directory
into which the crontabs of a host were copied (`etc/crontab`, `etc/cron.d`, `var/spool/cron`,
`crontab`, `cron.d`, `crontabs`). A copied `etc/passwd` says where the users' homes are.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch.cli.moving import files
from torch.errors import UsageError
from torch.importing import crons, crontab
from torch.importing.crons import Cron
from torch.importing.crontab import Host
from torch.importing.draft import Original

_NAME = re.compile(r"[A-Za-z0-9_-]+")  # of a file in /etc/cron.d that cron reads
_SYSTEM = ("etc/crontab", "crontab")
_FOLDERS = (
    "etc/cron.d", "cron.d", "crontabs",
    "var/spool/cron/crontabs", "var/spool/cron/tabs", "var/spool/cron",
)  # fmt: skip
_CRONS = ("cron.d", "crontabs", "tabs")  # directories of cron's own
_PASSWD = ("etc/passwd", "passwd")
_SHOWN = 5  # names of files that were not read


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabOptions:
    """What the options say of all crontabs."""

    user: str | None = None
    column: bool | None = None
    cron: Cron | None = None


@dataclass(slots=True)
class Collected:
    """The files of one argument, with their owners ('' where the path or the lines say it)."""

    crontabs: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    passwd: str = ""


def read(paths: Sequence[str], options: CrontabOptions, *, alone: bool = True) -> list[Original]:
    """The crontabs at the paths, all of one host. `alone`: none at all is no error.

    Raises TorchError for what cannot be read.
    """
    found = [_collect(path) for path in paths]
    names = [name for each in found for name, _ in each.crontabs]
    if not names and not alone:
        raise UsageError(
            f"{', '.join(paths)} has no crontabs",
            hint=f"crontabs are looked for in {', '.join((*_SYSTEM, *_FOLDERS))}",
        )
    cron = options.cron or crons.of_paths(names) or Cron.DEBIAN
    originals = [original for each in found for original in _read(each, options, cron)]
    originals = originals or [Original(", ".join(paths))]
    for note in (note for each in found for note in each.notes):
        originals[0].note(note)
    return originals


def _read(found: Collected, options: CrontabOptions, cron: Cron) -> list[Original]:
    host = _copied(found.passwd) if found.passwd else Host(users=_users(), home=_home)
    originals, total = [], 0
    for name, owner in found.crontabs:
        data = files.read(name)
        files.within(total := total + len(data))
        originals.append(crontab.read(
            data, file=name, host=host, column=options.column, owner=options.user or owner,
            cron=cron,
        ))  # fmt: skip
    return originals


def has_passwd(path: str) -> bool:
    """Whether a directory has the users of its host."""
    return any(os.path.isfile(os.path.join(path, each)) for each in _PASSWD)


def _collect(path: str) -> Collected:
    """What one argument names."""
    found = Collected()
    if path == "-" or not os.path.isdir(path):
        found.crontabs.append((path, ""))
        return found
    names = files.listed(path)
    copied = [name for name in (*_SYSTEM, *_FOLDERS) if _is_there(path, name)]
    if os.path.basename(os.path.abspath(path)) in _CRONS:
        copied = []  # a file named crontab is one of a package, or of a user
    if not copied:
        _flat(path, names, found)
        return found
    for name in copied:
        inner = os.path.join(path, name)
        if name in _SYSTEM:
            found.crontabs.append((inner, ""))
        else:
            _flat(inner, files.listed(inner), found, owned=name == "crontabs")
    found.passwd = next(
        (each for name in _PASSWD if os.path.isfile(each := os.path.join(path, name))), ""
    )
    known = {each for name in (*copied, *_PASSWD) for each in (name, name.partition("/")[0])}
    _skipped(path, [name for name in names if name not in known], found)
    if os.path.isfile(anacrontab := os.path.join(path, "etc/anacrontab")):
        found.notes.append(_anacron(anacrontab))
    return found


def _is_there(path: str, name: str) -> bool:
    inner = os.path.join(path, name)
    return os.path.isfile(inner) if name in _SYSTEM else os.path.isdir(inner)


def _flat(folder: str, names: list[str], found: Collected, *, owned: bool = False) -> None:
    """The files of a directory that cron reads; a spool knows users, cron.d packages."""
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or name == ".placeholder":
            if what := files.kind(path):
                found.notes.append(f"{path} was not read: it is {what}.")
            continue
        if name == "anacrontab":
            found.notes.append(_anacron(path))
        elif _is_read(folder, name):
            found.crontabs.append((path, name if owned else ""))
        else:
            found.notes.append(f"{path} was not read: cron ignores files with such a name.")


def _skipped(folder: str, names: list[str], found: Collected) -> None:
    if "anacrontab" in names:
        names.remove("anacrontab")
        found.notes.append(_anacron(os.path.join(folder, "anacrontab")))
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        found.notes.append(
            f"in {folder}, {', '.join(names[:_SHOWN])}{more} were not read: crontabs are "
            f"{', '.join((*_SYSTEM, *_FOLDERS))}."
        )


def _anacron(path: str) -> str:
    return (
        f"{path} was not read: it is an anacrontab. Write each of its lines as a task with "
        "'schedule: \"@daily\"' (or @weekly, @monthly) and 'catch_up: last'."
    )


def _is_read(folder: str, name: str) -> bool:
    if folder.rstrip("/").endswith("cron.d"):
        return _NAME.fullmatch(name) is not None
    return not name.startswith((".", "tmp."))


def _users() -> frozenset[str]:
    return frozenset(each.pw_name for each in pwd.getpwall())


def _home(user: str) -> str | None:
    """A user's home on this host, if it is a directory."""
    with contextlib.suppress(KeyError, ValueError):
        home = pwd.getpwnam(user).pw_dir
        return home if os.path.isdir(home) else None
    return None


def _copied(passwd: str) -> Host:
    """The users and homes of the host that a passwd file was copied from."""
    homes = dict(_entries(files.read(passwd).decode("utf-8", "replace")))
    return Host(users=frozenset(homes), home=homes.get)


def _entries(text: str) -> Iterator[tuple[str, str | None]]:
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) >= 6 and parts[0]:  # name:x:uid:gid:comment:home:shell
            home = parts[5]
            yield parts[0], home if home.startswith("/") and home != "/nonexistent" else None
