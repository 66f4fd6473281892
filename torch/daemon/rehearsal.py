"""A start that starts nothing: what would refuse a service, looked for while another still runs.

Owns the checks, in the order in which `service.serve` would meet the same conditions. It runs in
the process that the service would have, with the same settings, user and environment, so that
what holds here holds for the start. Invariant: nothing is left, locked or signalled: the file that
is written to see whether there is room has no name. The lock and the socket are not looked at,
since the service that is to be replaced has them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import subprocess
import sys

from torch import zone
from torch.daemon import folders
from torch.errors import Fault, NotPermitted, SettingsError, TaskFileError, TryAgain
from torch.history.reader import refuse_newer
from torch.settings import Settings
from torch.taskfile.reading import Reading, Request, extra_time, shape, unpack_reply
from torch.taskfile.settling import WRITTEN

LIMIT = 60.0
"""Seconds that reading a small task file may take here."""


ROOM = 1 << 16
"""Bytes that must fit on the disk of the service's own files."""

DESCRIPTORS = 32
"""Open files of a service that runs nothing, and some for its tasks."""


def rehearse(settings: Settings) -> None:
    """Raises the error that a service with these settings would end with."""
    zone.current()
    folders.refuse_unfit(settings)
    _refuse_few_descriptors()
    _refuse_small_files(settings)
    for folder in dict.fromkeys((settings.state_dir, settings.run_dir)):
        _refuse_full(folder)
    _refuse_unwritable(settings.log, "the log")
    refuse_newer(settings.history)
    _refuse_unwritable(settings.history, "the history")
    reading = _read(settings)
    if reading.save is not None and reading.save.writer:
        raise TryAgain(
            f"{settings.task_file}: {WRITTEN.format(writer=reading.save.writer)}",
            hint="restart when it is closed; to see who writes: fuser -v " + settings.task_file,
        )
    if reading.refused:
        raise TaskFileError(reading.problems)


def _refuse_few_descriptors() -> None:
    """The start would raise the limit as far as it may, and so did we."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < DESCRIPTORS:
        raise SettingsError(
            f"a process may have only {most} open files here; the service needs {DESCRIPTORS}",
            hint="raise the limit: ulimit -n 1024",
        )


def _refuse_small_files(settings: Settings) -> None:
    """A file that is there already must not be longer than one may be."""
    most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if most == resource.RLIM_INFINITY:
        return
    for path in (settings.history, settings.log):
        size = 0
        with contextlib.suppress(OSError):
            size = os.stat(path).st_size
        if most < size + ROOM:
            raise SettingsError(
                f"a file may have only {most} bytes here; {path} has {size}",
                hint="raise the limit: ulimit -f unlimited",
            )


def _refuse_full(folder: str) -> None:
    """There must be room for what a start writes: its journal, its pid, the history."""
    if not os.path.isdir(folder):
        return
    path = f"{folder}/restart-check.{os.getpid()}"
    try:
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            os.unlink(path)
            rest = bytes(ROOM)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be written: {error.strerror}",
            hint="free disk space; to see how much there is: df " + folder,
        ) from error


def _refuse_unwritable(path: str, what: str) -> None:
    """A file that is there must be one that this user can write to."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise NotPermitted(
            f"{what} {path} cannot be written: {error.strerror}",
            hint="run as its owner, or choose another directory",
        ) from error
    except OSError as error:
        reason = "it is a symlink" if error.errno == errno.ELOOP else error.strerror
        raise SettingsError(f"{what} {path} cannot be used: {reason}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise SettingsError(
                f"{what} {path} is not a regular file", hint=f"remove it: rm {path}"
            )
    finally:
        os.close(fd)


def _read(settings: Settings) -> Reading:
    """As the service has it read."""
    addresses = (settings.address,) if settings.address else None
    request = Request(path=settings.task_file, addresses=addresses, shape=shape())
    limit = LIMIT + extra_time(settings.task_file)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "torch.taskfile.reader"],
            input=request.to_json().encode() + b"\n", capture_output=True, timeout=limit,
            cwd="/", check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TryAgain(f"reading {settings.task_file} took longer than {limit:g} s") from error
    try:
        return unpack_reply(done.stdout)[0]
    except ValueError as error:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise Fault(f"the reader of the task file failed: {said[0] if said else error}") from error
