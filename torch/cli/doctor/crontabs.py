"""Check for a cron that still runs the same commands: whoever moves in may forget to move out."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from torch.cli.doctor.subject import Finding, Subject, ok, warn

_FOLDERS = ("/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron")
_SHORTEST = 6
"""Characters of a command that are enough to be no accident."""

_LARGEST = 2**20


def crontabs(subject: Subject, *, root: str = "") -> Finding:
    """Only what this user may read is looked at."""
    commands = {
        " ".join(_text(task.command).split()): task.name
        for task in subject.file.tasks
        if task.enabled and len(_text(task.command)) >= _SHORTEST
    }
    twice = []
    looked = 0
    for path in _files(root):
        looked += 1
        for line in _lines(path):
            twice += [f"{name} ({path})" for command, name in commands.items() if line == command]
    if twice:
        more = f" and {len(twice) - 3} more" if twice[3:] else ""
        return warn(
            f"cron runs the same command as {', '.join(twice[:3])}{more}",
            "remove it from the crontab, or set enabled: false here",
        )
    return ok(f"no crontab runs the same commands ({looked} checked)")


def _text(command: str | tuple[str, ...]) -> str:
    return command if isinstance(command, str) else " ".join(command)


def _files(root: str) -> Iterator[str]:
    yield from (path for path in [f"{root}/etc/crontab"] if os.path.isfile(path))
    for folder in _FOLDERS:
        with contextlib.suppress(OSError):
            names = sorted(os.listdir(root + folder))
            yield from (p for n in names if os.path.isfile(p := f"{root}{folder}/{n}"))


def _lines(path: str) -> Iterator[str]:
    """The command of each entry. In the system's tables a user's name stands before it."""
    with_user = not re.search(r"/var/spool/", path)
    fields = 6 if with_user else 5
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file.read(_LARGEST).splitlines():
            words = line.split()
            if not words or words[0].startswith("#") or "=" in words[0]:
                continue
            skip = fields - 4 if words[0].startswith("@") else fields
            yield " ".join(words[skip:])
