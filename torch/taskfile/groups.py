"""The keys of a task in the order of the docs: in groups, each with a task that uses all of them.

Owns headings, examples and the order of docs/task-file.md. keys.py says what a key is.
Invariant, checked by a test: each key is in one group, and in the example of that group.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    heading: str
    keys: str
    example: str
    words: str = ""


GROUPS = (
    Group(
        heading="Command and schedule",
        keys="name command schedule type timezone enabled",
        example="""\
tasks:
  - name: report
    type: cron                             # the default
    schedule: ["30 3 * * *", "@reboot"]    # each entry fires
    timezone: Europe/Berlin
    command: [/usr/local/bin/report, --day, yesterday]   # a list: without a shell
    enabled: false                         # stays in the file, is not scheduled
""",
    ),
    Group(
        heading="Hosts",
        keys="hosts",
        example="""\
groups: {web: [10.0.1.11, 10.0.1.12]}
tasks:
  - {name: rotate, schedule: "@daily", command: rotate, hosts: [web, 10.0.4.0/24, "!10.0.4.9"]}
""",
        words="See [Placement](#placement).",
    ),
    Group(
        heading="Concurrency and time limits",
        keys="max overlap timeout grace success_codes",
        example="""\
tasks:
  - name: sync
    schedule: "*/10 * * * * *"
    command: rsync -a /srv/feed/ backup.example:/srv/feed/
    max: 2
    overlap: queue         # while two runs are active, the next one is queued
    timeout: 20m           # SIGTERM after 20 minutes …
    grace: 30s             # … and SIGKILL 30 seconds later
    success_codes: [0, 24]
""",
    ),
    Group(
        heading="Late runs and retries",
        keys="catch_up start_within jitter retry",
        example="""\
tasks:
  - name: backup
    schedule: "30 3 * * *"
    command: /usr/local/bin/backup
    start_within: 1h       # up to 04:30 it still starts, late
    catch_up: last         # if 03:30 was missed, run once when the service is back
    jitter: 5m             # each host starts at its own second within five minutes
    retry: {attempts: 3, delay: 30s, backoff: 2, max_delay: 10m}
""",
    ),
    Group(
        heading="Daemon tasks",
        keys="restart",
        example="""\
tasks:
  - name: feed-consumer
    type: daemon
    command: exec /srv/feed/consume
    max: 3                 # three runs are kept running
    restart: {delay: 1s, max_delay: 1m, healthy_after: 10s}
""",
    ),
    Group(
        heading="User and environment",
        keys="user group privileges cwd umask nice shell env env_file",
        example="""\
tasks:
  - name: feed
    schedule: "@hourly"
    command: ./fetch "$FEED"
    user: feed
    group: www-data
    privileges: keep       # it runs sudo
    cwd: /srv/feed
    umask: "027"           # in quotes
    nice: 10
    shell: /bin/bash
    env: {FEED: orders}
    env_file: /etc/torch/feed.env        # FEED_TOKEN=…, mode 0600
""",
        words="A task does not inherit the environment of the service, except LANG. Torch adds "
        "`TORCH_TASK`, `TORCH_RUN_ID`, `TORCH_FIRE_TIME` and `TORCH_ATTEMPT`.",
    ),
    Group(
        heading="Output",
        keys="output",
        example="""\
tasks:
  - {name: chatty, schedule: "* * * * * *", command: date, output: {keep: 3600, max_size: 64KiB}}
""",
        words="`torch logs TASK` shows the output.",
    ),
    Group(
        heading="Notifications",
        keys="on_failure on_recovery on_missed on_crash_loop remind_after alert_on",
        example="""\
notify:
  ops: {webhook: {file: /etc/torch/ops.url}}
  pager: {exec: [/usr/local/bin/page, --urgent]}
tasks:
  - name: backup
    schedule: "30 3 * * *"
    command: /usr/local/bin/backup
    on_failure: [ops, pager]
    on_recovery: [ops]
    on_missed: [ops]
    remind_after: 1d
    alert_on: [{pattern: "(?i)no space left", notify: [pager]}]
  - {name: web, type: daemon, command: exec /srv/web/serve, on_crash_loop: [pager]}
""",
        words="The names are those of [Channels](#channels). [alerts.md](alerts.md) says when "
        "each channel is notified. `pattern` is a regular expression of RE2, searched in each "
        "line of output.",
    ),
    Group(
        heading="Descriptions",
        keys="description owner labels",
        example="""\
tasks:
  - name: billing
    schedule: "0 6 1 * *"
    command: /usr/local/bin/bill
    description: Writes the invoices of the previous month.
    owner: billing@example.net
    labels: {team: billing, tier: front}  # torch tasks --label tier=front
""",
    ),
)
