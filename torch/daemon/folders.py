"""The service's folders: made if they are missing, and refused if others could write to them.

Owns the rules for their owner and rights. Their files decide what we run and which processes we
signal, so a folder must belong to root or the service's user, and no other user may be able to
write to it: a sticky bit only keeps others from removing files, not from making new ones. A path is
refused, too, if it has a symlink of another user, or if others can replace the folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from torch.errors import NotPermitted, SettingsError, TorchError
from torch.paths import walk
from torch.settings import Settings


def make_folders(settings: Settings) -> None:
    """All that a service needs. Raises SettingsError and NotPermitted."""
    private = {settings.state_dir, settings.reapers}
    for folder in _all(settings):
        mode = 0o700 if folder in private else 0o755 if folder == settings.run_dir else 0o750
        try:
            if not os.path.isdir(folder):
                _make(folder, mode)
        except PermissionError as error:
            raise NotPermitted(
                f"{error.filename or folder} cannot be created or read: {error.strerror}",
                hint="run as its owner, or choose another --state-dir",
            ) from error
        except OSError as error:
            raise SettingsError(
                f"{error.filename or folder} cannot be used: {error.strerror}",
                hint="choose another --state-dir",
            ) from error
        check(folder)


def _all(settings: Settings) -> tuple[str, ...]:
    return (settings.state_dir, settings.run_dir, settings.log_dir, settings.reapers,
            settings.output)  # fmt: skip


def refuse_unfit(settings: Settings) -> None:
    """What `make_folders` would raise; makes nothing."""
    for folder in _all(settings):
        there = folder
        while not os.path.lexists(there):
            there = os.path.dirname(there)
        if there == folder:
            check(folder)
            continue
        try:
            _check_way(there, (os.geteuid(), 0))
        except OSError as error:
            raise NotPermitted(
                f"{error.filename or there} cannot be read: {error.strerror}",
                hint="run as its owner",
            ) from error
        if not os.path.isdir(there):
            raise SettingsError(
                f"{folder} cannot be used: {there} is not a directory",
                hint="choose another --state-dir",
            )
        if not os.access(there, os.W_OK | os.X_OK):
            raise NotPermitted(
                f"{folder} cannot be created: {there} is not writable for uid {os.geteuid()}",
                hint="run as its owner, or choose another --state-dir",
            )


def _make(folder: str, mode: int) -> None:
    """Only below what may be trusted; and where another makes it meanwhile, it stays as it is."""
    there = folder
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    _check_way(there, (os.geteuid(), 0))
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(fd, mode)
        finally:
            os.close(fd)
    if not os.path.isdir(folder):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)


def check(folder: str) -> None:
    """A folder that is there, as a service must find it. Raises SettingsError and NotPermitted."""
    if (error := wrong_with(folder)) is not None:
        raise error


def wrong_with(folder: str) -> TorchError | None:
    """Why a service cannot have this folder; None where it can. It is there."""
    ours = (os.geteuid(), 0)
    try:
        _check_way(folder, ours)
        found = os.stat(folder)
    except SettingsError as error:
        return error
    except OSError as error:
        return NotPermitted(
            f"{error.filename or folder} cannot be read: {error.strerror}", hint="run as its owner"
        )
    if not stat.S_ISDIR(found.st_mode):
        return SettingsError(f"{folder} is not a directory", hint="choose another --state-dir")
    if found.st_uid not in ours:
        return SettingsError(
            f"{folder} belongs to another user (uid {found.st_uid})",
            hint="choose another --state-dir, or make the service's user its owner",
        )
    if found.st_mode & 0o022:
        sticky = stat.S_ISVTX & found.st_mode
        return SettingsError(
            f"other users can write to {folder}",
            hint=f"choose a directory in it: --state-dir {folder}/torch" if sticky
            else f"chmod go-w {folder}",
        )  # fmt: skip
    if not os.access(folder, os.W_OK | os.X_OK):
        return NotPermitted(
            f"{folder} is not writable for uid {os.geteuid()}", hint="run as its owner"
        )
    return None


def refuse_planted(folder: str) -> None:
    """For who only looks for a service there: no symlink on the way may be of somebody to whom
    neither we nor the folder belong. Raises SettingsError; what is not there is nobody's trap."""
    with contextlib.suppress(OSError):
        trusted = (0, os.geteuid(), os.stat(folder).st_uid)
        _check_way(folder, trusted, links_only=True)


def _check_way(folder: str, trusted: tuple[int, ...], *, links_only: bool = False) -> None:
    """Raises SettingsError, and OSError where there is no way."""

    def look(here: str, found: os.stat_result, is_last: bool) -> None:
        if not stat.S_ISLNK(found.st_mode):
            open_to_all = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
            if open_to_all and not is_last and not links_only:
                raise SettingsError(
                    f"any user can replace {folder}: {here} is writable by all",
                    hint=f"chmod o-w {here}, or chmod +t {here}",
                )
        elif found.st_uid not in trusted:
            raise SettingsError(
                f"{folder} is reached through the symlink {here} of another user"
                f" (uid {found.st_uid})",
                hint="remove the symlink, or use the directory that it points to",
            )

    walk(folder, look)
