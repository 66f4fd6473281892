"""The settings of a service that takes the place of a running one, for `torch restart`.

Owns that a restart changes nothing but what is named: what the running service was started with
(its file, address, directories, log format, limits of its history, time zone) holds for the next
one too, unless an option or a variable of this command says otherwise; TZ always.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import click

from torch.cli.options import address_of
from torch.errors import UsageError
from torch.settings import Settings

_NAMED_BY = {
    "task_file": ("task_file", "TORCH_FILE"),
    "address": ("address", "TORCH_ADDRESS"),
    "log_dir": ("log_dir", "TORCH_LOG_DIR"),
    "log_format": ("log_format", "TORCH_LOG_FORMAT"),
    "history_days": ("", "TORCH_HISTORY_DAYS"),
    "history_rows": ("", "TORCH_HISTORY_ROWS"),
    "report_every": ("", "TORCH_REPORT_EVERY"),
}
"""Setting -> the option (as its parameter is called) and the variable that name it."""


def inherited(settings: Settings, answer: Mapping[str, Any]) -> Settings:
    """`answer`: what the running service says of its file. Raises UsageError for a state directory
    that is not the running service's: the next one would know nothing of what runs."""
    running = answer.get("settings")
    if running is None:  # a service of an older version does not say more
        running = {"task_file": answer["file"], "address": address_of(answer)}
    state = running.get("state_dir", settings.state_dir)
    if state != settings.state_dir and _is_named("state_dir", "TORCH_STATE_DIR"):
        raise UsageError(
            f"the state directory of the service in {settings.run_dir} is {state},"
            f" not {settings.state_dir}",
            hint="use that directory, or stop the service and start it again",
        )
    kept = {
        key: running[key] for key, by in _NAMED_BY.items() if key in running and not _is_named(*by)
    }
    return replace(settings, state_dir=state, **kept)


def _is_named(option: str, variable: str) -> bool:
    params = click.get_current_context().params
    return bool(params.get(option) or os.environ.get(variable))


def as_it_was(settings: Settings, answer: Mapping[str, Any]) -> Settings:
    """All settings of the running service, whatever this command names. What an older version does
    not say is as here."""
    said = answer.get("settings")
    if said is None:
        return replace(settings, task_file=answer["file"], address=address_of(answer))
    known = {field.name for field in fields(Settings)}
    kept = {key: value for key, value in said.items() if key in known}
    return replace(settings, **kept)


def environment(answer: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the new service: those of this command, with the TZ that the running service
    was started with, since all schedules without `timezone` depend on it."""
    environ = dict(os.environ)
    if "tz" not in answer:  # a service of an older version does not say it
        return environ
    environ.pop("TZ", None)
    return environ if answer["tz"] is None else {**environ, "TZ": answer["tz"]}
