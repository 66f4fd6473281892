"""Output without measure: no verdict changes, no fire is missed, no file grows past its cap."""

from __future__ import annotations

import subprocess
import sys

from tests.faults.witness import begin_and_end
from tests.waiting import until

MIB = 1 << 20

BEAT = f"""
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: '{begin_and_end(0)}'
"""


def test_a_flood_of_output_is_capped_and_costs_no_fire(service, size, figure):
    megabytes = size.of(quick=64, long=1024)
    flood = begin_and_end(3, f"yes xxxxxxx | head -c {megabytes}M; echo the end")
    service.start(
        BEAT
        + f"""
  - name: flood
    schedule: "@yearly"
    output: {{max_size: 1MiB}}
    command: '{flood}'
"""
    )
    service.wait_begun("beat", 1)
    run = service.torch("run", "flood").strip()
    path = service.state / "output" / "flood" / f"{run}.log"
    most = 0

    def over() -> bool:
        nonlocal most
        if path.exists():
            most = max(most, path.stat().st_blocks * 512)
        return bool(service.row(run)["state"] == "finished")

    until("the flood is over", over, deadline=300, pause=0.1)
    assert path.stat().st_size <= MIB and path.stat().st_blocks * 512 <= MIB
    assert path.read_bytes().endswith(b"x\nthe end\n")
    if size.long:  # while it was written its head was freed, again and again
        assert most < megabytes * MIB / 2
    service.wait_more("beat")
    service.torch("stop")
    rows = service.judge(most={"beat": 1, "flood": 1}, every_second=["beat"])
    assert {row["outcome"] for row in rows if row["task"] == "beat"} <= {
        "succeeded",
        "killed",
        "skipped",
    }
    figure(f"{megabytes} MiB of output: at most {most / MIB:.1f} MiB on disk, no fire missed")


LONG_LINE = begin_and_end(0, 'head -c 10000000 /dev/zero | tr "\\0" y; echo')
HARMFUL = set(range(32)) - {9, 10, 13} | {127, *range(128, 160)}


def test_a_line_without_end_and_bytes_without_meaning_reach_no_terminal_raw(service):
    service.start(
        BEAT
        + f"""
  - name: long-line
    schedule: "@yearly"
    command: '{LONG_LINE}'
  - name: binary
    schedule: "@yearly"
    command: '{begin_and_end(7, "cat /bin/sh; head -c 300000 /dev/urandom")}'
"""
    )
    service.torch("run", "long-line", "--wait")
    run = service.torch("run", "binary").strip()
    assert service.wait_row(run)["exit_code"] == 7
    assert len(service.torch("logs", "long-line")) == 10_000_001
    for command in (["logs", "binary"], ["logs"]):
        shown = _on_a_terminal(service, *command)
        assert shown, command
        harmful = {ord(char) for char in shown} & HARMFUL
        assert not harmful, (command, harmful)
    assert not {ord(char) for char in service.log()} & HARMFUL
    service.torch("stop")
    service.judge(most={"beat": 1, "binary": 1, "long-line": 1}, every_second=["beat"])


def _on_a_terminal(service, *args: str) -> str:
    command = [sys.executable, "-m", "torch", *args, *service.options(*args)]
    return subprocess.run(
        ["script", "-qec", " ".join(command), "/dev/null"], stdin=subprocess.DEVNULL,
        capture_output=True, env=service.environ(), check=True,
    ).stdout.decode("utf-8", "replace")  # fmt: skip
