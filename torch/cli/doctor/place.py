"""Checks of the service's folders: whose they are, and how much room is left."""

from __future__ import annotations

import os
from collections.abc import Iterator

from torch.cli.doctor.subject import Finding, Subject, bad, ok, warn
from torch.daemon.folders import wrong_with
from torch.settings import Settings

_MIB = 2**20
_LEAST, _LITTLE = 16, 256  # MiB: bad, doubtful
_LEAST_FILES, _LITTLE_FILES = 100, 2000


def folders(subject: Subject) -> Finding:
    """The same conditions as the service has at its start."""
    missing = []
    for folder in _folders(subject.settings):
        try:
            os.lstat(folder)
        except FileNotFoundError:
            missing.append(folder)
            continue
        except OSError as error:
            return bad(f"{folder}: {error.strerror}", "run torch doctor as the service's user")
        if (wrong := wrong_with(folder)) is not None:
            return bad(wrong.message, wrong.hint)
    for folder in missing:
        above = _nearest(folder)
        if not os.access(above, os.W_OK | os.X_OK):
            return bad(
                f"{folder} does not exist and cannot be created in {above}",
                f"install -d -o {os.geteuid()} {folder}, or choose another --state-dir",
            )
    if missing:
        return ok(f"{', '.join(missing)}: will be created at the start")
    return ok(", ".join(_folders(subject.settings)))


def room(subject: Subject) -> Finding:
    """Bytes and file names, where the history and where the output is written."""
    told = []
    doubt: Finding | None = None
    for folder in _folders(subject.settings):
        found = os.statvfs(_nearest(folder))
        free = found.f_bavail * found.f_frsize // _MIB
        files = found.f_favail if found.f_files else None  # btrfs has no such limit
        told.append(f"{folder} {_size(free)}")
        few = files is not None and files < _LITTLE_FILES
        if free < _LEAST or (files is not None and files < _LEAST_FILES):
            left = f"{free} MiB" if free < _LEAST else f"{files} more files"
            return bad(
                f"space for only {left} in {folder}",
                "free disk space: a run that cannot be recorded does not start",
            )
        if free < _LITTLE or few:
            left = f"{files} more files" if few else f"{free} MiB"
            doubt = doubt or warn(f"space for only {left} in {folder}", "free disk space soon")
    return doubt or ok(f"free: {', '.join(told)}")


def _folders(settings: Settings) -> tuple[str, ...]:
    return tuple(dict.fromkeys((settings.state_dir, settings.run_dir, settings.log_dir)))


def _nearest(folder: str) -> str:
    """The folder, or what there is of the way to it."""
    return next(path for path in _upwards(folder) if os.path.isdir(path))


def _upwards(path: str) -> Iterator[str]:
    while path != "/":
        yield path
        path = os.path.dirname(path)
    yield "/"


def _size(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib} MiB"
