"""Events in words: each has a sentence, a level and three forms, and none can harm a log."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch import event as facts
from torch.clock import FireTime
from torch.errors import Problem
from torch.event import Event
from torch.message import MessageKind
from torch.notice import Notice
from torch.report import log
from torch.run import Ending, Outcome, Run, Trigger, Usage

T0 = FireTime(1_800_000_000)
RUN = Run(id="k3-1", task="backup", trigger=Trigger.SCHEDULE, fire_time=T0, version="v1")
BY_HAND = Run(id="k3-2", task="backup", trigger=Trigger.MANUAL)
ENDING = Ending(outcome=Outcome.FAILED, exit_code=3)
NOTICE = Notice(
    id="k3-9", kind=MessageKind.FAILING, task="backup", at=float(T0), outcome=Outcome.FAILED
)
PROBLEM = Problem(file="tasks.yaml", line=12, column=5, key="shedule", message="unknown key")

FARES = facts.SelfReported(
    tasks=12, running=3, seconds=300.0, started=60, failed=2, late_median=0.0012, late_max=0.004,
    load=0.42, cpu_percent=0.3, memory_mib=31.2, open_files=14, history_mib=2.5,
    state_free_mib=40_000, log_free_mib=40_000,
)  # fmt: skip

EVENTS: list[tuple[Event, str, str]] = [
    (
        facts.ServiceReady(pid=7, version="v1", file="/t.yaml", tasks=1, elsewhere=2),
        "info",
        "ready, pid 7: 1 task for this host, 2 for other hosts (/t.yaml)",
    ),
    (
        facts.TasksReloaded(version="v2", added=("a", "b"), changed=("c",), unchanged=4),
        "info",
        "reloaded: added a, b; changed c; 4 unchanged",
    ),
    (
        facts.TasksReloaded(version="v2", removed=tuple("abcdefg")),
        "info",
        "reloaded: removed a, b, c, d, e and 2 more; 0 unchanged",
    ),
    (
        facts.ReloadRefused(version="v1", problems=(PROBLEM, PROBLEM)),
        "error",
        "task file refused, nothing changed: tasks.yaml:12:5: unknown key (and 1 more)",
    ),
    (
        facts.ReloadWaiting(reason="process 7 (scp) has it open for writing"),
        "info",
        "waiting for the task file: process 7 (scp) has it open for writing",
    ),
    (facts.TaskFileWarned(problem=PROBLEM), "warn", "tasks.yaml:12:5: unknown key"),
    (
        facts.HostZoneChanged(zone="Asia/Tokyo", before="UTC"),
        "warn",
        "the host's time zone is now Asia/Tokyo (before: UTC)",
    ),
    (facts.RunStarted(run=RUN, pid=9, lateness=0.003), "info", "backup started, pid 9"),
    (facts.RunStarted(run=RUN, pid=9, lateness=75.0), "info", "backup started, pid 9, 1m15s late"),
    (facts.RunStarted(run=BY_HAND, pid=9, lateness=None), "info", "backup started, pid 9 (manual)"),
    (
        facts.RunEnded(run=RUN, ending=ENDING, seconds=1.5),
        "warn",
        "backup failed, exit code 3 after 1.5 s",
    ),
    (
        facts.RunEnded(run=RUN, ending=Ending(outcome=Outcome.SUCCEEDED, exit_code=0), seconds=90),
        "info",
        "backup succeeded after 1m30s",
    ),
    (
        facts.RunEnded(
            run=RUN, ending=Ending(outcome=Outcome.FAILED, exit_code=139, signal=11), seconds=1
        ),
        "warn",
        "backup failed, killed by signal 11 after 1.0 s",
    ),
    (
        facts.RunEnded(run=RUN, ending=Ending(outcome=Outcome.FAILED, exit_code=127), seconds=0),
        "warn",
        "backup failed, exit code 127 (its command was not found) after 0 ms",
    ),
    (
        facts.RunEnded(
            run=RUN, ending=Ending(outcome=Outcome.TIMED_OUT, reason="timeout (5 s)"), seconds=5
        ),
        "warn",
        "backup timed out (timeout (5 s)) after 5.0 s",
    ),
    (
        facts.RunEnded(
            run=RUN, ending=Ending(outcome=Outcome.KILLED, reason="torch kill"), seconds=5
        ),
        "info",
        "backup killed (torch kill) after 5.0 s",
    ),
    (
        facts.RunEnded(run=RUN, ending=Ending(outcome=Outcome.UNKNOWN), seconds=5),
        "warn",
        "backup unknown after 5.0 s",
    ),
    (
        facts.HistorySetAside(path="history.db.damaged-1", reason="malformed"),
        "error",
        "the history is damaged (malformed), moved to history.db.damaged-1; started a new one",
    ),
    (
        facts.RunAdopted(run=RUN, pid=7),
        "info",
        "backup adopted, pid 7",
    ),
    (
        facts.RetryPlanned(run=RUN, delay=30.0),
        "info",
        "backup will be retried in 30.0 s, attempt 1",
    ),
    (facts.TaskPaused(task="backup", until=None), "info", "backup paused"),
    (
        facts.TaskResumed(task="backup", skipped=4),
        "info",
        "backup resumed; the pause skipped 4 runs",
    ),
    (
        facts.RunNotStarted(run=RUN, reason="no such user"),
        "error",
        "backup did not start: no such user",
    ),
    (facts.RunStopping(run=RUN, reason="timeout"), "info", "sent SIGTERM to backup: timeout"),
    (
        facts.RunStopping(run=RUN, reason="timeout", by_force=True),
        "warn",
        "sent SIGKILL to backup: timeout",
    ),
    (facts.FireQueued(run=RUN, reason="1 live"), "info", "backup queued for a slot: 1 live"),
    (facts.FireSkipped(run=RUN, reason="1 live"), "warn", "backup skipped: 1 live"),
    (
        facts.DaemonCrashLooping(task="feed", run=RUN, failures=4, retry_in=8.0),
        "error",
        "feed crash-looping: 4 exits in a row, restart in 8.0 s",
    ),
    (facts.DaemonHealthy(task="feed", run=RUN), "info", "feed is healthy again"),
    (
        facts.ClockStepped(seconds=-18_000.0, watermark=T0),
        "warn",
        "the clock was set back by 5h00m; schedules follow the new time",
    ),
    (
        facts.HistoryFailed(reason="disk full", runs=2),
        "error",
        "the history cannot be written (disk full); 2 runs not started",
    ),
    (
        facts.HistoryRecovered(seconds=61),
        "info",
        "the history can be written again, after 1m01s",
    ),
    (
        facts.HistorySetAside(path="/var/lib/torch/h.db.damaged-1", reason="malformed"),
        "error",
        "the history is damaged (malformed), moved to /var/lib/torch/h.db.damaged-1; "
        "started a new one",
    ),
    (
        facts.HistorySetAside(path="", reason="the file was removed"),
        "error",
        "the history is damaged (the file was removed); started a new one",
    ),
    (
        facts.ProcessesSurvived(run_id="k3-1", processes=("7 dd", "8 sh")),
        "error",
        "SIGKILL did not end 7 dd, 8 sh",
    ),
    (
        facts.HistoryReopened(reason="the file was cut short"),
        "warn",
        "another process changed the history (the file was cut short); it is undamaged and in use",
    ),
    (facts.PartRecovered(part="the watch"), "info", "the watch works again"),
    (
        facts.PartRecovered(part="the log", lost="3 lines could not be written"),
        "info",
        "the log works again; 3 lines could not be written",
    ),
    (
        facts.PlaceLost(path="/var/lib/torch/torch.lock", reason="was removed"),
        "error",
        "/var/lib/torch/torch.lock was removed; this service will stop its runs and exit",
    ),
    (
        facts.PlaceRestored(paths=("/run/torch/torch.sock", "/run/torch/torch.pid")),
        "warn",
        "created again after another process removed it: "
        "/run/torch/torch.sock, /run/torch/torch.pid",
    ),
    (facts.PartFailed(part="watcher", reason="inotify"), "error", "watcher failed: inotify"),
    (
        FARES,
        "info",
        "12 tasks, 3 running, 60 started and 2 failed in 5m00s, at most 4 ms late; "
        "load 0.42, 31 MiB",
    ),
    (
        replace(FARES, late_median=None, late_max=None, memory_mib=None),
        "info",
        "12 tasks, 3 running, 60 started and 2 failed in 5m00s; load 0.42",
    ),
    (facts.ServiceStopping(reason="SIGTERM", live=1), "info", "stopping (SIGTERM), 1 active run"),
    (facts.ServiceStopped(ended=2, killed=1), "info", "stopped: 3 runs ended, 1 needed SIGKILL"),
    (
        facts.ServiceStopped(ended=0, killed=0, kept=3),
        "info",
        "stopped: 0 runs ended, none needed SIGKILL, 3 kept running",
    ),
    (
        facts.ServiceStopped(ended=0, killed=1, left=("7 dd",)),
        "error",
        "stopped: 1 run ended, 1 needed SIGKILL, could not end 7 dd",
    ),
]
EACH = pytest.mark.parametrize(
    "event", [event for event, *_ in EVENTS], ids=lambda event: type(event).__name__
)


@pytest.mark.parametrize(("event", "level", "sentence"), EVENTS)
def test_an_event_has_its_sentence_and_its_level(event, level, sentence):
    assert log.sentence(event) == sentence
    assert log.level(event) == level


def test_a_missed_fire_says_when_it_was_due():
    one = facts.FiresMissed(task="a", first=T0, last=T0, count=1, reason="late")
    many = replace(one, last=FireTime(T0 + 60), count=7)
    assert re.fullmatch(r"a missed 1 run \(2027-01-1\dT[\d:]+\S+\): late", log.sentence(one))
    assert re.fullmatch(r"a missed 7 runs \(\S+ to \S+\): late", log.sentence(many))
    assert log.level(one) == "warn"


EVENTS += [
    (
        facts.NoticeSent(channel="ops", notices=(NOTICE,), tries=1),
        "info",
        "notified ops: backup failing",
    ),
    (
        facts.NoticeSent(channel="ops", notices=(NOTICE, NOTICE), tries=3),
        "info",
        "notified ops: 2 messages as one, at try 3",
    ),
    (
        facts.NoticeUnsent(channel="ops", reason="it refuses", retry_in=20.0, waiting=2),
        "warn",
        "delivery to ops failed (it refuses); 2 messages pending, retry in 20.0 s",
    ),
    (
        facts.NoticeGivenUp(channel="ops", notice=NOTICE, reason="HTTP 404"),
        "error",
        "discarded message to ops (backup failing): HTTP 404",
    ),
]

EVERY = [*(event for event, *_ in EVENTS), facts.FiresMissed(
    task="a", first=T0, last=T0, count=1, reason="late"
)]  # fmt: skip


def test_every_class_of_event_is_in_these_tests():
    found = [c for c in vars(facts).values() if isinstance(c, type) and issubclass(c, Event)]
    assert {type(event) for event in EVERY} == {*found} - {Event}


def test_an_event_nobody_has_words_for_is_an_error():
    with pytest.raises(TypeError, match="no sentence for Event"):
        log.sentence(Event())


# ── the three forms ───────────────────────────────────────────────────────────────────────

_PAIR = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')


def read_back(line: str) -> dict[str, str]:
    """A line of logfmt as names and text; fails unless all of the line is pairs."""
    pairs = list(_PAIR.finditer(line))
    assert "".join(match[0] for match in pairs) == line
    assert len({match[1] for match in pairs}) == len(pairs)
    return {m[1]: json.loads(m[2]) if m[2].startswith('"') else m[2] for m in pairs}


@EACH
def test_a_line_of_logfmt_reads_back(event):
    found = read_back(log.logfmt(event, T0 + 0.25))
    assert found["msg"] == log.sentence(event)
    assert found["level"] == log.level(event)
    assert found["event"] == log.fields(event, T0)["event"]
    assert found["time"].startswith("2027-01-1")
    assert ".250" in found["time"]


@EACH
def test_a_line_of_json_says_the_same(event):
    line = log.as_json(event, T0 + 0.25)
    assert "\n" not in line
    found = json.loads(line)
    assert list(found)[:3] == ["time", "level", "event"]
    assert list(found)[-1] == "msg"
    assert {name: str(v) for name, v in found.items() if isinstance(v, str)}.items() <= read_back(
        log.logfmt(event, T0 + 0.25)
    ).items()


@EACH
def test_the_console_shows_the_sentence_after_the_time_of_day(event):
    first = log.console(event, T0 + 0.25).split("\n")[0]
    assert re.match(r"\d\d:\d\d:00\.250 [ !x] ", first)
    assert first[15:] == log.sentence(event)


def test_a_line_about_a_run_names_task_run_and_fire_time():
    found = log.fields(facts.RunStarted(run=RUN, pid=9, lateness=0.00349), T0)
    assert (found["task"], found["run"], found["pid"]) == ("backup", "k3-1", 9)
    assert found["lateness"] == 0.003
    assert "fire_time" in found
    assert "fire_time" not in log.fields(facts.RunStarted(run=BY_HAND, pid=9, lateness=None), T0)


def test_a_line_about_an_end_has_its_parts_as_fields():
    ending = Ending(outcome=Outcome.FAILED, exit_code=143, signal=15, reason="why")
    found = log.fields(facts.RunEnded(run=RUN, ending=ending, seconds=1.0), T0)
    assert [found[k] for k in ("outcome", "exit_code", "signal", "reason")] == [
        "failed", 143, 15, "why",
    ]  # fmt: skip


def test_what_a_run_used_is_in_the_fields_of_its_end_and_not_in_the_sentence():
    ended = facts.RunEnded(
        run=RUN, ending=ENDING, seconds=2.0, usage=Usage(cpu_seconds=1.30049, max_rss=56_623_104)
    )
    assert " cpu_seconds=1.3 max_rss=56623104 msg=" in log.logfmt(ended, T0)
    said = json.loads(log.as_json(ended, T0))
    assert (said["cpu_seconds"], said["max_rss"]) == (1.3, 56623104)
    assert log.sentence(ended) == log.sentence(replace(ended, usage=None))


def test_what_nobody_knows_of_a_run_is_not_in_the_fields_of_its_end():
    ended = facts.RunEnded(run=RUN, ending=ENDING, seconds=2.0)
    assert not {"usage", "cpu_seconds", "max_rss"} & log.fields(ended, T0).keys()
    small = replace(ended, usage=Usage(cpu_seconds=0.0, max_rss=None))
    assert log.fields(small, T0)["cpu_seconds"] == 0.0
    assert "max_rss" not in log.fields(small, T0)


def test_the_console_shows_the_last_lines_of_a_task_and_every_problem_of_a_file():
    ended = facts.RunEnded(run=RUN, ending=ENDING, seconds=1.0, tail=("one", "two"))
    assert [line.strip() for line in log.console(ended, T0).split("\n")[1:]] == [
        "backup | one",
        "backup | two",
    ]
    refused = facts.ReloadRefused(version="", problems=(PROBLEM, PROBLEM))
    assert len(log.console(refused, T0).split("\n")) == 3


# ── text from outside ─────────────────────────────────────────────────────────────────────

NASTY = "\x1b]0;owned\x07\x1b[2J\r\nlevel=error msg=forged\x00\x7f\x9b\u202e"


def with_text(text: str) -> list[Event]:
    """Every event that carries text of a task, a file or the system, with this text in it."""
    run = replace(RUN, task=text)
    problem = replace(PROBLEM, file=text, message=text, key=text)
    return [
        facts.ServiceReady(pid=1, version=text, file=text, tasks=1, elsewhere=0),
        facts.TasksReloaded(version=text, added=(text,)),
        facts.ReloadRefused(version=text, problems=(problem,)),
        facts.TaskFileWarned(problem=problem),
        facts.RunEnded(run=run, ending=replace(ENDING, reason=text), seconds=1.0, tail=(text,)),
        facts.RunNotStarted(run=RUN, reason=text),
        facts.DaemonCrashLooping(task=text, run=RUN, failures=3, retry_in=1.0, tail=(text, text)),
        facts.ProcessesSurvived(run_id="r", processes=(text,)),
        facts.PartFailed(part=text, reason=text),
        facts.ServiceStopped(ended=0, killed=0, left=(text,)),
    ]


@pytest.mark.parametrize("event", with_text(NASTY), ids=lambda event: type(event).__name__)
def test_nothing_of_a_tasks_text_acts_on_a_terminal_or_forges_a_line(event):
    for line in (log.logfmt(event, T0), log.as_json(event, T0)):
        assert line.isascii()
        assert line.isprintable()
    for line in log.console(event, T0).split("\n"):
        assert line.isprintable()
        assert not line.startswith("level=")


@given(st.text(max_size=30))
def test_any_text_is_one_printable_line(text):
    for event in with_text(text):
        found = read_back(log.logfmt(event, T0))
        assert found["level"] == log.level(event)
        assert log.as_json(event, T0).isprintable()
