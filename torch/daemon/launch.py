"""The starter's side: a service is forked and exec'd, and said to be up only when it is.

Owns the service's command line and the wait for its readiness. Used by `torch start`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from torch.clock import Clock
from torch.daemon import clean, init, lock, signals
from torch.errors import (
    ExitCode,
    Problem,
    SettingsError,
    TaskFileError,
    TorchError,
    TryAgain,
)
from torch.settings import Settings
from torch.taskfile.reading import extra_time

_LOOK = 0.1
START_LIMIT = 10.0
"""Seconds a start with a small file may take before the starter stops waiting and says so."""

REHEARSAL_LIMIT = 90.0
"""Seconds that the check before a restart may take; the service goes on meanwhile."""


class StartFailed(TorchError):
    """The service's own reason, with its own exit code."""

    def __init__(self, message: str, *, hint: str, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = ExitCode(exit_code)


def in_foreground(settings: Settings, *, log_file: bool = False) -> NoReturn:
    """Becomes the service: same process, same terminal; as process 1, its parent. `log_file`:
    what it tells goes to torch.log, as in the background."""
    clean.fill_standard()
    sys.stdout.flush()
    argv = _argv(settings, ready_fd=None, log_file=log_file)
    environ = _clean_environ(os.environ)
    if init.is_init():
        os.environ.clear()
        os.environ.update(environ)
        sys.exit(init.stand_in(argv))
    signals.block()  # as in the background: one that comes early waits until it can be heard
    os.execve(argv[0], argv, environ)  # noqa: S606  # our own interpreter


def in_background(
    settings: Settings, clock: Clock, look: Callable[[], None] = lambda: None, *,
    environ: Mapping[str, str] = os.environ,
) -> int:  # fmt: skip
    """Starts a service and waits until it is ready; returns its pid. Raises why it is not.
    `look` is called again and again meanwhile."""
    limit = START_LIMIT + extra_time(settings.task_file)
    text, ended, starter = _begin(settings, clock, look, limit=limit, environ=environ)
    if starter.poll() is None:
        starter.returncode = 0  # it lives on or detaches by itself; nobody waits for it here
    return _understand(text, ended, settings, limit)


def rehearse(
    settings: Settings, clock: Clock, look: Callable[[], None] = lambda: None, *,
    environ: Mapping[str, str] = os.environ,
) -> None:  # fmt: skip
    """Raises why a service with these settings would not start, as far as that can be known while
    another still runs; changes nothing. It is a process of its own, as the service would be: what
    the new one cannot import is found too."""
    limit = REHEARSAL_LIMIT + extra_time(settings.task_file)
    text, ended, checking = _begin(
        settings, clock, look, limit=limit, environ=environ, rehearsal=True
    )
    if not ended and checking.poll() is None and not text:
        checking.kill()
        checking.wait()
        raise TryAgain(
            f"checking that the new service can start took longer than {limit:g} s",
            hint="nothing was changed; see: torch check",
        )
    checking.wait()
    _understand(text, ended, settings, limit)


@contextlib.contextmanager
def unended() -> Iterator[None]:
    """A signal to this command, or the end of its terminal, is heard afterwards: while no service
    runs, this command alone knows how to start it."""
    mask = signals.block()
    try:
        yield
    finally:
        signals.restore(mask)


def _begin(
    settings: Settings, clock: Clock, look: Callable[[], None], *, limit: float,
    environ: Mapping[str, str], rehearsal: bool = False,
) -> tuple[str, bool, subprocess.Popen[bytes]]:  # fmt: skip
    """What the new process says (see `_read`), and the process."""
    clean.fill_standard()  # the pipe must not become the service's standard output
    reading, writing = os.pipe2(os.O_CLOEXEC)
    environ = _clean_environ(environ)
    mask = signals.block()  # inherited: a signal to the newborn waits until it can listen
    try:
        starter = subprocess.Popen(
            _argv(settings, ready_fd=writing, rehearsal=rehearsal), stdin=subprocess.DEVNULL,
            stdout=writing, stderr=writing, pass_fds=[writing], cwd="/", start_new_session=True,
            env=environ,
        )  # fmt: skip
    finally:
        os.close(writing)
        signals.restore(mask)
    try:
        text, ended = _read(reading, clock, look, limit)
    finally:
        os.close(reading)
    return text, ended, starter


def _clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """For the service. Started inside a task, it must not be taken for a process of that run at
    any instant; so our own mark goes too, which it would inherit."""
    clean.hear_children()
    clean.unmark()
    return clean.unmarked(environ)


def _argv(
    settings: Settings, *, ready_fd: int | None, log_file: bool = True, rehearsal: bool = False
) -> list[str]:
    order = json.dumps(
        {
            "settings": settings.as_dict(),
            "ready_fd": ready_fd,
            "log_file": log_file,
            "rehearsal": rehearsal,
        }
    )
    # -I: nothing of the caller's Python environment, nor its directory, reaches the service.
    return [sys.executable, "-I", "-m", "torch.daemon", order]


def _read(fd: int, clock: Clock, look: Callable[[], None], limit: float) -> tuple[str, bool]:
    """Everything until the service says its word, closes the pipe (True), or time is up."""
    until = clock.now().mono + limit
    text = b""
    while (left := until - clock.now().mono) > 0:
        if not select.select([fd], [], [], min(left, _LOOK))[0]:
            look()
            continue
        more = os.read(fd, 65536)
        text += more
        last = text.splitlines()[-1:] if text.endswith(b"\n") else []
        if not more or (last and last[0].startswith((b"ready ", b"failed "))):
            return text.decode("utf-8", "replace"), not more
    return text.decode("utf-8", "replace"), False


def _understand(text: str, ended: bool, settings: Settings, limit: float) -> int:
    lines = text.splitlines()
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "ready":
            return int(rest)
        if word == "failed":
            code, _, reason = rest.partition(" ")
            told = json.loads(reason)
            if problems := tuple(Problem(**problem) for problem in told.pop("problems")):
                raise TaskFileError(problems)
            raise StartFailed(**told, exit_code=int(code))
    if lines:
        raise SettingsError(
            f"the service exited during startup: {lines[-1]}", hint=f"see {settings.log}"
        )
    if ended:
        raise TryAgain(
            "the service exited during startup without a message",
            hint=f"it may have been killed; start it again; see {settings.log}",
        )
    raise TryAgain(
        f"the service was not ready within {limit:.0f} s",
        hint=f"it may still become ready; see: torch status, and {settings.log}",
    )


def terminate(lock_file: str) -> tuple[int, int] | None:
    """SIGTERM to a service that does not answer, named by the lock that it holds: its pid and a
    pidfd to wait on; None if nobody holds it. Raises ServiceUnreachable where it is not proven
    who does, and NotPermitted."""
    return lock.signal_holder(lock_file, signal.SIGTERM)
