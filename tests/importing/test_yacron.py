"""What the entries of yacron and cronstable become."""

from __future__ import annotations

import pytest

from tests.importing.making import DATA, from_yacron, only, reviews, tasks_of, told
from torch.errors import TaskFileError
from torch.importing import yacron_time
from torch.task import CatchUp, Overlap, Retry


def entry(lines: str):
    """One entry with more keys, one a line."""
    text = 'jobs:\n  - name: x\n    command: run\n    schedule: "0 4 * * *"\n'
    return from_yacron(text + "".join(f"    {line}\n" for line in lines.splitlines()))


def test_an_example_file_becomes_tasks():
    page = from_yacron((DATA / "yacron.yaml").read_text())
    tasks = tasks_of(page)
    assert list(tasks) == ["stock-list", "first-monday", "hourly"]
    stock = tasks["stock-list"]
    assert stock.command == "shop stock |\n  sort\n"
    assert (stock.shell, stock.timezone, stock.timeout) == ("/bin/bash", "Europe/Berlin", 90.5)
    assert stock.retry == Retry(attempts=3, delay=2, backoff=1.5, max_delay=40)
    assert dict(tasks["first-monday"].env) == {"STAGE": "live", "LEDGER": "007"}
    assert tasks["first-monday"].command == ("shop", "settle", "--month")
    assert tasks["first-monday"].overlap is Overlap.REPLACE
    assert (tasks["hourly"].enabled, tasks["hourly"].grace) == (False, 0.5)


def test_what_has_no_place_is_listed_by_name_and_stays_as_a_comment():
    page = from_yacron((DATA / "yacron.yaml").read_text())
    assert [(each.line, each.reason.split(":")[0]) for each in page.unmapped] == [
        (8, "'onPermanentFailure'"),
        (14, "'web'"),
        (44, "'failsWhen.producesStdout'"),
        (52, "'statsd'"),
        (57, "schedule"),
    ]
    assert "  #       host: localhost\n" in page.text
    assert "  #         schedule: 0 0 13 * 5\n" in page.text


def test_comments_are_kept_those_behind_a_value_with_it():
    page = from_yacron((DATA / "yacron.yaml").read_text())
    assert "  # Everything the shop runs by itself.\n" in page.text
    assert '  # schedule: "*/10 6-22 * * *"   # during the day\n' in page.text
    first, second = page.text.index("# Prints what"), page.text.index("name: stock-list")
    assert first < second


def test_keys_of_cronstable_are_mapped():
    page = from_yacron((DATA / "cronstable.yaml").read_text())
    tasks = tasks_of(page)
    poll, settle = tasks["poll"], tasks["settle"]
    assert poll.schedule[0].text == "*/15 * * * * *"
    assert (poll.cwd, poll.nice, poll.start_within) == ("/srv/shop", 19, 600)
    assert settle.schedule[0].text == "30 5 H * * *"
    assert settle.catch_up is CatchUp.ALL
    assert [each.reason.split(":")[0] for each in page.unmapped] == [
        "'clusterPolicy'", "'onlyIfLastSucceeded'", "'sla'", "'dags'",
    ]  # fmt: skip


def test_without_a_word_times_are_in_utc_and_the_grace_is_thirty_seconds():
    found = only(entry(""))
    assert (found.timezone, found.grace) == ("UTC", 30)
    assert "timezone" not in entry("utc: false").text
    assert only(entry("utc: false\ntimezone: Asia/Tokyo")).timezone == "Asia/Tokyo"


def test_defaults_differ_and_that_is_said_once():
    said = reviews(entry(""))
    assert "yacron lets runs overlap" in said
    assert "yacron takes output on stderr for a failure" in said
    quiet = reviews(entry("concurrencyPolicy: Forbid\nfailsWhen:\n  producesStderr: false"))
    assert "overlap" not in quiet and "stderr" not in quiet


