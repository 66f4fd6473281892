"""What the entries of yacron and cronstable become."""

from __future__ import annotations

import posixpath
from textwrap import dedent

import pytest

from tests.importing.making import DATA, composed, from_yacron, only, reviews, tasks_of, told
from torch.errors import TaskFileError
from torch.importing import yacron_time, yacron_tree
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
    assert "in yacron, runs can overlap" in said
    assert "in yacron, output on stderr is a failure" in said
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
        ("executionTimeout: soon", "executionTimeout 'soon' is not a number of seconds"),
        ("executionTimeout: .inf", "executionTimeout '.inf' is not a number of seconds"),
        ("environment: [a]", "environment has an entry without key and value"),
        ("env_file: shop.env", "env_file 'shop.env' is not an absolute path"),
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
        ("0 4 13 * 5", "it requires both day 13 and weekday 5"),
        ("0 4 * * * 2027", "year '2027': a schedule cannot have a year"),
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
        ("- a\n", "it is not a mapping"),
        ("jobs: !!python/name:os.system\n", "the tag '!!python/name:os.system' is not allowed"),
        ("a: 1\na: 2\n", "the key 'a' is set twice"),
        ("a: &a [*a]\n", "is used inside its own anchor"),
        ("a: &a [1,1]\n" + "".join(f"b{n}: &b{n} [{','.join([f'*b{n - 1}'] * 9)}]\n" for n in
         range(1, 9)).replace("*b0", "*a"), "more than 1 000 000 values"),
    ],
)  # fmt: skip
def test_hostile_or_broken_yaml_has_a_clear_problem(text, message):
    with pytest.raises(TaskFileError) as caught:
        from_yacron(text)
    assert message in caught.value.problems[0].message


def test_an_empty_file_is_a_file_without_tasks():
    assert "tasks: []" in from_yacron("").text
    assert "tasks: []" in from_yacron("jobs: []\n").text


# ── include, and directories ──────────────────────────────────────────────────────────────


def tree(files: dict[str, str], *names: str):
    """The page of the named files (else the first), which may include the others."""
    told = {name: dedent(text).encode() for name, text in files.items()}
    first = names or tuple(files)[:1]
    originals = yacron_tree.read(
        [(name, told[name]) for name in first],
        lambda path: told.get(posixpath.normpath(path), "no such file or directory"),
    )
    return composed(*originals)


def job(name: str, *lines: str) -> str:
    more = "".join(f", {line}" for line in lines)
    return f"  - {{name: {name}, command: run {name}, schedule: '0 4 * * *'{more}}}\n"


def test_included_files_are_read_relative_to_the_file_that_names_them():
    page = tree({
        "etc/main.yaml": "include: [inc/a.yaml, ../b.yaml]\njobs:\n" + job("own"),
        "etc/inc/a.yaml": "include: [deep.yaml]\njobs:\n" + job("a"),
        "etc/inc/deep.yaml": "jobs:\n" + job("deep"),
        "b.yaml": "jobs:\n" + job("b"),
    })  # fmt: skip
    assert list(tasks_of(page)) == ["deep", "a", "b", "own"]  # yacron's order
    assert "# include: inc/a.yaml, ../b.yaml" in page.text
    assert not page.unmapped


def test_defaults_of_included_files_lie_under_the_own_ones_and_under_no_earlier_job():
    page = tree({
        "main.yaml": """
            include: [inc.yaml]
            defaults: {environment: [{key: B, value: main}]}
            jobs:
        """.replace("            ", "") + job("own"),
        "inc.yaml": """
            defaults:
              shell: /bin/bash
              environment: [{key: A, value: inc}, {key: B, value: inc}]
              onFailure: {retry: {maximumRetries: 2}}
            jobs:
        """.replace("            ", "") + job("inner"),
    })  # fmt: skip
    tasks = tasks_of(page)
    assert dict(tasks["inner"].env) == {"A": "inc", "B": "inc"}  # not the outer file's
    assert dict(tasks["own"].env) == {"A": "inc", "B": "main"}
    assert tasks["own"].shell == "/bin/bash"
    assert tasks["own"].retry is not None
    assert tasks["own"].retry.attempts == 2


