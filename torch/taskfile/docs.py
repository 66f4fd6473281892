"""docs/task-file.md, made from the table of keys: `python -m torch.taskfile.docs`.

Owns the text around the tables. Only keys.py says what a key is, and only groups.py in which
order the keys of a task are shown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from torch.taskfile.file_keys import FILE_KEYS
from torch.taskfile.groups import GROUPS, Group
from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.kinds import Key

_HEAD = """\
# The task file

One YAML file contains every task of a fleet and the hosts it belongs to. Every host gets the same
file and runs only its own tasks. This page is generated from the program by `make docs`.

```yaml
version: 1
groups:
  web: [10.0.1.11, 10.0.1.12]
defaults:
  timezone: Asia/Shanghai
tasks:
  - name: heartbeat
    schedule: "*/5 * * * * *"     # six fields: second minute hour day month weekday
    command: curl -fsS https://example.net/ping
  - name: rotate-logs
    schedule: "30 3 * * *"        # five fields: classic cron, at second 0
    command: /usr/sbin/logrotate /etc/logrotate.conf
    hosts: [web, 10.0.4.7, "!10.0.1.12"]
    timeout: 20m
  - name: feed-consumer
    type: daemon
    command: [./consume, --queue, feed]
    cwd: /srv/feed
    max: 3                        # three runs are kept running
```

`torch check FILE` reports all problems together, each with line and column; for a misspelt word it
suggests the nearest known one. `torch schema` prints a JSON Schema for editors. If you store it
beside the task file, name it in the first line of the task file:
`# yaml-language-server: $schema=tasks.schema.json`.
"""

_TAIL = """\
## Schedules

Six fields are second, minute, hour, day, month, weekday; five are classic cron at second 0.
A field is `*`, a value, a list `1,15`, a range `1-5`, or a step `*/5` or `10-50/10`. Months and
weekdays have names, `jan` or `mon-fri`, in any case. `0` and `7` are both Sunday. In day and
weekday, `?` means `*`.

| form | where | meaning |
|---|---|---|
| `L`, `L-3` | day | last day of the month; three days before it |
| `15W`, `LW` | day | the weekday nearest to the 15th; the last weekday |
| `5L`, `5#2` | weekday | last Friday; second Friday of the month |
| `H`, `H/15`, `H(0-29)` | any field | a value derived from the task's name, so that tasks spread |
| `@hourly @daily @midnight @weekly @monthly @yearly @annually` | whole | as cron has them |
| `@reboot` | whole | once per boot of the host |
| `@every 90s` | whole | every 90 seconds, counted from 1970: at the same instants on all hosts |

If both day and weekday are restricted, a date that matches either of them fires. A field that
begins with `*` is not a restriction. An expression that can never fire is refused. The
daylight-saving rule and all other behaviour are in [semantics.md](semantics.md).

## Placement

An entry of `hosts` is an address, a network such as `10.0.4.0/24`, or a group; an entry after `!`
is excluded. The order does not matter, and an exclusion always takes precedence. A list of
exclusions only means all other hosts. Without `hosts` every host owns the task. Entries are
matched against all addresses of a host except loopback addresses, or, with `--address`, against
that address only.

## Channels

`notify` defines the channels by which Torch notifies people. A channel is one of:

| way | written | what Torch does |
|---|---|---|
| webhook | `{webhook: "https://chat.example/hook"}` | one POST of a CloudEvent 1.0 |
| exec | `{exec: 'logger -t torch "$TORCH_MESSAGE_TITLE"'}` | runs a command that reads the event |
| apprise | `{apprise: "mailtos://user:password@mail.example"}` | mail, chat or phone messages |
| apprise | `"mailtos://user:password@mail.example"` | the same, shorter |
| both | `{webhook: {file: /etc/torch/ops.url}}` | reads the URL from a file; also for `apprise` |

Most of these URLs are secrets, and the task file is usually in git, so keep the URL in a file of
its own. That file must be a regular file of root or the service's user, not a symlink, and not
accessible to group and others (`chmod 600`). Its first line that is not empty and does not begin
with `#` is the URL. Torch reads it each time it sends a message. The URLs of apprise are listed in
[its documentation](https://github.com/caronc/apprise). `torch notify test CHANNEL` tests a
channel; [alerts.md](alerts.md#channels) says what is sent and what counts as delivered.

## Values

- Durations are whole numbers with a unit each, larger units first: `500ms 30s 5m 1h30m 2d`.
- Sizes have a unit: `64KiB 16MiB 1GB`.
- Values have their YAML 1.2 type. `yes`, `010`, `12:30:45`, `1_000` and `2026-11-21` are text and
  are never converted. If a key requires text and its value is a number, a boolean or looks like
  one, the error says to quote it.
- Duplicate keys, unknown keys, tags, second documents and git's conflict markers are errors.
- Anchors, aliases and merge keys (`<<`) are allowed, up to a number of expanded values (see
  Limits).
- A key of a task replaces the key in `defaults` as a whole.

## Limits

8 MiB for the file, 20 000 tasks, depth 20, 128 KiB for a command or a value, 1 KiB for an
expression, 50 expressions per task and 30 000 per file, 1 000 000 values per file. Aliases, merges
and `defaults` count as values each time they are used. Each limit has its own message.

## Owner and permissions

The file decides which commands the service's user runs, so Torch checks it as cron checks a
crontab. It must be a regular file, owned by root or the service's user, and not writable by others
or by a group with other members. The same is required of its directory (except sticky directories)
and of symlinks on its path. A second hard link gives a warning.
"""


def task_file_markdown() -> str:
    """The whole page."""
    parts = [
        _HEAD,
        "## Keys of the file\n",
        *_table(key for key in FILE_KEYS.values()),
        "\n## Keys of a task\n",
        "`name`, `command` and, except for daemon tasks, `schedule` are required. All other keys "
        "have a default.\n",
        *(f"- [{group.heading}](#{_anchor(group.heading)}): {_listed(group)}" for group in GROUPS),
        *_groups(),
        "",
        _TAIL,
    ]
    return "\n".join(parts)


def _table(keys: Iterable[Key]) -> list[str]:
    return [
        "| key | value | default | meaning |",
        "|---|---|---|---|",
        *(
            f"| `{key.name}` | {_cell(key.kind.says)} | {_default(key)} | {_meaning(key)} |"
            for key in keys
        ),
    ]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _listed(group: Group) -> str:
    return ", ".join(f"`{name}`" for name in group.keys.split())


def _groups() -> list[str]:
    """Each group: an example, the table of its keys, and one for each that has keys of its own."""
    lines: list[str] = []
    for group in GROUPS:
        keys = [TASK_KEYS[name] for name in group.keys.split()]
        lines += [f"\n### {group.heading}\n", f"```yaml\n{group.example}```\n", *_table(keys)]
        for key in keys:
            if key.kind.keys:
                lines += [f"\nKeys of `{key.name}`:\n", *_table(key.kind.keys)]
        lines += [f"\n{group.words}"] if group.words else []
    return lines


def _meaning(key: Key) -> str:
    only = f" Only for {key.only} tasks." if key.only else ""
    return _cell(key.doc + only)


def _default(key: Key) -> str:
    if key.required:
        return "required"
    if key.shown:
        return _cell(key.shown)
    return f"`{_cell(key.kind.write(key.default))}`"


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


if __name__ == "__main__":
    sys.stdout.write(task_file_markdown())
