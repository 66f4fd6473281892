"""The command line. Each command family is a file, imported when one of it is called.

Owns the list of commands and the outermost frame: an error ends in its sentence on stderr and
its exit code, a closed pipe in silence, never in a traceback. Speaks to the service through
its socket and reads the history; never reaches into the service's live objects.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import sys
from collections.abc import Iterator, Sequence

import click

from torch import __version__
from torch.daemon import clean
from torch.errors import ExitCode, TorchError
from torch.nearest import nearest

COMMANDS = {
    "start": ("service", "Start the service and wait until it is ready."),
    "stop": ("service", "Stop the service and all active runs."),
    "restart": ("restart", "Restart the service; active runs continue."),
    "reload": ("service", "Reload the task file."),
    "status": ("status", "Show the service, its task file and its tasks."),
    "top": ("top.command", "Show active runs live, with CPU and memory."),
    "check": ("check", "Check task files and print every problem."),
    "plan": ("plan.command", "Show which tasks run where and when."),
    "diff": ("diff.command", "Show what an edit changes, and what a reload would do."),
    "next": ("upcoming", "Show the next fire times of a task or an expression."),
    "schema": ("schema", "Print the JSON Schema of the task file."),
    "import": ("importing", "Convert crontabs, or files of gotorch or yacron, to a task file."),
    "tasks": ("tasks", "List this host's tasks."),
    "run": ("tasks", "Run a task now."),
    "kill": ("tasks", "End a run, or all runs of a task."),
    "pause": ("pause", "Stop scheduling a task until it is resumed."),
    "resume": ("pause", "Resume scheduling a paused task."),
    "runs": ("history", "List recorded runs, newest first."),
    "logs": ("logs", "Show the output of tasks and runs, or the service's log."),
    "explain": ("explain", "Explain why a task did, or did not, run at a time."),
    "notify": ("notify", "List and test the channels of alerts; list what was sent."),
    "unit": ("unit.command", "Print a systemd unit or a logrotate snippet."),
    "doctor": ("doctor.command", "Check this host and the service, and print how to fix it."),
    "completion": ("completion", "Print a shell completion script."),
    "version": ("version", "Print the version."),
}
"""Command -> (file of this package, its line in the help)."""

GROUPS = {
    "Service": ("start", "stop", "restart", "reload"),
    "Tasks": ("tasks", "run", "kill", "pause", "resume"),
    "Monitoring": ("status", "top", "runs", "logs", "explain", "next", "notify"),
    "Task file": ("check", "plan", "diff", "schema"),
    "Migration": ("import",),
    "Host": ("doctor", "unit", "completion", "version"),
}
"""Heading -> its commands, in the order of the help; each command is in one of them."""

COMPLETE = "_TORCH_COMPLETE"
"""The variable in which a shell says that it wants words completed, and how."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EROFS}
"""How a write to a standard output ends that does not take it."""

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
        for each in (command, *getattr(command, "commands", {}).values()):
            each.format_epilog = _manual
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
        room = max(map(len, COMMANDS))
        for heading, names in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<{room}}", COMMANDS[name][1]) for name in names])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        from torch.cli import manual

        manual.overview(formatter)


def _manual(ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The end of a command's help; what it says is imported only for those who ask."""
    from torch.cli import manual

    manual.page(ctx.command_path.removeprefix("torch "), formatter)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="torch %(version)s")
def torch() -> None:
    """Torch, a cron for many hosts: one task file in git, one service on each host.

    For the options, examples and exit codes of a command: torch COMMAND --help
    """


def run(argv: Sequence[str]) -> int:
    """Runs one command; returns its exit code. That is the same if stderr cannot be written."""
    clean.fill_standard()  # closed by the caller (>&-)
    clean.hear_children()
    if COMPLETE in os.environ:
        return _complete(argv)
    try:
        code = torch.main(args=list(argv), prog_name="torch", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.UsageError as error:
        with _perhaps_unsaid():
            error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        with _perhaps_unsaid():
            error.show()
        return ExitCode.FOUND
    except (click.Abort, KeyboardInterrupt):
        return 130  # as a shell names an end by SIGINT
    except TorchError as error:
        from torch.cli import show
        from torch.report.errors import describe

        with _perhaps_unsaid():
            show.complaint(describe(error))
        return int(error.exit_code)
    except BrokenPipeError:
        _hush()
        return 0
    except UnicodeError:
        _say("torch: an argument is not valid UTF-8")
        return ExitCode.USAGE
    except PermissionError as error:  # a file of another user, where no sentence of its own fits
        _say(f"torch: {error.filename or error}: permission denied")
        _say("  run this as the service's user or root")
        return ExitCode.NOT_PERMITTED
    except OSError as error:
        if error.filename is None and error.errno in _UNWRITABLE:  # of no file of ours
            _hush()
            _say(f"torch: standard output cannot be written: {error.strerror or error}")
            _say("  free space on its disk, or write to another")
            return ExitCode.OUTPUT
        _say(f"torch: {error}")
        return ExitCode.SETTINGS


def _complete(argv: Sequence[str]) -> int:
    """Completes a word for a shell. Says nothing of errors: they would appear in the middle of what
    a person types."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit, Exception):
        torch.main(args=list(argv), prog_name="torch", complete_var=COMPLETE)
    return 0


def _say(line: str) -> None:
    with _perhaps_unsaid():
        click.echo(line, err=True)


@contextlib.contextmanager
def _perhaps_unsaid() -> Iterator[None]:
    """A complaint that stderr does not take changes no exit code."""
    with contextlib.suppress(OSError):
        yield


def _hush() -> None:
    """Whoever read us has left. Python would complain once more while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
