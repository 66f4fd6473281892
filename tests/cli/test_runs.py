"""torch runs: what a row says, which rows are shown, and that they fit a terminal."""

from __future__ import annotations

import json
import re
import sys
import time

import pytest

from tests.cli.past import HOUR, Past
from tests.history.rows import T0
from torch.cli import run
from torch.clock import Now
from torch.run import Outcome, Trigger, Usage
from torch.testing.tasks import cron

LONG = "the history could not be written: database or disk is full, and has been for an hour"


@pytest.fixture
def past(tmp_path, monkeypatch):
    for name in ("TORCH_FILE", "TORCH_STATE_DIR", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("torch.clock.SystemClock.now", lambda _: Now(T0 + 4 * HOUR + 60, 1.0))
    made = Past(tmp_path)
    made.defined(cron("a", "0 * * * *"))
    yield made
    made.close()
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def runs(past, capsys):
    def ask(*args: str) -> str:
        assert run(["runs", *args, "--state-dir", str(past.folder)]) == 0
        return str(capsys.readouterr().out)

    return ask


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")

    def become() -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    return become


def ids(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()[1:]]


def plain(out: str) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in out.splitlines()]


def test_an_attempt_after_the_first_has_its_number(past, runs):
    past.ran("a", T0, Outcome.FAILED, code=1)
    past.ran("a", T0, attempt=2, start=T0 + 30.0)
    lines = runs().splitlines()
    assert "#2" in lines[1]
    assert "#" not in lines[2]


def test_a_failure_names_its_signal_where_it_died_of_one_and_else_its_exit_code(past, runs):
    past.ran("a", T0, Outcome.FAILED, code=139, signal=11)
    past.ran("a", T0 + HOUR, Outcome.FAILED, code=139)
    by_code, by_signal = runs().splitlines()[1:]
    assert by_signal.split()[-5:] == ["139", "killed", "by", "signal", "11"]
    assert by_code.split()[-4:] == ["139", "exit", "code", "139"]


def test_what_a_run_used_is_in_the_json(past, runs):
    past.ran("a", T0, usage=Usage(cpu_seconds=1.3, max_rss=54 * 2**20))
    past.ran("a", T0 + HOUR)
    past.intent("a", T0 + 2 * HOUR)
    found = [(r["cpu_seconds"], r["max_rss"]) for r in json.loads(runs("a", "--json"))["runs"]]
    assert found == [(None, None), (None, None), (1.3, 54 * 2**20)]


def test_a_fire_that_waits_says_for_what(past, runs):
    past.ran("a", T0, Outcome.FAILED, code=1)
    past.intent("a", T0, attempt=2, not_before=T0 + 5.0 * HOUR)
    past.intent("a", T0 + HOUR, not_before=T0 + HOUR)
    slot, retry, _ = runs().splitlines()[1:]
    assert slot.split()[-5:] == ["-", "queued", "for", "a", "slot"]
    assert "waiting" in retry
    assert retry.endswith("delayed until 13:00:00")


def test_a_run_that_a_later_service_took_over_is_called_adopted(past, runs):
    past.ran("a", T0)
    run = past.intent("a", T0 + HOUR)
    past.began(run, T0 + HOUR + 0.1)
    past.gap(T0 + HOUR + 10, T0 + HOUR + 12, how="")
    past.ended(run, T0 + HOUR + 60, Outcome.KILLED, "torch kill")
    past.ran("a", T0 + 2 * HOUR)
    _, adopted, _ = runs().splitlines()[1:]
    assert adopted.endswith("adopted; torch kill")
    told = json.loads(runs("--json"))["runs"]
    assert [row["adopted"] for row in told] == [False, True, False]


def test_since_and_until_take_a_duration_or_a_time(past, runs):
    for hour in range(5):
        past.ran("a", T0 + hour * HOUR)
    assert ids(runs("--since", "90m")) == ["r5", "r4"]
    assert ids(runs("--since", "11:00")) == ["r5", "r4"]
    assert ids(runs("--until", "09:00")) == ["r2", "r1"]
    assert ids(runs("--until", "150m")) == ["r2", "r1"]
    assert ids(runs("--since", "2027-01-15 09:00", "--until", "2027-01-15 10:00")) == ["r3", "r2"]
    assert ids(runs("--since", "2027-01-15T12:00:00+02:00")) == ["r5", "r4", "r3"]
    assert len(ids(runs("--since", "2027-01-15", "--until", "today"))) == 5
    assert runs("--until", "yesterday") == ""


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("text", ["soon", "25:00", "7x", "2027-02-30", ""])
def test_what_is_no_time_is_refused_with_examples(past, capsys, option, text):
    assert run(["runs", option, text, "--state-dir", str(past.folder)]) == 64
    assert re.search("examples:", capsys.readouterr().err)


