"""docs/task-file.md, made from the table of keys: `python -m torch.taskfile.docs`.

Owns the page's words around the tables; what a key is stands in keys.py alone, in which order
the keys of a task are shown in groups.py.
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

One YAML file names every task of a fleet and the hosts it belongs to. Every host gets the same
file and runs its own part. This page is generated from the program by `make docs`.

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
    max: 3                        # three are kept alive
```

`torch check FILE` reports every problem at once, with line, column and the nearest right word.
`torch schema` prints a JSON Schema for editors; put beside the file, its first line can name it:
`# yaml-language-server: $schema=tasks.schema.json`.
"""

_TAIL = """\
## Schedules

Six fields are second, minute, hour, day, month, weekday; five are classic cron at second 0.
`*`, lists `1,15`, ranges `1-5`, steps `*/5` and `10-50/10`, names `jan`, `mon-fri` in any case;
`0` and `7` are both Sunday; `?` stands for `*` in day and weekday.

| form | where | meaning |
|---|---|---|
| `L`, `L-3` | day | last day of the month; the third before it |
| `15W`, `LW` | day | the weekday nearest to the 15th; the last weekday |
| `5L`, `5#2` | weekday | last Friday; second Friday of the month |
| `H`, `H/15`, `H(0-29)` | any field | a stable value from the task's name, so that tasks spread |
| `@hourly @daily @midnight @weekly @monthly @yearly @annually` | whole | as cron has them |
| `@reboot` | whole | once per boot of the host |
| `@every 90s` | whole | every 90 seconds since the epoch: all hosts agree |

Day and weekday both restricted: either matches. A field that begins with `*` is not a
restriction. An expression that can never fire is refused. The daylight-saving rule and the rest
of the behaviour are in [semantics.md](semantics.md).

## Placement

An entry of `hosts` is an address, a network such as `10.0.4.0/24`, or a group; `!` before it
excludes. Order does not matter and exclusion wins; a list of nothing but exclusions means
everyone else; without `hosts` every host owns the task. Entries are matched against every
address of a host that is not a loopback address, or against the one given by `--address`.

## Channels

`notify` names the ways to tell people. A channel is one of:

| way | written | what is done |
|---|---|---|
| webhook | `{webhook: "https://chat.example/hook"}` | one POST of a CloudEvent 1.0 |
| exec | `{exec: 'logger -t torch "$TORCH_MESSAGE_TITLE"'}` | a command reads the event |
| apprise | `{apprise: "mailtos://user:password@mail.example"}` | mail, chat, phones |
| apprise | `"mailtos://user:password@mail.example"` | the same, shorter |
| either | `{webhook: {file: /etc/torch/ops.url}}` | the URL stands in a file; so with `apprise` |

A URL is mostly a secret, and this file is in git: the file of a URL is the place for it. It must
be a regular file of root or the service's user, not a symlink and closed to group and others
(`chmod 600`); its first line that is not empty and does not begin with `#` is the URL. It is
read each time something is sent. The URLs of apprise are listed in
[its documentation](https://github.com/caronc/apprise). `torch notify test CHANNEL` tries a channel;
[alerts.md](alerts.md#channels) says what is sent and what counts as delivered.

## Values

- Durations are whole numbers with a unit each, larger units first: `500ms 30s 5m 1h30m 2d`.
- Sizes have a unit: `64KiB 16MiB 1GB`.
- Values keep the type they look like in YAML 1.2. `yes`, `010`, `12:30:45`, `1_000` and
  `2026-11-21` are text, and are never turned into something else; where text is wanted and a
  number, a boolean or something that looks like one is written, the error says to quote it.
- Duplicate keys, unknown keys, tags, second documents and git's conflict markers are errors.
- Anchors, aliases and merge keys (`<<`) are allowed, within a budget of expanded nodes.
- A key of a task replaces the key in `defaults` as a whole.

## Limits

8 MiB for the file, 20 000 tasks, depth 20, 128 KiB for a command or a value, 1 KiB for an
expression, 50 expressions a task and 30 000 a file. Aliases, merges and `defaults` count each
time they are used, towards 1 000 000 values a file. Each limit has its own message.

## Who may write it

The file decides what the service's user runs, so it is opened as cron opens a crontab: a regular
file, owned by root or the service's user, not writable by others nor by a group with other
members in it; the same holds for its directory (sticky directories excepted) and for symlinks on
the way to it. A second hard link is a warning.
"""


def task_file_markdown() -> str:
    """The whole page."""
    parts = [
        _HEAD,
        "## Keys of the file\n",
        *_table(key for key in FILE_KEYS.values()),
        "\n## Keys of a task\n",
        "`name`, `command` and, but for daemon tasks, `schedule` are required. All others have a "
        "default.\n",
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