def test_a_later_include_undoes_what_an_earlier_one_set_as_in_yacron():
    page = tree({
        "main.yaml": "include: [a.yaml, b.yaml]\njobs:\n" + job("own"),
        "a.yaml": "defaults: {utc: false, user: alice, environment: [{key: A, value: x}]}\n",
        "b.yaml": "defaults: {killTimeout: 5}\n",
    })  # fmt: skip
    own = tasks_of(page)["own"]
    assert (own.timezone, own.user, own.grace) == ("UTC", "alice", 5)
    assert dict(own.env) == {"A": "x"}
    assert "the defaults of 'b.yaml' reset utc to yacron's own value" in reviews(page)


def test_nothing_in_the_place_of_a_mapping_leaves_that_of_the_defaults():
    text = "defaults: {onFailure: {retry: {maximumRetries: 2}}}\njobs:\n" + job("x", "onFailure: ")
    found = only(tree({"a.yaml": text}))
    assert found.retry is not None
    assert found.retry.attempts == 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.yaml": "include: [b.yaml]\n", "b.yaml": "jobs: []\ninclude: [./a.yaml]\n"},
            "b.yaml:2:11: it includes itself: a.yaml → b.yaml → a.yaml",
        ),
        ({"d/a.yaml": "include: [a.yaml]\n"}, "d/a.yaml:1:11: it includes itself"),
        (
            {"d/a.yaml": "jobs: []\ninclude:\n  - gone.yaml\n"},
            "d/a.yaml:3:5: d/gone.yaml cannot be read: no such file or directory",
        ),
        ({"a.yaml": "include: [b.yaml]\n", "b.yaml": "- x\n"}, "b.yaml:1:1: it is not a mapping"),
        (
            {f"{n}.yaml": f"include: [{n + 1}.yaml]\n" for n in range(60)},
            "50.yaml:1:11: includes are nested deeper than 50",
        ),
    ],
)
def test_an_include_that_cannot_be_followed_is_a_problem_with_its_place(files, message):
    with pytest.raises(TaskFileError) as caught:
        tree(files)
    assert str(caught.value).startswith(message)


def test_a_file_that_is_included_twice_has_its_entries_once():
    page = tree({
        "main.yaml": "include: [a.yaml, b.yaml]\n",
        "a.yaml": "include: [c.yaml]\njobs:\n" + job("a"),
        "b.yaml": "include: [c.yaml]\njobs:\n" + job("b"),
        "c.yaml": "defaults: {user: alice}\njobs:\n" + job("c"),
    })  # fmt: skip
    assert list(tasks_of(page)) == ["c", "a", "b"]
    assert [task.user for task in tasks_of(page).values()] == ["alice"] * 3


def test_a_file_that_is_included_again_has_the_last_word_on_a_name():
    page = tree({
        "main.yaml": "include: [a.yaml, b.yaml, a.yaml]\n",
        "a.yaml": "jobs:\n" + job("x", "user: alice"),
        "b.yaml": "jobs:\n" + job("x", "user: backup"),
    })  # fmt: skip
    assert [task.user for task in tasks_of(page).values()] == ["alice"]
    assert len(page.unmapped) == 1


def test_includes_that_multiply_are_read_once_each():
    files = {f"{n}.yaml": f"include: [{n + 1}.yaml, {n + 1}.yaml]\n" for n in range(40)}
    files["40.yaml"] = "jobs:\n" + job("last")
    assert list(tasks_of(tree(files))) == ["last"]


def test_of_entries_with_one_name_only_the_last_is_a_task_as_in_yacron():
    page = tree({
        "main.yaml": "include: [a.yaml]\njobs:\n" + job("x") + job("y") + job("x"),
        "a.yaml": "jobs:\n" + job("x"),
    })  # fmt: skip
    assert list(tasks_of(page)) == ["y", "x"]
    reason = "a later entry has the same name 'x'; yacron runs only the last"
    assert told(page) == [f"a.yaml:2: {reason}", f"main.yaml:3: {reason}"]


def test_an_include_that_is_no_list_of_names_is_listed():
    for value in ("5", "{a: b}", "[[a]]"):
        assert "'include': it is not a list of file names" in str(
            told(tree({"a.yaml": f"include: {value}\n"}))
        )
    assert not tree({"a.yaml": "include: []\n"}).unmapped


def test_at_reboot_meant_each_start_of_yacron_and_gets_a_review():
    page = from_yacron("jobs: [{name: x, command: run, schedule: '@reboot'}]\n")
    assert only(page).schedule[0].is_reboot
    assert "yacron ran it at each of its own starts; Torch runs it once per boot" in reviews(page)
