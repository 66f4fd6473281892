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
            doc="Text is run by the shell; a list is run as it is, without a shell.",
        ),
        Key(
            name="schedule",
            kind=rules.schedule(),
            default=(),
            only=_CRON,
            shown="required for cron tasks",
            example='"30 3 * * *"',
            doc="When it fires: six fields (second minute hour day month weekday), five "
            "(classic cron, at second 0), a macro such as `@daily`, or `@every 90s`. Of a "
            "list, each fires.",
        ),
        Key(
            name="type",
            kind=choice(TaskType),
            default=TaskType.CRON,
            example="cron",
            doc="`cron` fires at times; `daemon` is kept alive.",
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
            doc="Most live runs on one host; of a daemon task, how many are kept alive.",
        ),
        Key(
            name="overlap",
            kind=choice(Overlap),
            default=Overlap.SKIP,
            only=_CRON,
            example="skip",
            doc="What a fire does when `max` runs are live: `skip` it, `queue` it (at most "
            "one waits), or `replace` the oldest run.",
        ),
        Key(
            name="catch_up",
            kind=choice(CatchUp),
            default=CatchUp.NONE,
            only=_CRON,
            example="last",
            doc="What becomes of fires later than `start_within`: recorded as missed "
            "(`none`), the newest started once (`last`), or each in turn, at most 100 "
            "(`all`).",
        ),
        Key(
            name="start_within",
            kind=duration(1),
            default=60.0,
            only=_CRON,
            example="1m",
            doc="A fire that can still start within this time starts, late (of several the "
            "newest); after it, it is a misfire.",
        ),
        Key(
            name="timeout",
            kind=duration(0.1),
            shown="none",
            example="20m",
            doc="SIGTERM to a run that lasts longer.",
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
            doc="Attempts after one that failed or timed out. A newer fire takes the place of one "
            "that waits; runs by hand are not retried.",
        ),
        Key(
            name="restart",
            kind=policies.restart(),
            default=Restart(),
            only=_DAEMON,
            shown="`{delay: 1s, max_delay: 1m, healthy_after: 10s}`",
            example="{delay: 1s, max_delay: 1m, healthy_after: 10s}",
            doc="How a daemon task comes back; every exit restarts it, code 0 too.",
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
            doc="Zone in which `schedule` is read.",
        ),
        Key(
            name="jitter",
            kind=duration(0, 86_400),
            default=0.0,
            only=_CRON,
            example="30s",
            doc="Stable spread of the start over this time, from task, host and fire time; at "
            "most 1d. The fire time stays as it is.",
        ),
        Key(
            name="user",
            kind=rules.account("user"),
            shown="the service's",
            example="www-data",
            doc="User who runs it, with that user's groups and no new privileges. Needs a "
            "service that runs as root.",
        ),
        Key(
            name="group",
            kind=rules.account("group"),
            shown="the user's",
            example="adm",
            doc="Group it runs under.",
        ),
        Key(
            name="privileges",
            kind=choice(Privileges),
            default=Privileges.DROP,
            example="keep",
            doc="`keep`: a set-uid program that a task with `user` runs, such as sudo or a mailer, "
            "has its effect. `drop`: it has none (no_new_privs).",
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
            doc="Processor priority, -20 first, 19 last; below the service's own needs root.",
        ),
        Key(
            name="shell",
            kind=rules.path(),
            shown="`/bin/sh`",
            example="/bin/bash",
            doc="Program that reads `command` where that is text, called with -c.",
        ),
        Key(
            name="env",
            kind=rules.environment(),
            default=(),
            shown="none",
            example="{TZ: UTC}",
            doc="Environment variables, on top of PATH, HOME, LANG, USER, LOGNAME and SHELL.",
        ),
        Key(
            name="env_file",
            kind=rules.path(),
            shown="none",
            example="/etc/torch/feed.env",
            doc="File of NAME=value lines, mode 0600, read at each start: the place for "
            "secrets. `env` wins.",
        ),
        Key(
            name="enabled",
            kind=boolean(),
            default=True,
            example="true",
            doc="`false` keeps the task in the file and starts nothing.",
        ),
        Key(
            name="description",
            kind=text("a text", lines=True, empty=True),
            default="",
            shown="none",
            example="Rotates what is in /etc/logrotate.d",
            doc="What it is for; shown wherever the task is shown.",
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
            doc="Names and values to find tasks by.",
        ),
        Key(
            name="output",
            kind=policies.output(),
            default=Output(),
            shown="`{keep: 50, max_size: 16MiB, via: pipe}`",
            example="{keep: 50, max_size: 16MiB}",
            doc="What is kept of the output.",
        ),
        *ALERT_KEYS,
    )
}
