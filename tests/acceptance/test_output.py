"""What a task prints is kept as it printed it, whatever it prints with: judged by `torch logs`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import Service, alive
from tests.waiting import until

LINES = "first\nwarn\nlast\n"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

_NO_WAIT = """
import os, subprocess, sys
os.set_blocking(1, False)
for number in range(20_000):
    while True:
        try:
            os.write(1, b"line %05d\\n" % number)
            break
        except BlockingIOError:
            pass
"""

SAME = {
    "reopened": "echo first; echo warn >/dev/stderr; echo last",
    "reopened-out": "echo first >/dev/stdout; echo warn >/dev/stdout; echo last",
    "appended": "echo first; echo warn >>/dev/stderr; echo last >>/dev/stdout",
    "by-number": "echo first; echo warn >/proc/self/fd/2; echo last >/dev/fd/1",
    "tee": "echo first; echo warn | tee /dev/stderr >/dev/null; echo last",
    "dd": "echo first; echo warn | dd of=/dev/stderr status=none; echo last",
    "script": "echo first; script -qec 'echo warn' /dev/null | tr -d '\\r'; echo last",
    "closed": "echo first; (exec >&-; exec 2>/dev/tty; true) 2>/dev/null; echo warn >&2; echo last",
}

AS_ANOTHER = {
    "user": ("nobody", SAME["reopened"]),
    "user-tee": ("nobody", SAME["tee"]),
    "user-dd": ("nobody", SAME["dd"]),
    "su": (None, f"su nobody -s /bin/sh -c '{SAME['reopened']}'"),
    "runuser": (None, f"runuser -u nobody -- sh -c '{SAME['reopened']}'"),
}


def task(name: str, command: str, *more: str) -> str:
    lines = "".join(f"      {line}\n" for line in command.splitlines())
    keys = "".join(f"    {line}\n" for line in more)
    return f'  - name: {name}\n    schedule: "@yearly"\n{keys}    command: |\n{lines}'


def test_what_opens_its_output_anew_cuts_nothing_off(service):
    service.start("tasks:\n" + "".join(task(name, command) for name, command in SAME.items()))
    assert {name: service.torch("run", name, "--wait") for name in SAME} == dict.fromkeys(
        SAME, LINES
    )
    assert {name: service.torch("logs", name) for name in SAME} == dict.fromkeys(SAME, LINES)


@AS_ROOT
def test_so_does_what_runs_as_another_user(service):
    made = "".join(
        task(name, command, *([f"user: {user}"] if user else []))
        for name, (user, command) in AS_ANOTHER.items()
    )
    service.start("tasks:\n" + made)
    found = {name: service.torch("run", name, "--wait") for name in AS_ANOTHER}
    assert found == dict.fromkeys(AS_ANOTHER, LINES)


def test_a_program_that_does_not_wait_for_its_output_breaks_nobody_else(service):
    command = f"python3 -c '{_NO_WAIT}'; echo fine; echo fine >&2; yes | head -c 300000 >&2"
    service.start("tasks:\n" + task("t", command))
    found = service.torch("run", "t", "--wait").splitlines()
    assert found[:20_000] == [f"line {number:05}" for number in range(20_000)]
    assert found[20_000:20_002] == ["fine", "fine"]
    assert found[20_002:] == ["y"] * 150_000


def test_a_file_that_is_emptied_while_it_is_written_gets_what_comes_after(service):
    command = "echo one; while [ ! -e DIR/go ]; do sleep 0.02; done; echo two; echo three"
    service.start("tasks:\n" + task("t", command))
    run = service.torch("run", "t").strip()
    path = output(service, "t", run)
    until("the first line is there", lambda: path.exists() and path.stat().st_size)
    os.truncate(path, 0)
    (service.scratch / "go").touch()
    until("it is over", lambda: over(service, run))
    assert path.read_bytes() == b"two\nthree\n"


def test_a_file_that_is_taken_away_while_it_is_written_is_made_anew(service):
    command = "echo one; while [ ! -e DIR/go ]; do sleep 0.02; done; echo two"
    service.start("tasks:\n" + task("t", command))
    run = service.torch("run", "t").strip()
    path = output(service, "t", run)
    until("the first line is there", lambda: path.exists() and path.stat().st_size)
    path.unlink()
    (service.scratch / "go").touch()
    until("it is over", lambda: over(service, run))
    assert service.torch("logs", run) == "two\n"


def test_late_words_belong_to_the_run_and_who_follows_it_sees_them(service):
    late = "(while [ ! -e DIR/go ]; do sleep 0.02; done; echo late; echo noend | tr -d '\\n') &"
    service.start("tasks:\n" + task("t", f"echo early\n{late}"))
    run = service.torch("run", "t").strip()
    until("it is over", lambda: over(service, run))
    command = [sys.executable, "-m", "torch", "logs", "-f", run, "--state-dir", str(service.state)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=service.environ()
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "early\n"
        assert following.poll() is None  # something may still print
        (service.scratch / "go").touch()
        assert following.stdout.read() == "late\nnoend\n"
    assert following.returncode == 0
    assert service.torch("logs", run) == "early\nlate\nnoend\n"


def test_alerts_find_late_words_and_first_words_and_quote_the_last_lines(service):
    service.start(
        f"""
