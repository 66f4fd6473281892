"""torch unit: files for the host's own programs, made for the settings that are given."""

from __future__ import annotations

import os
import sys

import click

from torch.cli.options import given, settings_options
from torch.cli.unit import logrotate, systemd
from torch.daemon import systemctl
from torch.errors import UsageError
from torch.settings import LOG_FORMATS, Settings, resolve

_UNKNOWN = 252
"""Taken for granted where there is no systemd to ask: a unit for it works on any newer one."""


@click.command()
@click.argument("kind", type=click.Choice(["systemd", "logrotate"]), default="systemd")
@click.option("--user", "of_user", is_flag=True, help="Print a unit for systemd --user.")
@click.option("--systemd", "version", type=click.IntRange(systemd.OLDEST, 999), metavar="VERSION",
              help="Version of systemd.  [default: this host's]")  # fmt: skip
@click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Format of log lines.")
@settings_options
def unit(
    settings: Settings, kind: str, of_user: bool, version: int | None, log_format: str | None
) -> None:
    """Print a systemd unit for this service, or a logrotate snippet for its log."""
    uid = os.geteuid() if of_user else 0
    settings = resolve(os.environ, uid=uid, **given(), log_format=log_format)
    for path in (settings.task_file, settings.state_dir, settings.run_dir, settings.log_dir):
        if not path.isprintable() or set(path) & set("\"'$\\"):
            raise UsageError(
                f"the path {path!r} cannot be written in a unit",
                hint="use a path without quotes, '$' and '\\\\'",
            )
    if kind == "logrotate":
        click.echo(logrotate.text(settings), nl=False)
        return
    click.echo(_unit(settings, uid, of_user, version), nl=False)


def _unit(settings: Settings, uid: int, of_user: bool, version: int | None) -> str:
    usual = resolve(_usual_environ(uid), uid=uid)
    places = _places(settings, usual)
    options = list(places)
    if settings.task_file != usual.task_file:
        options += ["-f", settings.task_file]
    if settings.address is not None:
        options += ["--address", settings.address]
    if settings.log_format != usual.log_format:
        options += ["--log-format", settings.log_format]
    return systemd.text(
        systemd.Unit(
            program=_program(), settings=settings, options=options, places=places,
            environment=_environment(settings, usual),
            systemd=version or systemctl.version() or _UNKNOWN, of_user=of_user,
            own_folders=not of_user and not places,
        )
    )  # fmt: skip


def _usual_environ(uid: int) -> dict[str, str]:
    """What the service will find in its environment when systemd starts it."""
    if uid == 0:
        return {}
    return {"HOME": os.path.expanduser("~"), "XDG_RUNTIME_DIR": f"/run/user/{uid}"}


def _places(settings: Settings, usual: Settings) -> list[str]:
    here = (settings.state_dir, settings.run_dir, settings.log_dir)
    if here == (usual.state_dir, usual.run_dir, usual.log_dir):
        return []
    options = ["--state-dir", settings.state_dir]
    if settings.run_dir != settings.state_dir:
        options += ["--run-dir", settings.run_dir]
    if settings.log_dir != settings.state_dir:
        options += ["--log-dir", settings.log_dir]
    return options


def _environment(settings: Settings, usual: Settings) -> list[str]:
    """Variables for what has no option."""
    found = {
        "TORCH_HISTORY_DAYS": (settings.history_days, usual.history_days),
        "TORCH_HISTORY_ROWS": (settings.history_rows, usual.history_rows),
        "TORCH_REPORT_EVERY": (settings.report_every, usual.report_every),
    }
    return [f"{name}={ours}" for name, (ours, theirs) in found.items() if ours != theirs]


def _program() -> list[str]:
    """The command of the environment that this is; without one, its Python."""
    command = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "torch")
    if os.access(command, os.X_OK):
        return [command]
    return [os.path.abspath(sys.executable), "-I", "-m", "torch"]
