"""The systemd unit: which line stands in it, and why. The reasons stand in the unit itself.

Owns the text. What it promises is tried on a real systemd; docs/operations.md says on which.
Must not know where the settings come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import __version__
from torch.settings import Settings

OLDEST = 245
"""The oldest systemd that knows every setting used (of those without a version of their own)."""

_NOTIFY_RELOAD = 253
_RESTART_STEPS = 254
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:,=+@")

# systemd does not say to ExecStop= whether a restart follows; its list of what it is doing does.
_KEEP = (
    'systemctl$user list-jobs --no-legend "$1" | grep -q " restart " || exit 0; shift; exec "$@"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a unit is made from. `program` begins with an absolute path; `places` are the options
    by which every command finds this service; `environment` what no option says."""

    program: Sequence[str]
    settings: Settings
    options: Sequence[str]
    places: Sequence[str]
    environment: Sequence[str]
    systemd: int
    of_user: bool
    own_folders: bool  # /run/torch, /var/lib/torch, /var/log/torch


def text(unit: Unit) -> str:
    lines = [
        f"# Torch {__version__}, for systemd {unit.systemd} or newer. Written by: torch unit",
        *_head(unit),
        "",
        "[Service]",
        *_commands(unit),
        "",
        *_ending(unit),
        "",
        *_limits(unit),
        *_folders(unit),
        "",
        "# No sandbox (NoNewPrivileges=, ProtectSystem=, PrivateTmp=, ...): whatever is set here",
        "# holds for every task too, and a task may need sudo, /home or /tmp. A task is held in by",
        "# its own user:. What all your tasks can bear: systemctl edit.",
        "",
        "[Install]",
        f"WantedBy={'default.target' if unit.of_user else 'multi-user.target'}",
    ]
    return "\n".join(lines) + "\n"


def _head(unit: Unit) -> Iterator[str]:
    yield "[Unit]"
    yield "Description=Torch, a cron for many hosts"
    if not unit.of_user:
        yield "# The addresses of the host say which tasks are its own; its clock says when."
        yield "Wants=network-online.target"
        yield "After=network-online.target time-sync.target remote-fs.target nss-user-lookup.target"
    settings = unit.settings
    places = dict.fromkeys([settings.state_dir, settings.log_dir, settings.task_file])
    yield f"RequiresMountsFor={_words(list(places))}"
    yield "# A host without its cron is worse than a log with many lines: never give up."
    yield "StartLimitIntervalSec=0"


def _commands(unit: Unit) -> Iterator[str]:
    if unit.systemd >= _NOTIFY_RELOAD:
        yield "Type=notify-reload"
    else:
        yield "# notify-reload needs systemd 253."
        yield "Type=notify"
    for pair in unit.environment:
        yield f"Environment={_words([pair])}"
    yield "# The log goes to torch.log, so that torch logs and logrotate find it; an error at the"
    yield "# start goes to the journal."
    start = [*unit.program, "start", "--foreground", "--log-file", *unit.options]
    yield f"ExecStart={_words(start)}"
    yield "# Fails, with the problems in the journal, when the file is refused."
    yield f"ExecReload={_words([*unit.program, 'reload', *unit.places])}"
    yield "# 'systemctl stop' ends what runs: SIGTERM follows this line, which then does nothing."
    yield "# 'systemctl restart' touches no task: the runs are left to the next service."
    script = _KEEP.replace("$user", " --user" if unit.of_user else "")
    keep = [*unit.program, "stop", "--keep-runs", *unit.places]
    yield f"ExecStop=-{_words(['/bin/sh', '-c', script, 'sh'])} %n {_words(keep)}"


def _ending(unit: Unit) -> Iterator[str]:
    yield "# Signals go to the service alone. When it dies, its tasks live on, and the service that"
    yield "# is started next takes them over."
    yield "KillMode=process"
    yield "Restart=on-failure"
    if unit.systemd >= _RESTART_STEPS:
        yield "RestartSec=500ms"
        yield "RestartSteps=8"
        yield "RestartMaxDelaySec=30s"
    else:
        yield "RestartSec=5s"
    yield "# While it starts, or waits for the grace of a task, the service asks for more time by"
    yield "# itself; these are for one that hangs. So is the watchdog, which ends it with SIGABRT:"
    yield "# where it hung is then in the journal."
    yield "TimeoutStartSec=2min"
    yield "TimeoutStopSec=90s"
    yield "TimeoutAbortSec=10s"
    yield "WatchdogSec=1min"


def _limits(unit: Unit) -> Iterator[str]:
    yield "# A task that runs out of memory, or has many processes, is not the end of all others."
    yield "# No OOMScoreAdjust=: tasks would inherit it."
    yield "OOMPolicy=continue"
    yield "TasksMax=infinity"
    if not unit.of_user:
        yield "# The service takes the higher number for itself; tasks get the lower one."
        yield "LimitNOFILE=1024:524288"


def _folders(unit: Unit) -> Iterator[str]:
    if not unit.own_folders:
        return
    yield ""
    yield "RuntimeDirectory=torch"
    yield "RuntimeDirectoryMode=0755"
    yield "# The lock must stay the same file over a restart."
    yield "RuntimeDirectoryPreserve=yes"
    yield "StateDirectory=torch"
    yield "StateDirectoryMode=0700"
    yield "LogsDirectory=torch"
    yield "LogsDirectoryMode=0750"


def _words(words: Sequence[str]) -> str:
    """As systemd reads them back: quoted where it must be, with nothing to be expanded."""
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    if word and _PLAIN.issuperset(word):
        return word
    mark = '"' if "'" in word else "'"
    escaped = word.replace("\\", "\\\\").replace('"', '\\"' if mark == '"' else '"')
    return mark + escaped.replace("%", "%%").replace("$", "$$") + mark
