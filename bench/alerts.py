"""What alerts cost a start: a per-second task's lateness while others fail and recover in turns,
a channel is told of it, and 10 000 lines a second are searched; beside the same without alerts.
"""

from __future__ import annotations

import json
import math
import time

from bench.host import Host
from bench.table import Figure, percentile, spread

TASKS = 20
BEAT = """
  - name: beat
    schedule: "* * * * * *"
    command: [/bin/date, +%s.%N]
    output: {keep: 1000}
"""
FLAP = """
  - name: flap-{number}
    schedule: "{number}/{every} * * * * *"
    command: sleep 0.3; test $(($(date +%s) / {every} % 2)) = 0
"""
TALK = """
  - name: talk
    type: daemon
    command: while :; do seq 1000; sleep 0.1; done
    output: {keep: 1, max_size: 1MiB}
"""
PATTERN = '    alert_on: [{pattern: "panic|[a-z]+ERROR", notify: [ops-0]}]\n'


def measure(*, quick: bool) -> list[Figure]:
    seconds = 30 if quick else 120
    without, _ = _late(seconds, alerts=False)
    late, told = _late(seconds, alerts=True)
    allowed = percentile(without, 99) + 1.0
    return [
        Figure(
            what=f"lateness of a task while {told} messages are sent and output is searched",
            ours=spread(late, "ms"),
            limit=f"the same without alerts: {spread(without, 'ms')}",
            goal="p99 ≤ 1 ms more",
            reached=percentile(late, 99) <= allowed,
        )
    ]


def _late(seconds: int, *, alerts: bool) -> tuple[list[float], int]:
    """Milliseconds of each beat; and how many messages the channel took."""
    with Host() as host:
        channels = "".join(f"  ops-{n}: {{exec: 'cat >/dev/null'}}\n" for n in range(TASKS))
        lines = [f"notify:\n{channels}tasks:{BEAT}" if alerts else f"tasks:{BEAT}"]
        for number in range(TASKS):  # one of them a second, good and bad in turns
            told = f"    on_failure: [ops-{number}]\n" if alerts else ""
            lines.append(FLAP.format(number=number, every=TASKS) + told)
        lines.append(TALK + (PATTERN if alerts else ""))
        host.write("\n".join(lines))
        host.start()
        time.sleep(seconds + 1)
        sent = sum(row["state"] == "sent" for row in _told(host)) if alerts else 0
        host.torch("stop")
        host.pid = 0
        seen = host.outputs("beat")
    return [(at - math.floor(at)) * 1000 for at in seen], sent


def _told(host: Host) -> list[dict[str, str]]:
    answer = host.torch("notify", "history", "--json", "--limit", "100000")
    rows: list[dict[str, str]] = json.loads(answer)["notices"]
    return rows