def test_endless_retries_become_many_and_name_the_type_daemon():
    page = entry("onFailure:\n  retry:\n    maximumRetries: -1")
    assert only(page).retry == Retry(attempts=100, delay=1, backoff=2, max_delay=300)
    assert "'type: daemon'" in reviews(page)


def test_no_retries_are_no_retry():
    assert only(entry("onFailure:\n  retry:\n    maximumRetries: 0")).retry is None


def test_a_variable_that_could_load_code_is_set_in_the_command_of_another_user():
    lines = "user: alice\nenvironment:\n  - key: PYTHONPATH\n    value: /srv"
    assert only(entry(lines)).command == "export PYTHONPATH='/srv'\nrun"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("timezone: Mars/Olympus", "'timezone': unknown time zone 'Mars/Olympus'"),
        ("concurrencyPolicy: Perhaps", "concurrencyPolicy 'Perhaps' is unknown"),
        ("executionTimeout: soon", "executionTimeout 'soon' is no number of seconds"),
        ("executionTimeout: .inf", "executionTimeout '.inf' is no number of seconds"),
        ("environment: [a]", "environment has an entry without key and value"),
        ("env_file: shop.env", "env_file 'shop.env' is no absolute path"),
        ("enabled: perhaps", "enabled is neither true nor false"),
        ("user: [a]", "user is not a single value"),
    ],
)
def test_an_entry_without_a_task_is_listed_with_the_reason(lines, reason):
    page = entry(lines)
    (found,) = told(page)
    assert found.startswith(f"yacron.yaml:2: {reason}")
    assert page.tasks == 0


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("*/5 * * * *", "*/5 * * * *"),
        ("0 4 * * * *", "0 4 * * *"),  # a sixth field is the year
        ("*/5 0 4 * * * *", "*/5 0 4 * * *"),  # seven begin at the second
        ("0 4 * * L5", "0 4 * * 5L"),
        ("0 4 * * L1-2", "0 4 * * 1L,2L"),
        ("0 4 * * 5-0", "0 4 * * 5-7"),
        ("0 4 * * fri-sun", "0 4 * * fri-7"),
        ("0 4 * * 1/2", "0 4 * * 1-6/2"),
        ("0 4 8-14 * tue", "0 4 * * 2#2"),
        ("0 4 13 * sun", "0 4 13 * */7"),  # both must match, as with a star
        ("0 4 */2 * 5", "0 4 */2 * 5"),
        ("@daily", "@daily"),
    ],
)
def test_a_schedule_is_written_in_our_dialect(theirs, ours):
    assert yacron_time.of_text(theirs)[0] == ours


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ("0 4 13 * 5", "it wants day 13 and weekday 5 both"),
        ("0 4 * * * 2027", "year '2027': a task file has no years"),
        ("0 4 * *", "4 fields"),
        ("0 25 * * *", "hour '25' is out of range"),
    ],
)
def test_a_schedule_that_cannot_be_written_is_refused(theirs, reason):
    with pytest.raises(yacron_time.NoExpression, match=reason.replace("(", "\\(")):
        yacron_time.of_text(theirs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs: [a", "a ',' or ']' is missing"),
        ("- a\n", "it is no mapping"),
        ("jobs: !!python/name:os.system\n", "the tag '!!python/name:os.system' is not allowed"),
        ("a: 1\na: 2\n", "the key 'a' stands here twice"),
        ("a: &a [*a]\n", "stands inside what it names"),
        ("a: &a [1,1]\n" + "".join(f"b{n}: &b{n} [{','.join([f'*b{n - 1}'] * 9)}]\n" for n in
         range(1, 9)).replace("*b0", "*a"), "beyond 1 000 000 values"),
    ],
)  # fmt: skip
def test_hostile_or_broken_yaml_has_a_clear_problem(text, message):
    with pytest.raises(TaskFileError) as caught:
        from_yacron(text)
    assert message in caught.value.problems[0].message


def test_an_empty_file_is_a_file_without_tasks():
    assert "tasks: []" in from_yacron("").text
    assert "tasks: []" in from_yacron("jobs: []\n").text
