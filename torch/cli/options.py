"""The options that commands share, and the settings they add up to."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from typing import Any

import click

from torch.settings import Settings, resolve

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.4 on
    """A time to wait: a finite number of seconds, from a tenth to a day."""

    name = "seconds"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = math.nan
        if not 0.1 <= seconds <= 86_400:  # nan is in no range
            self.fail(f"'{value}' is not a number of seconds from 0.1 to 86400", param, ctx)
        return seconds


json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
timeout_option: Decorator = click.option(
    "--timeout", type=Seconds(), default=5.0, show_default=True,
    metavar="SECONDS", help="Wait no longer than this for the service.",
)  # fmt: skip


_NAMES = ("task_file", "address", "state_dir", "run_dir", "log_dir")

_PLACES: tuple[Decorator, ...] = (
    click.option("--state-dir", metavar="DIR", help="Everything of one service under DIR."),
    click.option("--run-dir", metavar="DIR", help="Pid file, lock and socket."),
    click.option("--log-dir", metavar="DIR", help="torch.log and output files."),
)
_FILE: tuple[Decorator, ...] = (
    click.option("-f", "--file", "task_file", metavar="FILE", help="The task file."),
    click.option("--address", metavar="IP", help="Which host this is."),
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
        settings = resolve(os.environ, uid=os.geteuid(), **given)
        return command(*args, settings=settings, **kwargs)

    made: Callable[..., Any] = with_settings
    for option in reversed(options):
        made = option(made)
    return made


def of_running_service(settings: Settings) -> Settings:
    """The same with the file of the service that runs there, if one does and none was named."""
    from torch.cli.client import ask
    from torch.errors import TorchError

    try:
        return file_of_service(settings, ask(settings, {"do": "file"}, timeout=1)["file"])
    except TorchError:
        return settings


def file_of_service(settings: Settings, running: str) -> Settings:
    """The settings with the file that the running service uses, unless one was named."""
    from dataclasses import replace

    named = click.get_current_context().params.get("task_file") or os.environ.get("TORCH_FILE")
    return settings if named else replace(settings, task_file=running)
