"""torch explain: each kind of answer, from a history made up for it."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.cli.past import BEGIN, DAY, HOUR, Past, told
from tests.history.rows import T0
from torch.errors import UsageError
from torch.explain.answer import explain as judge
from torch.run import Outcome, Trigger, Usage
from torch.schedule.record import Record
from torch.task import CatchUp, Overlap, Restart, Retry
from torch.taskfile.parse import parse
from torch.testing.tasks import cron, daemon

HOURLY = "0 * * * *"
NIGHTLY = "30 3 * * *"


@pytest.fixture
def past(tmp_path):
    made = Past(tmp_path)
    yield made
    made.close()


# ── it ran ────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_told_with_start_lateness_duration_and_output(past):
    past.defined(cron("a", HOURLY))
    run = past.ran("a", T0, seconds=5.0)
    output = past.folder / "output" / "a" / f"{run.id}.log"
    output.parent.mkdir(parents=True)
    output.write_text("hello\n")
    found = past.explain("a", now=T0 + 60)
    assert found.kind == "ran"
    assert found.verdict == "a: the run due 2027-01-15 08:00:00 ran and succeeded"
    assert found.details == (
        "run r1: started 08:00:00 (250 ms late), succeeded after 5.0 s",
        f"output: {output} (torch logs r1)",
        "next run: 09:00:00",
    )
    assert found.changes == ()


def test_a_failure_says_the_code_and_what_would_change_it(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0, Outcome.FAILED, code=3)
    found = past.explain("a", now=T0 + 60)
    assert found.verdict == "a: the run due 2027-01-15 08:00:00 ran and failed"
    assert "failed with exit code 3 after 5.0 s" in found.details[0]
    assert found.changes == (
        "'retry: {attempts: 3}' retries after a failure",
        "'success_codes: [0, 3]' if exit code 3 is not a failure",
    )


def test_attempts_are_told_one_by_one(past):
    past.defined(cron("a", HOURLY, retry=Retry(attempts=1)))
    past.ran("a", T0, Outcome.FAILED, code=1)
    past.ran("a", T0, Outcome.FAILED, code=None, signal=9, attempt=2, start=T0 + 35.0)
    found = past.explain("a", now=T0 + 60)
    assert found.verdict.endswith("ran and failed at attempt 2")
    assert found.details[0].startswith("attempt 1, run r1: started 08:00:00")
    assert found.details[1] == (
        "attempt 2, run r2: started 08:00:35, failed by signal 9 after 5.0 s"
    )
    assert "a higher 'retry.attempts' than 1 allows more retries" in found.changes


def test_each_attempt_says_what_it_used_where_that_is_known(past):
    past.defined(cron("a", HOURLY, retry=Retry(attempts=2)))
    big = Usage(cpu_seconds=1.3, max_rss=54 * 2**20)
    past.ran("a", T0, Outcome.FAILED, code=1, usage=big)
    small = Usage(cpu_seconds=0.004, max_rss=None)
    past.ran("a", T0, Outcome.FAILED, code=1, attempt=2, start=T0 + 35.0, usage=small)
    past.ran("a", T0, attempt=3, start=T0 + 75.0)
    found = past.explain("a", now=T0 + 90)
    assert [line.split(":")[0] for line in found.details[:5]] == [
        "attempt 1, run r1",
        "used 1.3 s of processor time, at most 54.0 MiB of memory in one process",
        "attempt 2, run r2", "used 4 ms of processor time", "attempt 3, run r3",
    ]  # fmt: skip
    assert "used" not in " ".join(found.details[5:])
    rows = past.evidence("a", now=T0 + 90).rows
    assert [row.as_json()["max_rss"] for row in rows] == [54 * 2**20, None, None]


def test_a_run_that_did_not_start_says_why(past):
    past.defined(cron("a", HOURLY))
    run = past.intent("a", T0)
    past.ended(run, T0 + 0.1, Outcome.FAILED, "its folder /srv/x does not exist")
    found = past.explain("a", now=T0 + 60)
    assert found.kind == "ran"
    assert "its folder /srv/x does not exist" in found.verdict
    assert "run r1: did not start" in found.details[0]


def test_a_timeout_names_the_key(past):
    past.defined(cron("a", HOURLY, timeout=60.0))
    past.ran("a", T0, Outcome.TIMED_OUT, reason="timeout (60 s)", seconds=61, code=143)
    found = past.explain("a", now=T0 + 90)
    assert found.verdict.endswith("ran and timed out: timeout (60 s)")
    assert "set a longer 'timeout'" in found.changes


def test_unknown_says_why_nobody_knows(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0, Outcome.UNKNOWN, code=None, reason="the host restarted while it ran")
    found = past.explain("a", now=T0 + 90)
    assert found.verdict.endswith("ended with unknown result: the host restarted while it ran")
    assert "'torch run a' runs it now" in found.changes


def test_an_adopted_run_says_by_which_service(past):
    past.defined(cron("a", HOURLY))
    run = past.intent("a", T0)
    past.began(run, T0 + 0.1)
    past.gap(T0 + 10, T0 + 12, how="")
    past.ended(run, T0 + 100, Outcome.SUCCEEDED, exit_code=0)
    found = past.explain("a", now=T0 + 200)
    assert "adopted by the service that started at 08:00:12" in found.details


def test_a_run_that_ended_while_no_service_lived_says_so(past):
    past.defined(cron("a", HOURLY))
    run = past.intent("a", T0)
    past.began(run, T0 + 0.1)
    past.gap(T0 + 10, T0 + 200, how="")
    past.ended(run, T0 + 100, Outcome.FAILED, exit_code=3)
    found = past.explain("a", "08:00", now=T0 + 300)
    assert "it ended while no service was running; its shim recorded the exit code" in (
        found.details
    )
    assert "failed with exit code 3 after 1m40s" in found.details[0]


def test_a_live_run_says_since_when_and_how_to_end_it(past):
    past.defined(cron("a", HOURLY, timeout=3600.0))
    past.began(past.intent("a", T0), T0 + 0.1)
    past.alive()
    found = past.explain("a", now=T0 + 60)
    assert found.kind == "running"
    assert found.verdict == "a: the run due 2027-01-15 08:00:00 has been running since 08:00:00"
    assert found.changes == ("'torch kill r1' ends it", "its timeout ends it at 09:00:00")


def test_a_run_without_an_end_and_without_a_service_is_left_open(past):
    past.defined(cron("a", HOURLY))
    past.began(past.intent("a", T0), T0 + 0.1)
    past.gap(T0 + 30, None, how="")
    found = past.explain("a", "08:00", now=T0 + 60)
    assert "has no recorded end, and no service is running to record it" in found.verdict
    assert found.changes == ("'torch start' finds out what happened to it",)


def test_a_late_start_names_what_put_it_off(past):
    past.defined(cron("a", HOURLY, jitter=120.0, catch_up=CatchUp.LAST))
    past.ran("a", T0, late=70.0)
    past.ran("a", T0 + HOUR, late=1800.0, trigger=Trigger.CATCH_UP)
    assert "(1m10s late, spread by jitter)" in told(past.explain("a", "08:00", now=T0 + 9000))
    assert "(30m00s late, by catch_up)" in told(past.explain("a", "09:00", now=T0 + 9000))


# ── skipped, missed ───────────────────────────────────────────────────────────────────────


def test_a_skipped_fire_names_the_run_that_held_the_slot(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0, seconds=4000.0)
    past.never("a", T0 + HOUR, Outcome.SKIPPED, "1 active, 0 queued, max is 1")
    found = past.explain("a", "09:00", now=T0 + 3 * HOUR)
    assert found.kind == "skipped"
    assert found.verdict == (
        "a: the run due 2027-01-15 09:00:00 was skipped: 1 active, 0 queued, max is 1"
    )
    assert "run r1 had a slot since 08:00:00, until 09:06:40" in found.details
    assert "'overlap: queue' queues one run" in found.changes


def test_a_skipped_fire_offers_the_kill_of_a_run_that_lives_still(past):
    past.defined(cron("a", HOURLY))
    past.began(past.intent("a", T0), T0 + 0.5)
    past.never("a", T0 + HOUR, Outcome.SKIPPED, "1 active, 0 queued, max is 1")
    past.alive()
    found = past.explain("a", now=T0 + HOUR + 60)
    assert "run r1 has had a slot since 08:00:00" in found.details
    assert "'torch kill r1' ends the run that has the slot now" in found.changes


def test_of_many_runs_with_a_slot_some_are_named(past):
    past.defined(cron("a", HOURLY, max=8))
    for number in range(8):
        past.began(past.intent("a", T0 - number * HOUR), T0 - number * HOUR + 0.5)
    past.never("a", T0 + HOUR, Outcome.SKIPPED, "8 active, 0 queued, max is 8")
    found = past.explain("a", now=T0 + HOUR + 60)
    assert sum("has had a slot" in line for line in found.details) == 5
    assert "and 3 more" in found.details


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("a newer fire of the task came first", "a shorter 'retry.delay'"),
        ("its task was disabled", "set 'enabled: true' in the task file"),
        ("its task left the file", "put the task back into the file"),
        ("paused from x to y", "'torch run a' runs it now"),
        ("the service stopped", "leave both to the next service"),
        ("replaced by a newer fire", "'overlap: queue' queues the newer run"),
    ],
)
def test_a_skipped_fire_says_what_would_change_it(past, reason, change):
    past.defined(cron("a", HOURLY))
    past.never("a", T0, Outcome.SKIPPED, reason)
    found = past.explain("a", now=T0 + 60)
    assert found.verdict.endswith(f"was skipped: {reason}")
    assert change in told(found)


def test_a_retry_that_a_newer_fire_overtook_is_told_with_its_attempts(past):
    past.defined(cron("a", HOURLY, retry=Retry(attempts=2)))
    past.ran("a", T0, Outcome.FAILED, code=1)
    second = past.intent("a", T0, attempt=2, not_before=T0 + HOUR + 5.0, at=T0 + 6)
    past.ended(second, T0 + HOUR, Outcome.SKIPPED, "a newer fire of the task came first")
    found = past.explain("a", "08:00", now=T0 + 2 * HOUR)
    assert found.kind == "skipped"
    assert "was tried 1 time; attempt 2 was skipped" in found.verdict
    assert "attempt 1, run r1" in told(found)


def test_missed_fires_are_told_with_the_time_without_a_service(past):
    past.defined(cron("a", HOURLY))
    past.gap(T0 - 100, T0 + 3 * HOUR + 1800, how="")
    past.never(
        "a", T0, Outcome.MISSED, "later than start_within (60 s)", count=4, last=T0 + 3 * HOUR,
        at=T0 + 3 * HOUR + 1800,
    )  # fmt: skip
    found = past.explain("a", "2027-01-15 10:00", now=T0 + DAY)
    assert found.kind == "missed"
    assert found.verdict == (
        "a: 4 runs due from 2027-01-15 08:00:00 to 2027-01-15 11:00:00 were missed: "
        "later than start_within (60 s)"
    )
    assert (
        "no service was running from 07:58:20 to 11:30:00: "
        "the previous service ended without recording a stop" in found.details
    )
    assert found.changes == (
        "a 'start_within' longer than 60s lets it start later",
        "'catch_up: last' runs the newest missed run once",
    )


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("a newer fire of the task was due too", "'catch_up: all' runs each of them"),
        ("catch_up: all starts at most 100", "'torch run a'"),
        ("the history could not be written: disk full", "free disk space"),
        ("the service died before it was started; later than start_within (60 s)", "start_within"),
    ],
)
def test_a_missed_fire_says_what_would_change_it(past, reason, change):
    past.defined(cron("a", HOURLY))
    past.never("a", T0, Outcome.MISSED, reason)
    found = past.explain("a", now=T0 + 60)
    assert found.verdict.endswith(f"was missed: {reason}")
    assert change in "\n".join(found.changes)


# ── waiting ───────────────────────────────────────────────────────────────────────────────


def test_a_queued_fire_names_the_run_it_waits_for(past):
    past.defined(cron("a", HOURLY, overlap=Overlap.QUEUE))
    past.began(past.intent("a", T0), T0 + 0.5)
    past.intent("a", T0 + HOUR, not_before=T0 + HOUR)
    past.alive()
    found = past.explain("a", now=T0 + HOUR + 60)
    assert found.kind == "waiting"
    assert found.verdict == "a: the run due 2027-01-15 09:00:00 is queued for a slot"
    assert "queued behind run r1, active since 08:00:00" in found.details
    assert found.changes[0] == "'torch kill r1' frees its slot"


def test_a_retry_that_waits_says_until_when(past):
    past.defined(cron("a", HOURLY, retry=Retry(attempts=2)))
    past.ran("a", T0, Outcome.FAILED, code=1)
    past.intent("a", T0, attempt=2, not_before=T0 + 90.0, at=T0 + 6)
    past.alive()
    found = past.explain("a", now=T0 + 60)
    assert found.kind == "waiting"
    assert found.verdict.endswith("failed; attempt 2 is delayed until 08:01:30 (retry)")
    assert "failed with exit code 1" in told(found)


def test_a_fire_that_jitter_puts_off_says_until_when(past):
    past.defined(cron("a", HOURLY, jitter=300.0))
    past.intent("a", T0, not_before=T0 + 200.0)
    found = past.explain("a", now=T0 + 60)
    assert found.verdict.endswith("is delayed until 08:03:20 (jitter)")
    assert "no service is running; the next one continues with it" in found.details


# ── no fire ───────────────────────────────────────────────────────────────────────────────


def test_an_unknown_task_gets_the_nearest_name(past):
    past.defined(cron("backup", HOURLY))
    with pytest.raises(UsageError) as caught:
        past.explain("bakcup")
    assert caught.value.exit_code == 64
    assert caught.value.hint == "did you mean 'backup'?"


def test_a_task_of_other_hosts_says_which(past):
    past.file(
        "groups: {web: [10.0.1.11, 10.0.1.12]}\n"
        "tasks: [{name: a, schedule: '@daily', command: x, hosts: [web, '!10.0.1.12']}]\n"
    )
    past.defined(cron("b", HOURLY))
    found = past.explain("a")
    assert found.kind == "elsewhere"
    assert "hosts: web (10.0.1.11, 10.0.1.12), !10.0.1.12" in found.details
    assert "this host is 10.0.0.1" in found.details
    assert "to see where it runs: torch plan --host 10.0.1.11" in found.changes


def test_a_task_of_the_file_that_was_never_loaded_says_how_to_load_it(past):
    past.file("tasks: [{name: a, schedule: '@daily', command: x}]\n")
    found = past.explain("a")
    assert found.kind == "not_in_force"
    assert "'torch start' loads it" in told(found)
    past.alive()
    assert "'torch reload' loads it" in told(past.explain("a"))


def test_a_task_that_left_the_file_says_when(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0 - DAY)
    past.removed("a", at=T0 - 5 * HOUR)
    found = past.explain("a")
    assert found.kind == "not_in_force"
    assert found.verdict == (
        "a was not loaded at 2027-01-15 08:00:00: "
        "it was removed from the file at 2027-01-15 03:00:00"
    )
    assert found.changes == ("put the task back into the file",)
    before = past.explain("a", "yesterday 08:00")
    assert before.kind == "ran"
    assert "it is no longer one of this host's tasks" in told(before)


def test_before_a_task_appeared_nothing_is_said_but_that(past):
    past.defined(cron("a", HOURLY), at=T0 - HOUR)
    found = past.explain("a", "yesterday 10:30")
    assert found.kind == "not_in_force"
    assert "this host has had it since 2027-01-15 07:00:00" in found.verdict


def test_a_disabled_task_says_since_when(past):
    past.defined(cron("a", HOURLY), at=BEGIN)
    past.defined(cron("a", HOURLY, enabled=False), at=T0 - 2 * HOUR)
    found = past.explain("a")
    assert found.kind == "disabled"
    assert "in effect since 2027-01-15 06:00:00" in told(found)
    assert found.changes == ("set 'enabled: true' in the task file",)


def test_a_disabled_task_is_not_explained_by_its_last_fire(past):
    past.defined(cron("a", HOURLY), at=BEGIN)
    past.ran("a", T0 - 2 * HOUR)
    past.defined(cron("a", HOURLY, enabled=False), at=T0 - HOUR)
    assert past.explain("a").kind == "disabled"


def test_a_time_that_the_schedule_does_not_name_gets_the_fires_around_it_in_words(past):
    past.defined(cron("a", NIGHTLY, timezone="Europe/Berlin"))
    past.ran("a", T0 - 5 * HOUR - 1800)
    found = past.explain("a", "2027-01-15 10:30", now=T0 + 12 * HOUR)
    assert found.kind == "no_fire"
    assert found.verdict.startswith(
        "a has no run due at 2027-01-15 10:30:00 to 2027-01-15 10:30:59"
    )
    assert "its schedule: at 03:30:00 every day" in found.details
    assert "the run before: 2027-01-15 03:30:00, succeeded" in found.details
    assert "the run after: 2027-01-16 03:30:00" in found.details


def test_a_fire_near_the_time_is_taken_for_it(past):
    past.defined(cron("a", NIGHTLY))
    past.ran("a", T0 - 4 * HOUR - 1800)
    found = past.explain("a", "2027-01-15 03:27")
    assert found.kind == "ran"
    assert "this is the run due nearest 2027-01-15 03:27" in found.details


def test_a_time_in_the_gap_of_summer_time_is_named(past):
    spring = 1_805_590_800  # 2027-03-21 01:00 UTC, a week before the clocks go forward
    past.defined(cron("a", "30 2 * * *", timezone="Europe/Berlin"))
    past.alive()
    found = past.explain("a", "2027-03-28 02:30", now=spring)
    assert "02:30:00 does not exist on that day in Europe/Berlin" in found.details[0]
    assert found.verdict.startswith("a: the run due 2027-03-28 03:00:00 is in the future")


def test_a_time_that_comes_twice_is_named(past):
    past.defined(cron("a", "30 2 * * *", timezone="Europe/Berlin"))
    found = past.explain("a", "2027-10-31 02:30")
    assert "02:30:00 occurs twice on that day" in found.details[0]
    assert "2027-10-31 02:30:00 +02:00" in found.verdict


def test_a_definition_that_was_another_then_is_named_with_its_file(past):
    past.defined(cron("a", HOURLY), at=BEGIN, version="0123456789abcdef")
    past.ran("a", T0 - 2 * DAY)
    past.defined(cron("a", NIGHTLY), at=T0 - DAY)
    found = past.explain("a", "2027-01-13 08:00")
    assert found.kind == "ran"
    assert (
        "the definition in effect from 2026-12-16 08:00:00 to 2027-01-14 08:00:00 "
        "(task file 0123456789ab): every hour" in found.details
    )
    assert "the current definition is different since 2027-01-14 08:00:00" in told(found)


def test_a_boot_task_has_no_times(past):
    past.defined(cron("a", "@reboot"))
    past.ran("a", T0 - DAY)
    found = past.explain("a", "10:30")
    assert found.kind == "no_fire"
    assert "it runs once at every boot" in found.verdict


def test_a_definition_that_another_version_wrote_is_taken_from_the_file_where_it_is_the_same(past):
    text = "tasks: [{name: a, schedule: '0 * * * *', command: x, timezone: UTC}]\n"
    past.file(text)
    (task,) = parse(text.encode(), file="tasks.yaml").tasks
    past.defined(task)
    with closing(sqlite3.connect(past.settings.history)) as db, db:
        db.execute("DELETE FROM definition_text")
    past.alive()
    assert past.explain("a", "10:00").kind == "to_come"
    past.file(text.replace("command: x", "command: y"))
    found = past.explain("a", "10:00")
    assert found.kind == "unrecorded"
    assert "its definition at 2027-01-15 10:00:00 is not known" in found.verdict


# ── fires without a row ───────────────────────────────────────────────────────────────────


def test_a_fire_to_come_says_when(past):
    past.defined(cron("a", HOURLY, jitter=30.0))
    past.alive()
    found = past.explain("a", "10:00")
    assert found.kind == "to_come"
    assert found.verdict == "a: the run due 2027-01-15 10:00:00 is in the future, in 2h00m"
    assert "it starts up to 30.0 s later, because of 'jitter'" in found.details
    assert "nothing known prevents it" in found.details


def test_a_fire_to_come_without_a_service_needs_one(past):
    past.defined(cron("a", HOURLY))
    past.gap(T0 - 60, None)
    found = past.explain("a", "10:00")
    assert "will not start unless the service is running then" in found.verdict
    assert found.changes == ("'torch start'",)


def test_a_pause_says_since_when_until_when_and_how_to_end_it(past):
    past.defined(cron("a", HOURLY))
    past.paused("a", since=T0 - 2 * HOUR, until=T0 + 3 * HOUR)
    past.alive()
    found = past.explain("a", "07:00")
    assert found.kind == "paused"
    assert found.verdict == (
        "a: the run due 2027-01-15 07:00:00 is skipped: the task is paused since "
        "2027-01-15 06:00:00, until 2027-01-15 11:00:00"
    )
    assert found.changes[0] == "'torch resume a'"
    assert "will be skipped" in past.explain("a", "10:00").verdict
    assert past.explain("a", "12:00").kind == "to_come"


def test_of_a_paused_task_no_next_fire_is_told_that_will_not_be(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0)
    past.paused("a", since=T0 + 30, until=T0 + 3 * HOUR)
    past.alive()
    found = past.explain("a", now=T0 + 60)
    assert found.details[-1] == (
        "it is paused since 2027-01-15 08:00:30, until 2027-01-15 11:00:00"
    )


def test_a_fire_while_no_service_lives_is_not_decided_yet(past):
    past.defined(cron("a", HOURLY))
    past.gap(T0 - 1800, None)
    found = past.explain("a", now=T0 + 20)
    assert found.kind == "down"
    assert "has no record yet: no service was running from 07:30:00 until now" in found.verdict
    assert "the previous service was stopped" in found.verdict
    assert "it still starts if a service is running by 08:01:00" in found.details
    late = past.explain("a", now=T0 + 600)
    assert "the next service records it as missed: start_within is 60s" in late.details
    assert "'catch_up: last' runs the newest missed run" in late.changes


def test_a_row_that_is_older_than_the_history_is_said_to_be_gone(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0)
    past.alive()
    found = past.explain("a", "2027-01-10 10:00", now=T0 + 60)
    assert found.kind == "unrecorded"
    assert "the history does not go back" in found.verdict
    assert "TORCH_HISTORY_DAYS" in told(found)


def test_a_fire_that_has_no_row_though_a_service_lived_is_not_explained_away(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0 - DAY)
    past.ran("a", T0)
    past.alive()
    found = past.explain("a", "06:00", now=T0 + 60)
    assert found.kind == "unrecorded"
    assert "although a service was running" in found.verdict


def test_the_fire_of_this_second_is_being_decided(past):
    past.defined(cron("a", HOURLY))
    past.alive()
    found = past.explain("a", now=T0 + 0.02)
    assert found.verdict.endswith("is being decided")


# ── spans ─────────────────────────────────────────────────────────────────────────────────


def test_of_a_day_the_first_fire_that_did_not_succeed_is_explained(past):
    past.defined(cron("a", HOURLY))
    for hour in range(-8, 0):
        past.ran("a", T0 + hour * HOUR, Outcome.FAILED if hour == -5 else Outcome.SUCCEEDED, code=1)
    found = past.explain("a", "2027-01-15")
    assert found.verdict == "a: the run due 2027-01-15 03:00:00 ran and failed"
    assert found.details[0] == (
        "'2027-01-15' has 8 runs: 7 succeeded, 1 failed; this answer is about one of them"
    )


# ── daemon tasks ──────────────────────────────────────────────────────────────────────────


def test_a_daemon_task_tells_the_runs_of_that_time(past):
    past.defined(daemon("d", max=2))
    past.ran("d", None, start=T0 - DAY, seconds=HOUR, trigger=Trigger.DAEMON)
    past.began(past.intent("d", None, trigger=Trigger.DAEMON, at=T0 - HOUR), T0 - HOUR)
    past.alive()
    found = past.explain("d", now=T0 + 60)
    assert found.kind == "daemon"
    assert "1 of 2 runs active" in found.verdict
    assert "run r2 is active since 07:00:00" in found.details
    then = past.explain("d", "2027-01-14 08:30", now=T0 + 60)
    assert "run r1 was active since 08:00:00" in then.details


def test_a_daemon_task_that_keeps_dying_is_told(past):
    past.defined(daemon("d", restart=Restart(healthy_after=10.0)))
    for number in range(4):
        past.ran(
            "d", None, Outcome.FAILED, start=T0 + number * 10.0, seconds=1, code=7,
            trigger=Trigger.DAEMON,
        )  # fmt: skip
    past.alive()
    found = past.explain("d", now=T0 + 60)
    assert "crash-looping: 4 runs in a row exited before 'healthy_after'" in found.details
    assert "the last run to end was r4 at 08:00:31: failed, exit code 7" in found.details
    assert "to see why it exits: torch logs d" in found.changes


def test_a_pause_that_ended_by_itself_is_no_reason_though_no_service_has_noticed(past):
    past.defined(cron("a", "*/5 * * * *"))
    past.paused("a", since=T0 - 2 * HOUR, until=T0 - HOUR)
    assert past.explain("a", "06:30").kind == "paused"
    assert past.explain("a", "07:30").kind != "paused"


def test_how_a_daemon_task_died_last_is_told_with_its_signal_and_what_it_used(past):
    past.defined(daemon("d"))
    past.ran(
        "d", None, Outcome.FAILED, start=T0 + 10.0, code=137, signal=9, trigger=Trigger.DAEMON,
        usage=Usage(cpu_seconds=2.0, max_rss=3 * 2**30),
    )  # fmt: skip
    past.alive()
    details = past.explain("d", now=T0 + 60).details
    at = details.index("the last run to end was r1 at 08:00:15: failed by signal 9")
    assert details[at + 1] == (
        "used 2.0 s of processor time, at most 3.0 GiB of memory in one process"
    )


def test_of_a_daemon_task_in_a_time_to_come_only_what_lives_now_is_said(past):
    past.defined(daemon("d"))
    past.alive()
    assert "active at 2027-01-15 08:00:00" in past.explain("d", "tomorrow").verdict


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_of_no_year_that_there_is_here_is_no_time(past, text):
    past.defined(cron("a", HOURLY))
    with pytest.raises(UsageError, match="is not a time"):
        past.explain("a", text)


def test_a_paused_daemon_task_says_so(past):
    past.defined(daemon("d"))
    past.paused("d", since=T0 - HOUR)
    past.alive()
    found = past.explain("d")
    assert "it is paused since 2027-01-15 07:00:00, until it is resumed" in found.details
    assert found.changes == ("'torch resume d'",)


# ── the same answer each time ─────────────────────────────────────────────────────────────


def test_the_same_history_gives_the_same_sentences(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0, Outcome.FAILED, code=1)
    first = past.explain("a", "08:00", now=T0 + 60)
    past.commit(Record(), T0 + 70)
    assert past.explain("a", "08:00", now=T0 + 60) == first


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happened_there_is_an_answer(past, seed):
    chance = random.Random(seed)
    schedules = [HOURLY, NIGHTLY, "*/7 * * * * *", "@reboot", "0 0 29 2 *", "@every 90s"]
    for at in sorted(chance.sample(range(BEGIN, T0), chance.randrange(1, 5))):
        task = cron(
            "a", *chance.sample(schedules, chance.randrange(1, 3)),
            timezone=chance.choice(["UTC", "Europe/Berlin"]), enabled=chance.random() < 0.8,
            jitter=chance.choice([0.0, 50.0]), retry=chance.choice([None, Retry(attempts=2)]),
        )  # fmt: skip
        past.defined(chance.choice([task, task, daemon("a")]), at=at)
        if chance.random() < 0.2:
            past.removed("a", at=at + 1)
    for fire in chance.sample(range(BEGIN, T0), 12):
        what = chance.randrange(5)
        if what == 0:
            past.never(
                "a", fire, Outcome.MISSED, "why", count=9, last=fire + chance.randrange(9000)
            )
        elif what == 1:
            past.began(past.intent("a", fire), fire + 1.0)
        elif what == 2:
            past.intent("a", fire, not_before=fire + chance.choice([0.0, 1e7]))
        else:
            past.ran("a", fire, chance.choice([*Outcome]), code=chance.choice([None, 0, 9]))
    if chance.random() < 0.5:
        begin = chance.randrange(BEGIN, T0)
        past.gap(begin, chance.choice([None, begin + 5000]), how=chance.choice(["", "stopped"]))
    if chance.random() < 0.3:
        past.paused("a", since=chance.randrange(BEGIN, T0), until=chance.choice([None, T0 + 60.0]))
    if chance.random() < 0.7:
        past.alive()
    instants = (chance.randrange(BEGIN - DAY, T0 + 3 * DAY) for _ in range(12))
    texts = [f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in instants]
    for text in [
        "",
        "2027-01-14",
        "yesterday 02:30",
        *(t[: chance.choice([10, 16, 19])] for t in texts),
    ]:
        found = past.explain("a", text)
        assert found.verdict.startswith("a")
        assert "None" not in told(found)


def test_the_id_of_a_run_is_answered_with_its_task(past):
    past.ran("a", T0)
    with pytest.raises(UsageError) as error:
        past.explain("r1")
    assert error.value.hint == "to explain its task: torch explain a"


# ── what it left behind ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (("sleep (pid 5)",), "it left 1 process behind: sleep (pid 5)"),
        (tuple("abcdefg"), "it left 7 processes behind: a, b, c, d, e and 2 more"),
    ],
)
def test_a_run_that_left_processes_behind_names_them(past, left, words):
    past.defined(cron("a", HOURLY))
    run = past.ran("a", T0)
    evidence = replace(past.evidence("a", now=T0 + 60), left_behind={run.id: left})
    assert words in judge(evidence).details


def test_a_run_that_left_nothing_behind_says_nothing_of_it(past):
    past.defined(cron("a", HOURLY))
    past.ran("a", T0)
    assert "behind" not in told(past.explain("a", now=T0 + 60))
