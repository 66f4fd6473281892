"""torch restart: another service in the place of the running one.

Owns that a host does not lose its service by it: one restart at a time; everything is checked
before the stop; from the stop on no signal ends this command before the new service is started;
and if that one does not start, the old one's settings are tried once more.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from torch.cli import lifecycle, show
from torch.cli.inherited import as_it_was, environment, inherited
from torch.cli.options import Seconds, address_of, given, is_named, settings_options
from torch.cli.terminal.waiting import EVERY, Waiting, elapsed
from torch.client import answers
from torch.client.asking import ask
from torch.clock import SystemClock
from torch.daemon import launch, lock, systemctl
from torch.errors import (
    NotRunning,
    ServiceUnreachable,
    SettingsError,
    TaskFileError,
    TorchError,
    TryAgain,
    UsageError,
)
from torch.report.errors import describe
from torch.settings import Settings
from torch.taskfile.reading import LONGEST, UPGRADED

TURN = 60.0
"""Seconds to wait for another `torch restart`, if no --timeout is given."""

_OF_UNIT = {"task_file": "task file", "address": "address"}


@click.command()
@click.option("--timeout", type=Seconds(), metavar="SECONDS",
              help="Seconds to wait for the old service to end.")  # fmt: skip
@settings_options
def restart(settings: Settings, timeout: float | None) -> None:
    """Restart the service with the same task file, address and settings; active runs continue.

    Checks first that the new service can start; if it cannot, nothing changes. Starts a service if
    none is running.
    """
    with (
        Waiting(elapsed("waiting for another torch restart")) as look,
        lock.alone(
            settings.restart_lock, beside=settings.lock, pause=_patience(timeout or TURN, look)
        ) as waited,
    ):
        _restart(settings, timeout, waited=waited)


def _patience(limit: float, look: Callable[[], None]) -> Callable[[], bool]:
    clock = SystemClock()
    until = clock.now().mono + limit

    def pause() -> bool:
        select.select([], [], [], EVERY)
        look()
        return clock.now().mono < until

    return pause


def _restart(settings: Settings, timeout: float | None, *, waited: bool) -> None:
    """`waited`: another restart has just ended here."""
    try:
        status = ask(settings, {"do": "status", "soonest": 0}, timeout=lifecycle.PATIENCE)
    except NotRunning as error:
        if waited:  # there was a service, and nobody can say with which settings
            error.hint = "another torch restart has just failed; start it: torch start"
            raise
        lifecycle.say_ready(lifecycle.start_service(settings))
        return
    if unit := status.get("unit"):  # a service of the version before does not say it
        _restart_unit(settings, status, unit)
        return
    running = {**status, "file": status["version"]["file"]}  # all that an older one says
    running |= ask(settings, {"do": "file"}, timeout=lifecycle.PATIENCE)
    old, new = as_it_was(settings, running), inherited(settings, running)
    environ = environment(running)
    if (new.task_file, new.address) == (running["file"], address_of(running)):
        _check_file(new)  # the service alone knows whether a save cut it off
    with Waiting(elapsed("checking that the new service can start")) as look:
        launch.rehearse(new, SystemClock(), look, environ=environ)
    with launch.unended():
        try:
            lifecycle.stop_service(new, mode="keep", timeout=timeout)
        except NotRunning:  # it has ended by itself since
            pass
        except TryAgain as error:
            error.hint = "it is ending; when it has ended, start the new one: torch start"
            raise
        lifecycle.say_ready(_start(new, old, environ))


def _start(new: Settings, old: Settings, environ: dict[str, str]) -> int:
    """If the new one does not start, one with the old settings does, perhaps: what was in the way
    may be over. Raises the first reason."""
    try:
        return lifecycle.start_service(new, environ)
    except (TorchError, OSError) as error:
        first = error if isinstance(error, TorchError) else SettingsError(str(error))
    with contextlib.suppress(OSError):
        show.complaint(describe(first))
        click.echo("torch: trying once more, with the settings of the old service", err=True)
    try:
        pid = lifecycle.start_service(old, environ)
    except (TorchError, OSError):
        raise first from None
    if new != old:
        first.hint = f"the service runs again with its old settings, pid {pid}"
        raise first
    return pid


def _restart_unit(settings: Settings, status: dict[str, Any], unit: dict[str, Any]) -> None:
    """systemd starts it, with the file and the address of the unit; both are checked here."""
    if not systemctl.is_unit_of(status["pid"], unit["name"], of_user=unit["user"]):
        raise ServiceUnreachable(
            f"the service (pid {status['pid']}) does not belong to the unit"
            f" {unit['name']} that it names",
            hint=f"see: systemctl status {status['pid']}",
        )
    running = {"task_file": status["version"]["file"], "address": address_of(status)}
    for name, word in _OF_UNIT.items():
        if given()[name] or (is_named(name) and getattr(settings, name) != running[name]):
            raise UsageError(
                f"systemd starts this service; {unit['name']} sets its {word}",
                hint="write the unit again: torch unit",
            )
    settings = replace(settings, **running)
    _check_file(settings)
    _check_history(settings)
    systemctl.restart(unit["name"], of_user=unit["user"])
    click.echo(f"{unit['name']} is restarted")


def _check_file(settings: Settings) -> None:
    """A file that would not start must not leave the host without a service. Raises."""
    try:
        request = {"do": "reload", "dry_run": True, "file": settings.task_file}
        answer = ask(settings, request, timeout=LONGEST)
    except ServiceUnreachable:  # one of another version, perhaps, that understands us no more
        answer = {"accepted": False, "problems": [{"message": UPGRADED}]}
    if not answer["accepted"]:
        if answer.get("version", {}).get("waiting"):
            found = answers.problems(answer)[0]
            raise TryAgain(f"{found.file}: {found.message}", hint=found.hint)
        if any(problem["message"] == UPGRADED for problem in answer["problems"]):
            from torch.taskfile.whole import whole_file  # we read it ourselves then

            whole_file(settings)
            return
        raise TaskFileError(answers.problems(answer))


def _check_history(settings: Settings) -> None:
    """Nor must one that only a newer torch understands, as after a rollback. Raises."""
    from torch.history.reader import refuse_newer

    refuse_newer(settings.history)
