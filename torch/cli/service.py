"""torch start, stop, restart, reload: the life of the service."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from torch.cli import effects, show
from torch.cli.inherited import inherited
from torch.cli.options import (
    Seconds,
    address_of,
    given,
    is_named,
    json_option,
    place_options,
    settings_options,
    timeout_option,
)
from torch.cli.terminal.waiting import EVERY, Waiting, bar, elapsed
from torch.client import answers, journals
from torch.client.asking import ask
from torch.clock import SystemClock
from torch.daemon import launch, systemctl
from torch.errors import (
    ExitCode,
    NotRunning,
    ServiceUnreachable,
    TaskFileError,
    TorchError,
    TryAgain,
    UsageError,
)
from torch.report.errors import describe
from torch.report.text import count
from torch.settings import LOG_FORMATS, Settings
from torch.taskfile.reading import LONGEST, UPGRADED

PATIENCE = 5.0
"""Seconds to wait for the answer of a service that is to be stopped."""


@click.command()
@click.option("--foreground", is_flag=True, help="Stay in the foreground and print events.")
@click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Format of log lines.")
@click.option("--log-file", is_flag=True, help="With --foreground: log to torch.log instead.")
@settings_options
def start(settings: Settings, foreground: bool, log_format: str | None, log_file: bool) -> None:
    """Start the service, wait until it is ready, and print its pid."""
    if log_format:
        settings = replace(settings, log_format=log_format)
    if log_file and not foreground:
        raise UsageError("--log-file needs --foreground", hint="background mode always uses it")
    if foreground:
        launch.in_foreground(settings, log_file=log_file)
    _start(settings)


def _start(settings: Settings) -> None:
    with Waiting(elapsed("waiting for the service to start")) as look:
        pid = launch.in_background(settings, SystemClock(), look)
    click.echo(f"torch is ready, pid {pid}")


@click.command()
@click.option("--now", is_flag=True, help="Send SIGKILL immediately, without the grace period.")
@click.option("--keep-runs", is_flag=True,
              help="Keep active runs; the next service adopts them.")  # fmt: skip
@click.option("--timeout", type=Seconds(), metavar="SECONDS",
              help="Seconds to wait.  [default: 15 s more than the longest grace]")  # fmt: skip
@place_options
def stop(settings: Settings, now: bool, keep_runs: bool, timeout: float | None) -> None:
    """Stop the service and all active runs, and wait until they have ended.

    Runs get SIGTERM, then SIGKILL after the grace period of their task.
    """
    if now and keep_runs:
        raise UsageError("--now and --keep-runs cannot be combined", hint="use one of them")
    mode = "keep" if keep_runs else "now" if now else "drain"
    try:
        kept = _stop(settings, mode=mode, timeout=timeout)
    except NotRunning as error:
        from torch.cli import left

        if left.tell(settings):
            error.hint = "to end the active runs: torch start && torch stop"
        raise
    click.echo("torch is stopped" + (f"; {_live(kept)} kept" if kept else ""))


def _stop(settings: Settings, *, mode: str, timeout: float | None) -> int:
    """Returns how many live runs were left alone."""
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
            click.echo(f"waiting for {_live(live)} to end", err=True)
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


def _live(number: int) -> str:
    return count(number, "active run")


def _progress(settings: Settings, live: int, grace: float) -> str:
    left = min(len(journals.alive(settings)), live)
    if not live:
        return "waiting for the service to stop"
    kill = f"SIGKILL in at most {grace:.0f} s" if grace > 0 else "sending SIGKILL"
    return f"{bar(1 - left / live)} {left} of {_live(live)} left; {kill}"


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
    try:
        status = ask(settings, {"do": "status", "soonest": 0}, timeout=PATIENCE)
        if unit := status.get("unit"):  # a service of the version before does not say it
            _restart_unit(settings, status, unit)
            return
        running = {**status, "file": status["version"]["file"]}  # all that an older one says
        running |= ask(settings, {"do": "file"}, timeout=PATIENCE)
        settings = inherited(settings, running)
        if (settings.task_file, settings.address) == (running["file"], address_of(running)):
            _check_file(settings)  # the service alone knows whether a save cut it off
        with Waiting(elapsed("checking that the new service can start")) as look:
            launch.rehearse(settings, SystemClock(), look)
        _stop(settings, mode="keep", timeout=timeout)
    except NotRunning:
        pass
    _start(settings)


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


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would change; change nothing.")
@json_option
@timeout_option
@place_options
def reload(settings: Settings, dry_run: bool, as_json: bool, timeout: float) -> int:
    """Reload the task file. Active cron runs continue; a file with errors changes nothing.

    The service also reloads the file automatically when it changes.
    """
    ask(settings, {"do": "file"}, timeout=timeout)  # one that hangs is not waited for longer
    answer = ask(settings, {"do": "reload", "dry_run": dry_run}, timeout=max(timeout, LONGEST))
    problems = answers.problems(answer)
    waits = not answer["accepted"] and answer["version"].get("waiting") is not None
    if as_json:
        show.document(answer)
    elif problems and not answer["accepted"]:
        outcome = "not loaded yet" if waits else "refused; nothing changed"
        click.echo(f"the task file is {outcome}:", err=True)
        show.complaint(describe(TaskFileError(problems)))
    else:
        _say_diff(answer, dry_run)
    if waits:
        return ExitCode.TRY_AGAIN
    return ExitCode.OK if answer["accepted"] else ExitCode.TASK_FILE


def _time_of(text: str) -> str:
    return f"{datetime.fromisoformat(text):%H:%M:%S}"


def _say_diff(answer: dict[str, Any], dry_run: bool) -> None:
    verb = "would be " if dry_run else ""
    for word in ("added", "removed", "changed"):
        for name in answer[word]:
            click.echo(f"{verb}{word}: {name}")
    for line in effects.lines(r for r in answer["runs"] if r["becomes"] not in effects.QUIET):
        click.echo(line)
    if not any(answer[word] for word in ("added", "removed", "changed")):
        loaded = answer["version"]["loaded_at"]
        at = "" if loaded is None else f" since it was loaded at {_time_of(loaded)}"
        since = "" if dry_run else at
        click.echo(f"nothing {'would change' if dry_run else 'changed'}{since}")
    else:
        click.echo(f"{answer['unchanged']} unchanged")
