"""The options that commands share, and the settings they add up to."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import click

from torch.settings import Settings, resolve

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
timeout_option: Decorator = click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=5.0, show_default=True,
    metavar="SECONDS", help="Wait no longer than this for the service.",
)  # fmt: skip


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds -f, --state-dir, --run-dir, --log-dir and --address; passes `settings` instead."""

    @functools.wraps(command)
    def with_settings(
        *args: Any, task_file: str | None, state_dir: str | None, run_dir: str | None,
        log_dir: str | None, address: str | None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        settings = resolve(
            os.environ, uid=os.geteuid(), task_file=task_file, state_dir=state_dir,
            run_dir=run_dir, log_dir=log_dir, address=address,
        )  # fmt: skip
        return command(*args, settings=settings, **kwargs)

    for option in reversed(
        (
            click.option("-f", "--file", "task_file", metavar="FILE", help="The task file."),
            click.option("--state-dir", metavar="DIR", help="Everything of one service under DIR."),
            click.option("--run-dir", metavar="DIR", help="Pid file, lock and socket."),
            click.option("--log-dir", metavar="DIR", help="torch.log and output files."),
            click.option("--address", metavar="IP", help="Which host this is."),
        )
    ):
        with_settings = option(with_settings)
    return with_settings


def file_of_service(settings: Settings, running: str) -> Settings:
    """The settings with the file that the running service uses, unless one was named."""
    from dataclasses import replace

    named = click.get_current_context().params.get("task_file") or os.environ.get("TORCH_FILE")
    return settings if named else replace(settings, task_file=running)