def test_on_a_terminal_of_80_columns_no_row_wraps_and_the_reason_is_cut(past, runs, terminal):
    past.never("a", T0, Outcome.MISSED, LONG, count=4, last=T0 + 3 * HOUR)
    past.ran("a", T0 + 4 * HOUR, Outcome.FAILED, code=1, reason=LONG)
    terminal()
    lines = plain(runs())
    assert max(map(len, lines)) <= 80
    assert all(line.endswith("…") for line in lines[1:])
    assert lines[0].split()[:2] == ["RUN", "TASK"]


def test_a_long_name_stays_whole_while_columns_that_say_less_go(past, runs, terminal):
    name = "a-name-of-thirty-two-characters-"
    past.ran(name, T0, Outcome.FAILED, code=1, reason=LONG)
    terminal()
    head, line = plain(runs())
    assert name in line
    assert "STARTED" not in head
    assert max(len(head), len(line)) <= 80


def test_in_a_pipe_nothing_is_cut(past, runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    past.never("a", T0, Outcome.MISSED, LONG, count=4, last=T0 + 3 * HOUR)
    out = runs()
    assert out.splitlines()[1].endswith(LONG)
    assert "STARTED" in out
    assert "×4" in out


# ── filters ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def many(past):
    """r1 to r7: what ended in every way, what runs and what waits."""
    past.defined(cron("b", "0 * * * *"))
    past.ran("a", T0)
    past.ran("a", T0 + HOUR, Outcome.FAILED, code=3)
    past.ran("b", T0 + HOUR, Outcome.TIMED_OUT)
    past.ran("b", None, Outcome.KILLED, trigger=Trigger.MANUAL, start=T0 + 1.5 * HOUR)
    past.never("a", T0 + 2 * HOUR, Outcome.SKIPPED, "why")
    past.began(past.intent("b", T0 + 2 * HOUR), T0 + 2 * HOUR)
    past.intent("a", T0 + HOUR, attempt=2, not_before=T0 + 9 * HOUR, at=T0 + 2 * HOUR)
    return past


def test_runs_are_filtered_by_outcome_trigger_and_what_has_not_ended(many, runs):
    assert ids(runs("--outcome", "failed", "--outcome", "timed_out")) == ["r3", "r2"]
    assert ids(runs("--outcome", "succeeded", "--outcome", "skipped")) == ["r5", "r1"]
    assert ids(runs("--trigger", "manual")) == ["r4"]
    assert ids(runs("--running")) == ["r7", "r6"]
    assert ids(runs("--failed", "a")) == ["r2"]
    assert ids(runs("b", "--outcome", "killed")) == ["r4"]


def test_runs_of_several_tasks_are_listed_together(many, runs):
    assert ids(runs("a", "b")) == ["r7", "r6", "r5", "r4", "r3", "r2", "r1"]
    assert ids(runs("a", "b", "--limit", "2")) == ["r7", "r6"]


def test_a_list_that_was_cut_says_so(many, past, capsys):
    at = ["--state-dir", str(past.folder)]
    assert run(["runs", "--limit", "3", *at]) == 0
    said = capsys.readouterr()
    assert len(ids(said.out)) == 3
    assert said.err == "only the newest 3 are shown; for more: --limit N\n"
    assert run(["runs", "--limit", "7", *at]) == 0
    assert capsys.readouterr().err == ""


def test_of_several_tasks_an_unknown_one_is_named(many, past, capsys):
    assert run(["runs", "nightly", "--state-dir", str(past.folder)]) == 64
    assert "never had a task 'nightly'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--failed"], "match --failed; without filters: 2"),
        (["--outcome", "failed", "--outcome", "missed"],
         "match --outcome failed --outcome missed; without filters: 2"),
        (["--trigger", "manual"], "match --trigger manual; without filters: 2"),
        (["--running", "--since", "1h"], "match --running --since 1h; without filters: 2"),
        (["--until", "2020-01-01 10:30"], "match --until '2020-01-01 10:30'; without filters: 2"),
    ],
)  # fmt: skip
def test_where_the_filters_leave_no_run_they_are_named_with_how_many_there_are(
    past, runs, capsys, options, said
):
    past.ran("a", T0)
    past.ran("a", T0 + HOUR)
    for names in (["a"], []):
        assert run(["runs", *names, *options, "--state-dir", str(past.folder)]) == 0
        of = " of a" if names else ""
        assert capsys.readouterr().err == f"no runs{of} {said}\n"


@pytest.mark.parametrize("options", [[], ["--failed"]])
def test_a_task_without_any_run_is_said_to_have_none(past, capsys, options):
    assert run(["runs", "a", *options, "--state-dir", str(past.folder)]) == 0
    assert capsys.readouterr().err == "no runs of a\n"
