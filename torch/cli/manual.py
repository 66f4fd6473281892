"""The end of every help page: examples, exit codes; of `torch --help` also files and variables.

Owns which examples a command has and in which codes it ends. What a code means is said once, in
torch/errors.py; here stands only what a command means by it beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import click

from torch.errors import MEANING, ExitCode

_OF_SERVICE = (
    ExitCode.NOT_RUNNING, ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.NOT_PERMITTED,
    ExitCode.SETTINGS,
)  # fmt: skip
"""Of a command that only a running service can answer."""
_OF_FILE = (
    ExitCode.USAGE, ExitCode.TASK_FILE, ExitCode.UNREACHABLE, ExitCode.NOT_PERMITTED,
    ExitCode.SETTINGS,
)  # fmt: skip
"""Of one that reads the task file, and asks the service, if one is running, which one it uses."""
_OF_HISTORY = (
    ExitCode.NOT_RUNNING, ExitCode.USAGE, ExitCode.TRY_AGAIN, ExitCode.NOT_PERMITTED,
    ExitCode.SETTINGS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """`examples`: the words after `torch`, as they are typed in a shell. `codes`: those beside 0.
    `own`: what this command means by a code."""

    examples: tuple[str, ...]
    codes: tuple[ExitCode, ...] = ()
    own: Mapping[ExitCode, str] = field(default_factory=dict)

    def exits(self) -> list[tuple[str, str]]:
        found = sorted({ExitCode.OK, *self.codes, *self.own})
        return [(str(int(code)), self.own.get(code, MEANING[code])) for code in found]


_NOT_FOUND = {ExitCode.NOT_RUNNING: "no service has run with this state directory"}

PAGES = {
    "start": Page(
        ("start", "start -f tasks.yaml --state-dir ~/torch", "start --foreground"),
        (ExitCode.USAGE, ExitCode.TASK_FILE, ExitCode.FAULT, ExitCode.NOT_PERMITTED,
         ExitCode.SETTINGS),
        {ExitCode.TRY_AGAIN: "a service is already running, or this one was not ready in time"},
    ),
    "stop": Page(
        ("stop", "stop --keep-runs"), _OF_SERVICE,
        {ExitCode.TRY_AGAIN: "the service is still stopping after --timeout"},
    ),
    "restart": Page(
        ("restart", "restart -f /etc/torch/new.yaml"),
        (ExitCode.USAGE, ExitCode.TASK_FILE, ExitCode.UNREACHABLE, ExitCode.FAULT,
         ExitCode.NOT_PERMITTED, ExitCode.SETTINGS),
        {ExitCode.TRY_AGAIN: "a time limit passed, or another restart is in progress"},
    ),
    "reload": Page(
        ("reload", "reload --dry-run"), (*_OF_SERVICE, ExitCode.TASK_FILE),
        {ExitCode.TRY_AGAIN: "the file is still being written; the service loads it later"},
    ),
    "status": Page(
        ("status", "status --watch", "status --strict"), _OF_SERVICE,
        {ExitCode.FOUND: "with --strict: a task is failing, or the service has a problem"},
    ),
    "top": Page(("top", "top --once --json"), (*_OF_SERVICE, ExitCode.TRY_AGAIN)),
    "check": Page(("check", "check tasks.yaml", "check --anywhere --format github tasks.yaml"),
                  _OF_FILE,
                  {ExitCode.TRY_AGAIN: "a file is open for writing, and no other has errors"}),
    "plan": Page(("plan", "plan --all --for 7d", "plan -f tasks.yaml --host 10.0.1.11"), _OF_FILE),
    "diff": Page(
        ("diff", "diff HEAD~1", "diff --from old.yaml -f new.yaml"),
        (*_OF_FILE, ExitCode.TRY_AGAIN),
        {ExitCode.FOUND: "with --exit-code: something differs",
         ExitCode.TASK_FILE: "one of the files has errors, or the service refuses the new one"},
    ),
    "next": Page(("next backup", "next '*/5 * * * *' --tz Europe/Berlin -n 3"), _OF_FILE),
    "schema": Page(("schema > torch.schema.json",), (ExitCode.USAGE,)),
    "import": Page(
        ("import crontab -", "import crontab /etc -o tasks.yaml",
         "import crontab 10.0.1.11=web1 10.0.1.12=web2", "import yacron /etc/yacron.d"),
        (ExitCode.USAGE, ExitCode.TASK_FILE, ExitCode.NOT_PERMITTED, ExitCode.SETTINGS),
        {ExitCode.FOUND: "something could not be converted; it is in the file as a comment"},
    ),
    "tasks": Page(
        ("tasks", "tasks 'backup*' --state failing"), _OF_FILE,
    ),
    "run": Page(
        ("run backup", "run backup --wait"), (*_OF_SERVICE, ExitCode.TRY_AGAIN),
        {ExitCode.OK: "success; with --wait: the code of the run",
         ExitCode.FOUND: "with --wait: the run has no exit code, or its code is 1"},
    ),
    "kill": Page(("kill backup", "kill backup --now"), _OF_SERVICE),
    "pause": Page(("pause backup --for 2h", "pause backup"),
                  (*_OF_SERVICE, ExitCode.TRY_AGAIN)),
    "resume": Page(("resume backup",), (*_OF_SERVICE, ExitCode.TRY_AGAIN)),
    "runs": Page(("runs", "runs backup --failed --since 24h"), _OF_HISTORY, _NOT_FOUND),
    "logs": Page(
        ("logs backup", "logs -f backup", "logs --since 2h --grep refused"), _OF_HISTORY, _NOT_FOUND
    ),
    "explain": Page(
        ("explain backup", "explain backup 03:30", "explain backup 'yesterday 03:30'"),
        (*_OF_HISTORY, ExitCode.UNREACHABLE), _NOT_FOUND,
    ),
    "notify": Page(("notify list", "notify test ops", "notify history --owed"),
                   (ExitCode.USAGE,)),
    "notify list": Page(("notify list", "notify list --json"), _OF_FILE),
    "notify test": Page(
        ("notify test ops",), _OF_FILE,
        {ExitCode.UNREACHABLE: "the message was not delivered, or the service does not answer"},
    ),
    "notify history": Page(
        ("notify history", "notify history backup --owed"), _OF_HISTORY, _NOT_FOUND
    ),
    "unit": Page(
        ("unit > /etc/systemd/system/torch.service", "unit logrotate > /etc/logrotate.d/torch"),
        (ExitCode.USAGE, ExitCode.SETTINGS),
    ),
    "doctor": Page(
        ("doctor", "doctor --json"), (ExitCode.USAGE, ExitCode.SETTINGS),
        {ExitCode.FOUND: "a check found something bad"},
    ),
    "completion": Page(
        ("completion fish > ~/.config/fish/completions/torch.fish",), (ExitCode.USAGE,)
    ),
    "version": Page(("version",), (ExitCode.USAGE,)),
}  # fmt: skip
"""Command -> the end of its help."""

EXAMPLES = (
    ("check tasks.yaml", "check a task file"),
    ("start -f tasks.yaml", "start a service with it"),
    ("explain backup 03:30", "ask why the task backup did, or did not, run"),
)
"""Of `torch --help`."""

FILES = (
    ("task file", "/etc/torch/tasks.yaml, ~/.config/torch/tasks.yaml"),
    ("history", "/var/lib/torch, ~/.local/state/torch"),
    ("log, output", "/var/log/torch, ~/.local/state/torch/log"),
    ("pid, socket", "/run/torch, $XDG_RUNTIME_DIR/torch"),
)
"""What -> its default place for root, and for other users."""

VARIABLES = (
    ("TORCH_FILE", "task file, as -f"),
    ("TORCH_STATE_DIR", "as --state-dir"),
    ("TORCH_RUN_DIR", "as --run-dir"),
    ("TORCH_LOG_DIR", "as --log-dir"),
    ("TORCH_ADDRESS", "address of this host, as --address"),
    ("TORCH_LOG_FORMAT", "auto, logfmt or json, as --log-format"),
    ("TORCH_HISTORY_DAYS", "days to keep records of runs, 90 by default"),
    ("TORCH_HISTORY_ROWS", "most records to keep, 1000000 by default"),
    ("TORCH_REPORT_EVERY", "minutes between status lines in the log, 5 by default"),
)


def page(command: str, formatter: click.HelpFormatter) -> None:
    """Writes the end of one command's help. `command` as it is typed: 'notify test'."""
    told = PAGES[command]
    _examples(told.examples, formatter)
    with formatter.section("Exit codes"):
        formatter.write_dl(told.exits())


def overview(formatter: click.HelpFormatter) -> None:
    """Writes the end of `torch --help`."""
    with formatter.section("Examples"):
        formatter.write_dl([(f"torch {line}", what) for line, what in EXAMPLES])
    with formatter.section("Default paths (for root, for other users)"):
        formatter.write_dl(FILES)
    with formatter.section("Variables (an option overrides its variable)"):
        formatter.write_dl(VARIABLES)


def _examples(lines: tuple[str, ...], formatter: click.HelpFormatter) -> None:
    """One a line, never broken: it can be copied."""
    with formatter.section("Examples" if len(lines) > 1 else "Example"):
        for line in lines:
            formatter.write(f"{'':{formatter.current_indent}}torch {line}\n")
