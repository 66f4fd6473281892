"""The table of the keys of a task: each key once, with its kind, default and one line of doc.

Owns the vocabulary of a task. The validator, the JSON Schema and docs/task-file.md read
this table and nothing else, so they cannot disagree.
"""

from __future__ import annotations

from torch.task import CatchUp, Output, Overlap, Privileges, Restart, TaskType
from torch.taskfile import hosts, policies, rules
from torch.taskfile.alert_keys import ALERT_KEYS
from torch.taskfile.kinds import Key, boolean, choice, text
from torch.taskfile.quantities import duration, whole

_CRON, _DAEMON = TaskType.CRON.value, TaskType.DAEMON.value

TASK_KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key(
            name="name",
            kind=rules.name(),
            required=True,
            shown="required",
            example="rotate-logs",
            doc="Unique in the file, ignoring case. It names the task everywhere: output "
            "files, history, commands.",
        ),
        Key(
            name="command",
            kind=rules.command(),
            required=True,
            shown="required",
            example="/usr/sbin/logrotate /etc/logrotate.conf",
            doc="Text is run by the shell; a list is run directly, without a shell.",
        ),
        Key(
            name="schedule",
            kind=rules.schedule(),
            default=(),
            only=_CRON,
            shown="required for cron tasks",
            example='"30 3 * * *"',
            doc="When it fires: six fields (second minute hour day month weekday), five "
            "(classic cron, at second 0), a macro such as `@daily`, or `@every 90s`. Each "
            "entry of a list fires.",
        ),
        Key(
            name="type",
            kind=choice(TaskType),
            default=TaskType.CRON,
            example="cron",
            doc="`cron`: runs at the times of its schedule; `daemon`: is kept running.",
        ),
        Key(
            name="hosts",
            kind=hosts.hosts(),
            default=(),
            shown="every host",
            example='[web, 10.0.4.7, "!10.0.1.12"]',
            doc="The hosts that own the task; see Placement.",
        ),
        Key(
            name="max",
            kind=whole(1, 10_000),
            default=1,
            example="1",
            doc="Largest number of active runs on one host; for a daemon task, the number of "
            "runs that are kept running.",
        ),
        Key(
            name="overlap",
            kind=choice(Overlap),
            default=Overlap.SKIP,
            only=_CRON,
            example="skip",
            doc="What happens to a scheduled run that is due while `max` runs are active. `skip`: "
            "it is skipped; `queue`: it is queued, at most one; `replace`: the oldest run is "
            "stopped, then this one starts.",
        ),
        Key(
            name="catch_up",
            kind=choice(CatchUp),
            default=CatchUp.NONE,
            only=_CRON,
            example="last",
            doc="What happens to scheduled runs that are later than `start_within`: they are "
            "recorded as missed (`none`), the newest is started once (`last`), or each is "
            "started in turn, at most 100 (`all`).",
        ),
        Key(
            name="start_within",
            kind=duration(1),
            default=60.0,
            only=_CRON,
            example="1m",
            doc="Longest lateness at which a scheduled run still starts (of several the newest); "
            "later is a misfire.",
        ),
        Key(
            name="timeout",
            kind=duration(0.1),
            shown="none",
            example="20m",
            doc="A run that takes longer is stopped: SIGTERM, and SIGKILL after `grace`.",
        ),
        Key(
            name="grace",
            kind=duration(0),
            default=10.0,
            example="10s",
            doc="Time between SIGTERM and SIGKILL, whenever a run is stopped.",
        ),
        Key(
            name="retry",
            kind=policies.retry(),
            only=_CRON,
            shown="no retries",
            example="{attempts: 3, delay: 30s, backoff: 2, max_delay: 10m}",
            doc="Further attempts after one that failed or timed out. The next scheduled run "
            "cancels a pending retry; manual runs are not retried.",
        ),
        Key(
            name="restart",
            kind=policies.restart(),
            default=Restart(),
            only=_DAEMON,
            shown="`{delay: 1s, max_delay: 1m, healthy_after: 10s}`",
            example="{delay: 1s, max_delay: 1m, healthy_after: 10s}",
            doc="How a daemon task is restarted; it is restarted after every exit, also with code "
            "0.",
        ),
        Key(
            name="success_codes",
            kind=rules.exit_codes(),
            default=(0,),
            shown="`[0]`",
            example="[0]",
            doc="Exit codes that count as success.",
        ),
        Key(
            name="timezone",
            kind=rules.timezone(),
            only=_CRON,
            shown="the host's",
            example="Asia/Shanghai",
            doc="Time zone of `schedule`.",
        ),
        Key(
            name="jitter",
            kind=duration(0, 86_400),
            default=0.0,
            only=_CRON,
            example="30s",
            doc="Delays the start by a part of this time, which depends on task, host and fire "
            "time and is always the same for these; at most 1d. The fire time does not change.",
        ),
        Key(
            name="user",
            kind=rules.account("user"),
            shown="the service's",
            example="www-data",
            doc="User that runs it, with that user's groups and no new privileges. Requires a "
            "service that runs as root.",
        ),
        Key(
            name="group",
            kind=rules.account("group"),
            shown="the user's",
            example="adm",
            doc="Group that runs it.",
        ),
        Key(
            name="privileges",
            kind=choice(Privileges),
            default=Privileges.DROP,
            example="keep",
            doc="For a task with `user`. `keep`: set-uid programs that it runs, such as sudo or a "
            "mailer, have their effect. `drop`: they have none (no_new_privs).",
        ),
        Key(
            name="cwd",
            kind=rules.path(),
            shown="`/`",
            example="/srv/feed",
            doc="Working directory; it must exist on the hosts that own the task.",
        ),
        Key(
            name="umask",
            kind=rules.umask(),
            shown='`"022"`',
            example='"027"',
            doc="File mode mask, in quotes.",
        ),
        Key(
            name="nice",
            kind=whole(-20, 19),
            shown="the service's",
            example="10",
            doc="Processor priority from -20 (highest) to 19 (lowest); a value below that of the "
            "service requires root.",
        ),
        Key(
            name="shell",
            kind=rules.path(),
            shown="`/bin/sh`",
            example="/bin/bash",
            doc="Program that runs `command`, with -c, if it is text.",
        ),
        Key(
            name="env",
            kind=rules.environment(),
            default=(),
            shown="none",
            example="{TZ: UTC}",
            doc="Environment variables, in addition to PATH, HOME, LANG, USER, LOGNAME and SHELL.",
        ),
        Key(
            name="env_file",
            kind=rules.path(),
            shown="none",
            example="/etc/torch/feed.env",
            doc="File of NAME=value lines, mode 0600, read at each start: the place for "
            "secrets. A variable that `env` sets too has the value in `env`.",
        ),
        Key(
            name="enabled",
            kind=boolean(),
            default=True,
            example="true",
            doc="`false`: the task stays in the file and is not scheduled.",
        ),
        Key(
            name="description",
            kind=text("a text", lines=True, empty=True),
            default="",
            shown="none",
            example="Rotates what is in /etc/logrotate.d",
            doc="The purpose of the task; shown wherever the task is shown.",
        ),
        Key(
            name="owner",
            kind=text("a text", empty=True),
            default="",
            shown="none",
            example="ops@example.net",
            doc="Who to ask about it; shown wherever the task is shown.",
        ),
        Key(
            name="labels",
            kind=rules.labels(),
            default=(),
            shown="none",
            example="{team: feed}",
            doc="Names and values by which tasks can be selected.",
        ),
        Key(
            name="output",
            kind=policies.output(),
            default=Output(),
            shown="`{keep: 50, max_size: 16MiB, via: pipe}`",
            example="{keep: 50, max_size: 16MiB}",
            doc="How much output is kept, and how it is written.",
        ),
        *ALERT_KEYS,
    )
}
