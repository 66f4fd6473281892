"""The systemd unit: its lines, with the reason for each as a comment of the unit.

Owns the text. It is tested on a real systemd; docs/operations.md says on which version.
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

# systemd does not tell ExecStop= whether a restart follows; its list of jobs does.
_KEEP = (
    'systemctl$user list-jobs --no-legend "$1" | grep -q " restart " || exit 0; shift; exec "$@"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a unit is made from. `program` begins with an absolute path; `places` are the options
    by which every command finds this service; `environment` is what has no option."""

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
        "# No sandbox (NoNewPrivileges=, ProtectSystem=, PrivateTmp=, ...): it would also apply to",
        "# every task, and a task may need sudo, /home or /tmp. To restrict a task, set its user:.",
        "# If none of your tasks needs these, add the settings with systemctl edit.",
        "",
        "[Install]",
        f"WantedBy={'default.target' if unit.of_user else 'multi-user.target'}",
    ]
    return "\n".join(lines) + "\n"


def _head(unit: Unit) -> Iterator[str]:
    yield "[Unit]"
    yield "Description=Torch, a cron for many hosts"
    if not unit.of_user:
        yield "# The addresses of the host decide which tasks it runs, and its clock decides when."
        yield "Wants=network-online.target"
        yield "After=network-online.target time-sync.target remote-fs.target nss-user-lookup.target"
    settings = unit.settings
    places = dict.fromkeys([settings.state_dir, settings.log_dir, settings.task_file])
    yield f"RequiresMountsFor={_words(list(places))}"
    yield "# Never stop restarting: a long log is better than a host without cron."
    yield "StartLimitIntervalSec=0"


def _commands(unit: Unit) -> Iterator[str]:
    if unit.systemd >= _NOTIFY_RELOAD:
        yield "Type=notify-reload"
    else:
        yield "# notify-reload needs systemd 253."
        yield "Type=notify"
    for pair in unit.environment:
        yield f"Environment={_words([pair])}"
    yield "# The log is written to torch.log, where torch logs and logrotate find it. An error of"
    yield "# the start is written to the journal."
    start = [*unit.program, "start", "--foreground", "--log-file", *unit.options]
    yield f"ExecStart={_words(start)}"
    yield "# If the task file is refused, this fails, and the problems are in the journal."
    yield f"ExecReload={_words([*unit.program, 'reload', *unit.places])}"
    yield "# 'systemctl stop' ends the active runs: ExecStop= then does nothing, and systemd sends"
    yield "# SIGTERM. 'systemctl restart' keeps the active runs for the next service."
    script = _KEEP.replace("$user", " --user" if unit.of_user else "")
    keep = [*unit.program, "stop", "--keep-runs", *unit.places]
    yield f"ExecStop=-{_words(['/bin/sh', '-c', script, 'sh'])} %n {_words(keep)}"


def _ending(unit: Unit) -> Iterator[str]:
    yield "# Signals are sent only to the service. If it is killed, its tasks keep running, and the"
    yield "# next service adopts them."
    yield "KillMode=process"
    yield "Restart=on-failure"
    if unit.systemd >= _RESTART_STEPS:
        yield "RestartSec=500ms"
        yield "RestartSteps=8"
        yield "RestartMaxDelaySec=30s"
    else:
        yield "RestartSec=5s"
    yield "# While it starts, or waits for the grace of a task, the service requests more time."
    yield "# These limits end a service that hangs. So does the watchdog, with SIGABRT: the journal"
    yield "# then shows where the service was hanging."
    yield "TimeoutStartSec=2min"
    yield "TimeoutStopSec=90s"
    yield "TimeoutAbortSec=10s"
    yield "WatchdogSec=1min"


def _limits(unit: Unit) -> Iterator[str]:
    yield "# A task that runs out of memory, or has many processes, must not stop the others."
    yield "# No OOMScoreAdjust=: tasks would inherit it."
    yield "OOMPolicy=continue"
    yield "TasksMax=infinity"
    if not unit.of_user:
        yield "# The service raises its own limit to the higher number; tasks get the lower one."
        yield "LimitNOFILE=1024:524288"


def _folders(unit: Unit) -> Iterator[str]:
    if not unit.own_folders:
        return
    yield ""
    yield "RuntimeDirectory=torch"
    yield "RuntimeDirectoryMode=0755"
    yield "# The lock file must be kept during a restart."
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
