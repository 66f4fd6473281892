"""Starting and stopping a service, for `torch start`, `stop` and `restart`.

Owns the wait for either, and who is waited for: the process that answers, by its pidfd.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping

import click

from torch.cli.terminal.waiting import EVERY, Waiting, bar, elapsed
from torch.client import journals
from torch.client.asking import ask
from torch.clock import SystemClock
from torch.daemon import launch
from torch.errors import NotRunning, ServiceUnreachable, TorchError, TryAgain
from torch.report.text import count
from torch.settings import Settings

PATIENCE = 5.0
"""Seconds to wait for the answer of a service that is to be stopped."""


def start_service(settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """The pid of the service, when it is ready. Raises why it is not."""
    with Waiting(elapsed("waiting for the service to start")) as look:
        return launch.in_background(settings, SystemClock(), look, environ=environ)


def say_ready(pid: int) -> None:
    click.echo(f"torch is ready, pid {pid}")


def stop_service(settings: Settings, *, mode: str, timeout: float | None) -> int:
    """Asks it to stop and waits until it has ended. Returns how many live runs were left alone."""
    kept = 0
    held: list[int] = []  # pidfds; the service's, once we know who it is
    try:
        try:
            answer = ask(
                settings, {"do": "stop", "mode": mode}, timeout=PATIENCE,
                meet=lambda pid: held.append(_pidfd(pid)),
            )  # fmt: skip
            pid, grace, live, kept = (answer[key] for key in ("pid", "grace", "runs", "kept"))
        except NotRunning:
            raise
        except TorchError as error:
            if mode == "keep":  # a signal would end what is to be kept
                raise
            pid, grace, live = _stop_by_signal(settings, held, error), 60.0, 0
        if live:
            click.echo(f"waiting for {live_runs(live)} to end", err=True)
        with Waiting(lambda seconds: _progress(settings, live, grace - seconds)) as look:
            _await_end(pid, held[-1], timeout or grace + 15, look)
    finally:
        for fd in held:
            os.close(fd)
    return kept


def _pidfd(pid: int) -> int:
    """Of who answers, before it is asked to stop: so we wait for it and for no other."""
    try:
        return os.pidfd_open(pid)
    except (OSError, ValueError) as error:
        raise ServiceUnreachable(
            f"the service (pid {pid or 'unknown'}) is not visible from here",
            hint="it may run in another container; run this command there",
        ) from error


def live_runs(number: int) -> str:
    return count(number, "active run")


def _progress(settings: Settings, live: int, grace: float) -> str:
    left = min(len(journals.alive(settings)), live)
    if not live:
        return "waiting for the service to stop"
    kill = f"SIGKILL in at most {grace:.0f} s" if grace > 0 else "sending SIGKILL"
    return f"{bar(1 - left / live)} {left} of {live_runs(live)} left; {kill}"


def _stop_by_signal(settings: Settings, held: list[int], error: TorchError) -> int:
    """The socket does not answer: the holder of the lock is asked by SIGTERM, if it is proven to
    be the service. Its pid; its pidfd is put to `held`. Raises `error` where nobody holds it."""
    for path in dict.fromkeys((settings.lock, settings.state_lock)):
        if (found := launch.terminate(path)) is not None:
            held.append(found[1])
            return found[0]
    raise error


def _await_end(pid: int, pidfd: int, timeout: float, look: Callable[[], None]) -> None:
    clock = SystemClock()
    until = clock.now().mono + timeout
    while not select.select([pidfd], [], [], EVERY)[0]:
        look()
        if clock.now().mono < until:
            continue
        raise TryAgain(
            f"the service (pid {pid}) is still stopping after {timeout:g} s",
            hint="set a longer --timeout, or: torch stop --now",
        )
