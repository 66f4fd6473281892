"""The command line. Each command family is a file, imported when one of it is called.

Owns the list of commands and the outermost frame: an error ends in its sentence on stderr and
its exit code, a closed pipe in silence, never in a traceback. Speaks to the service through
its socket and reads the history; never reaches into the service's live objects.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from torch import __version__
from torch.daemon import clean
from torch.errors import ExitCode, TorchError
from torch.nearest import nearest

COMMANDS = {
    "start": ("service", "Start the service; returns when it is ready."),
    "stop": ("service", "Stop the service and everything it runs."),
    "restart": ("service", "Stop the service, then start it again."),
    "reload": ("service", "Read the task file again."),
    "status": ("status", "Show the service, its task file and its tasks."),
    "top": ("top.command", "Show live what runs, how far it is and what it uses."),
    "check": ("check", "Check task files; every problem at once."),
    "plan": ("plan.command", "Show what runs where, and when."),
    "diff": ("diff.command", "Show what an edit changes, and what a reload then does."),
    "next": ("upcoming", "Show the next fire times of a task or an expression."),
    "schema": ("schema", "Print the JSON Schema of the task file."),
    "import": ("importing", "Make a task file of crontabs, or of gotorch's or yacron's files."),
    "tasks": ("tasks", "List this host's tasks."),
    "run": ("tasks", "Run a task now."),
    "kill": ("tasks", "End a run, or all runs of a task."),
    "pause": ("pause", "Let a task fire nothing for a while."),
    "resume": ("pause", "Let a paused task fire again."),
    "runs": ("history", "List recorded runs, newest first."),
    "logs": ("logs", "Show the output of a task or a run, or the service's log."),
    "explain": ("explain", "Say why a task did, or did not, run at a time."),
    "notify": ("notify", "List the channels of alerts, and try one."),
    "unit": ("unit.command", "Print a systemd unit, or a logrotate snippet."),
    "doctor": ("doctor.command", "Check the host, and say what to do."),
    "completion": ("completion", "Print the lines that make a shell complete names."),
    "version": ("version", "Print the version."),
}
"""Command -> (file of this package, its line in the help)."""

COMPLETE = "_TORCH_COMPLETE"
"""The variable in which a shell says that it wants words completed, and how."""

_ATTRIBUTES = {"next": "next_", "import": "import_"}  # where the name is Python's


class _Commands(click.Group):
    """Imports the file of the command that is called, and no other: `status` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"torch.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, _ATTRIBUTES.get(cmd_name, cmd_name))
        assert isinstance(command, click.Command)  # noqa: S101  # of the table above
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest(args[0], COMMANDS)
            meant = f" Did you mean '{near}'?" if near else ""
            raise click.UsageError(f"{error.message}{meant}", ctx=error.ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="torch %(version)s")
def torch() -> None:
    """Torch: a cron for many hosts. One YAML file in git, one small daemon per host."""


def run(argv: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    clean.fill_standard()  # closed by the caller (>&-): there is nobody to tell
    clean.hear_children()
    if COMPLETE in os.environ:
        return _complete(argv)
    try:
        code = torch.main(args=list(argv), prog_name="torch", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.UsageError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        return ExitCode.FOUND
    except (click.Abort, KeyboardInterrupt):
        return 130  # as a shell names an end by SIGINT
    except TorchError as error:
        from torch.cli import show
        from torch.report.errors import describe

        show.complaint(describe(error))
        return int(error.exit_code)
    except BrokenPipeError:
        _hush()
        return 0
    except UnicodeError:
        click.echo("torch: an argument is not valid UTF-8", err=True)
        return ExitCode.USAGE
    except PermissionError as error:  # a file of another user, where no sentence of its own fits
        click.echo(f"torch: {error.filename or error}: permission denied", err=True)
        click.echo("  run torch as the service's user or root", err=True)
        return ExitCode.NOT_PERMITTED
    except OSError as error:  # writing what was asked for failed: a full disk behind stdout
        _hush()
        click.echo(f"torch: {error}", err=True)
        return ExitCode.SETTINGS


def _complete(argv: Sequence[str]) -> int:
    """A shell asks what a word may become. It is never told of an error: that would stand in the
    middle of what a person types."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit, Exception):
        torch.main(args=list(argv), prog_name="torch", complete_var=COMPLETE)
    return 0


def _hush() -> None:
    """Whoever read us has left. Python would complain once more while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
