"""The options that commands share, and the settings they add up to.

Owns that the way out of an error can be typed as it stands: a command that a hint names gets the
options which say where the service is.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import click

from torch import zone
from torch.cli import names
from torch.errors import NotRunning, SettingsError, TorchError
from torch.settings import Settings, resolve

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.4 on
    """A time to wait: a finite number of seconds, from a tenth to a day unless less is said."""

    name = "seconds"

    def __init__(self, most: int = 86_400) -> None:
        self.most = most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = math.nan
        if not 0.1 <= seconds <= self.most:  # nan is in no range
            self.fail(f"'{value}' is not a number of seconds from 0.1 to {self.most}", param, ctx)
        return seconds


json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
timeout_option: Decorator = click.option(
    "--timeout", type=Seconds(), default=5.0, show_default=True,
    metavar="SECONDS", help="Seconds to wait for the service.",
)  # fmt: skip


_NAMES = ("task_file", "address", "state_dir", "run_dir", "log_dir")

_FOLDER = functools.partial(click.option, metavar="DIR", shell_complete=names.folders)
_PLACES: tuple[Decorator, ...] = (
    _FOLDER("--state-dir", help="Directory for all files of the service."),
    _FOLDER("--run-dir", help="Directory for the pid file, lock and socket."),
    _FOLDER("--log-dir", help="Directory for torch.log and the output of runs."),
)
_FILE: tuple[Decorator, ...] = (
    click.option(
        "-f",
        "--file",
        "task_file",
        metavar="FILE",
        help="Task file.",
        shell_complete=names.files,
    ),
    click.option(
        "--address", metavar="IP", help="Address of this host. Default: those of its interfaces."
    ),
)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --state-dir, --run-dir and --log-dir; passes `settings` instead."""
    return _with_settings(command, _PLACES)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same with -f and --address, for commands that read the task file."""
    return _with_settings(command, (*_FILE, *_PLACES))


def _with_settings(
    command: Callable[..., Any], options: tuple[Decorator, ...]
) -> Callable[..., Any]:
    @functools.wraps(command)
    def with_settings(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name, None) for name in _NAMES}
        try:
            settings = resolve(os.environ, uid=os.geteuid(), **given)
            if settings.address is not None:
                _check_address(settings.address)
            return command(*args, settings=settings, **kwargs)
        except TorchError as error:
            error.hint = repeated(error.hint, given)
            raise

    made: Callable[..., Any] = with_settings
    for option in reversed(options):
        made = option(made)
    return made


def _check_address(address: str) -> None:
    """Raises SettingsError for one by which no task can be placed."""
    from torch.taskfile.placement import BadEntry, read_range

    try:
        read_range(address)
    except BadEntry as error:
        raise SettingsError(error.message, hint=error.hint) from error


def given() -> dict[str, str | None]:
    """The shared options of the current command as they were typed."""
    params = click.get_current_context().params
    return {name: params.get(name) for name in _NAMES}


_OPTIONS = {"task_file": "-f", "address": "--address", "state_dir": "--state-dir",
            "run_dir": "--run-dir", "log_dir": "--log-dir"}  # fmt: skip
_OF_FILE = ("start", "restart", "check", "plan", "diff", "next", "tasks", "explain", "doctor")
_PLACELESS = ("schema", "version", "completion", "import", "notify")
_NAMED = re.compile(r"\btorch ([a-z]+)\b")


def repeated(hint: str, given: Mapping[str, str | None]) -> str:
    """A hint with the options that this command was given, at each command that it names."""
    import shlex

    from torch.cli import COMMANDS

    def complete(match: re.Match[str]) -> str:
        name = match[1]
        if name not in COMMANDS or name in _PLACELESS:
            return match[0]
        words = [match[0]]
        for key, value in given.items():
            if value and (name in _OF_FILE or key not in ("task_file", "address")):
                words += [_OPTIONS[key], shlex.quote(value)]
        return " ".join(words)

    return _NAMED.sub(complete, hint)


def complete_here(error: TorchError) -> None:
    """The same where an error is shown by the command itself, as in a frame of `--watch`."""
    params = click.get_current_context().params
    error.hint = repeated(error.hint, {name: params.get(name) for name in _NAMES})


PATIENCE = 2.0
"""Seconds to wait for the service's file and address, in commands that are about more than it."""

_VARIABLES = {"task_file": "TORCH_FILE", "address": "TORCH_ADDRESS"}


def is_named(setting: str) -> bool:
    """Whether an option or a variable of the current command says the task file or the address."""
    params = click.get_current_context().params
    return bool(params.get(setting) or os.environ.get(_VARIABLES[setting]))


def of_running_service(settings: Settings, *, needed: Iterable[str] = _VARIABLES) -> Settings:
    """The same with the task file and the address of the service that runs there, if one does,
    unless they are named. Raises NotPermitted and ServiceUnreachable where a service runs and does
    not say them: what is computed with others would be wrong."""
    if all(map(is_named, needed)):
        in_its_zone(settings)
        return settings
    try:
        found = as_the_service(settings)
    except NotRunning:
        return settings
    named = {key: getattr(settings, key) for key in _VARIABLES if is_named(key)}
    return replace(found, **named)


def as_the_service(settings: Settings) -> Settings:
    """The same with the task file and the address that the running service uses, whatever is
    named. Its zone is this process's from now on. Raises NotRunning too."""
    from torch.client.asking import ask

    patience = click.get_current_context().params.get("timeout") or PATIENCE
    answer = ask(settings, {"do": "file"}, timeout=min(patience, PATIENCE))
    if "address_given" not in answer:  # a service of an older version says it elsewhere
        answer |= ask(settings, {"do": "status", "soonest": 0}, timeout=min(patience, PATIENCE))
    zone.adopt_key(answer.get("timezone"))
    return replace(settings, task_file=answer["file"], address=address_of(answer))


def in_its_zone(settings: Settings) -> None:
    """Times are read and shown in the zone of the service that runs there, if one does: its log
    and its answers are, also where TZ here or the host says another by now."""
    with contextlib.suppress(TorchError):
        as_the_service(settings)


def address_of(answer: Mapping[str, Any]) -> str | None:
    """The address that a service was started with, by its answer; None: its interfaces say it."""
    return str(answer["address"]) if answer.get("address_given") else None


def say_unused(settings: Settings, answer: Mapping[str, Any]) -> None:
    """Where a service answers, an option that names another file, or another address, than the
    service has is not what the answer comes from. `answer`: its own; {} without one."""
    from torch.report.text import harmless

    params = click.get_current_context().params
    file = answer.get("version", {}).get("file")
    if params.get("task_file") and file and file != settings.task_file:
        line = f"torch: -f is ignored: the answer is from the service, which uses {harmless(file)}"
        click.echo(line, err=True)
    address = answer.get("address")
    if params.get("address") and address and address != settings.address:
        line = f"torch: --address is ignored: the answer is from the service, which uses {address}"
        click.echo(line, err=True)