notify:
  told: {{exec: [sh, -c, 'cat >>{service.scratch}/told; echo >>{service.scratch}/told']}}
"""
        + "tasks:\n"
        + task(
            "t", "sleep 1; echo begin FIRST; echo x >/dev/stderr; (sleep 1; echo LATE) & exit 3",
            "alert_on: [{pattern: FIRST, notify: [told]}, {pattern: LATE, notify: [told]}]",
            "on_failure: [told]",
        )
    )  # fmt: skip
    service.torch("run", "t", "--wait", code=3)
    until("late words are found", lambda: '"lines": ["LATE"]' in "".join(service.lines("told")))
    told = "".join(service.lines("told"))
    assert '"lines": ["begin FIRST"]' in told  # found in a file that was not there at first
    assert '"lines": ["begin FIRST", "x"]' in told  # the last lines of the failure
    assert 'tail="begin FIRST\\nx"' in service.log()


def test_a_reaper_killed_while_a_task_prints_loses_no_line(service):
    command = "for n in $(seq 30); do echo line $n; sleep 0.05; done"
    service.start("tasks:\n" + task("t", command))
    run = service.torch("run", "t").strip()
    path = output(service, "t", run)
    until("it prints", lambda: path.exists() and path.read_text().count("\n") > 5)
    os.kill(reaper(service), signal.SIGKILL)
    until("it is over", lambda: over(service, run))
    wanted = "".join(f"line {n}\n" for n in range(1, 31))
    until("all is read", lambda: path.read_text() == wanted)
    assert service.json("runs", "t")["runs"][0]["exit_code"] == 0


def test_output_of_what_died_together_with_its_reaper_is_closed(service):
    """Nobody has it open when the next reaper looks: that is an end, too."""
    service.start("tasks:\n" + task("t", "echo hello; exec sleep 600"))
    run = service.torch("run", "t").strip()
    until("it prints", output(service, "t", run).exists)
    pid = until("it is there", lambda: service.task("t")["runs"][0]["pid"])
    first = reaper(service)
    for each in (first, pid):
        os.kill(each, signal.SIGSTOP)
    for each in (first, pid):
        os.kill(each, signal.SIGKILL)
    until("it is over", lambda: over(service, run))
    assert service.torch("logs", "-f", run, deadline=10) == "hello\n"
    assert not [*(service.state / "reapers").glob(f"*/*@{run}")]


def test_output_by_file_is_the_file_itself_with_its_documented_costs(service):
    command = "echo first; echo warn >/dev/stderr; ls -l /proc/self/fd/1 >&2; echo last"
    service.start("tasks:\n" + task("t", command, "output: {via: file}"))
    found = service.torch("run", "t", "--wait")
    assert "first" not in found  # >/dev/stderr has truncated the file
    run = service.json("runs", "t")["runs"][0]["id"]
    assert found.startswith("warn\n") and found.endswith("last\n")
    assert str(output(service, "t", run)) in found


def output(service: Service, name: str, run: str) -> Path:
    return service.state / "output" / name / f"{run}.log"


def over(service: Service, run: str) -> bool:
    return any(r["id"] == run and r["ended_at"] for r in service.json("runs")["runs"])


def reaper(service: Service) -> int:
    """The pid of the reaper that the service has now."""
    wanted = f"torch.reaper\0{service.state}/reapers/".encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or not alive(int(process.name)):
            continue
        if wanted in (process / "cmdline").read_bytes():
            return int(process.name)
    raise AssertionError("no reaper")
