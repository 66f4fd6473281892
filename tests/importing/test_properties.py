"""What holds of every input: no traceback, nothing lost, and what is written is read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.importing import debian
from tests.importing.making import HOST, composed, from_crontab, tasks_of
from torch.errors import TaskFileError
from torch.importing import crontab, gotorch, naming, page, yacron, yacron_tree, yaml_text
from torch.importing.draft import Draft, Unmapped
from torch.taskfile.nodes import Mapping, Scalar, Sequence, read_nodes
from torch.taskfile.problems import Collector

NUMBERS = st.integers(0, 70).map(str)
NAMES = st.sampled_from("jan dec sun mon sat Fri H L 5L 1#2 15W x".split())
VALUES = st.one_of(NUMBERS, NUMBERS, NAMES)
ITEMS = st.one_of(
    st.just("*"),
    VALUES,
    st.builds("*/{}".format, NUMBERS),
    st.builds("{}-{}".format, VALUES, VALUES),
    st.builds("{}-{}/{}".format, NUMBERS, NUMBERS, NUMBERS),
)
FIELDS = st.lists(ITEMS, min_size=1, max_size=3).map(",".join)
TIMES = st.lists(FIELDS, min_size=5, max_size=5) | st.lists(FIELDS, min_size=6, max_size=7)
BLANKS = st.sampled_from((" ", "\t", "  "))
TEXTS = st.text(st.characters(exclude_characters="\n"), max_size=30)
PIECES = st.sampled_from(
    [
        "cat",
        " ",
        "%",
        "\\%",
        "\\",
        "'",
        '"',
        "$(",
        ")",
        "{",
        "&&",
        "|",
        "#",
        ": ",
        "- ",
        "é",
        "root",
    ]
)
COMMANDS = st.one_of(st.lists(PIECES, max_size=8).map("".join), TEXTS)
ENTRIES = st.builds(
    lambda fields, blank, command: blank.join([*fields, command]),
    TIMES, BLANKS, COMMANDS,
)  # fmt: skip
SETTINGS = st.builds(
    "{}{}{}".format,
    st.sampled_from("A SHELL HOME MAILTO CRON_TZ TZ LOGNAME LD_PRELOAD TORCH_X X-Y 'A' é".split()),
    st.sampled_from(("=", " = ")),
    st.one_of(TEXTS, st.sampled_from(("/bin/sh", "/x", "UTC", '""', "'a b'", ""))),
)
MACROS = st.builds(
    "{} {}".format,
    st.sampled_from(("@daily", "@reboot", "@every 90s", "@every x", "@x", "@")),
    COMMANDS,
)
COMMENTS = TEXTS.map("# {}".format)
LINES = st.one_of(ENTRIES, ENTRIES, SETTINGS, MACROS, COMMENTS, TEXTS, st.just(""))
CRONTABS = st.lists(LINES, max_size=8).map("\n".join)


@settings(max_examples=400)
@given(CRONTABS, st.sampled_from((None, True, False)), st.sampled_from(("", "alice", "root")))
@example("A=1\n* * * * * \x85\u202e\ufeff", None, "alice")
@example("0 0 * * * '' > x", None, "")
@example("# why\nB=0\n* * * * * : cat", True, "")
@example("\ufeff", None, "")
def test_any_crontab_becomes_a_good_file_and_every_line_is_in_it_or_listed(text, column, owner):
    data = text.encode("utf-8", "surrogatepass")
    try:
        original = crontab.read(data, file="f", host=HOST, column=column, owner=owner)
    except TaskFileError as error:
        assert "anacrontab" in error.problems[0].message
        return
    result = composed(original)
    assert len(tasks_of(result)) == result.tasks  # parsed by the reader of task files
    drafts = [piece for piece in original.pieces if isinstance(piece, Draft)]
    assert len(drafts) == result.tasks + len(result.unmapped) - sum(
        isinstance(piece, Unmapped) for piece in original.pieces
    )
    accounted = {piece.line for piece in original.pieces if isinstance(piece, Draft | Unmapped)}
    lines = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").split("\n")
    for number, line in enumerate(lines, 1):
        bare = line.strip(" \t\r")
        if bare and not bare.startswith("#") and number not in accounted:
            name = bare.split("=")[0].strip(" \t'\"")
            assert ("=" in bare and name in result.text) or name in ("MAILTO", "SHELL")
    for unmapped in result.unmapped:
        assert unmapped.reason and unmapped.line


@given(st.lists(st.sampled_from(("# uno due", "# tre", "#", "", "0 1 * * * x", "A=1"))))
def test_every_word_of_every_comment_is_in_the_page(lines):
    text = from_crontab("\n".join([*lines, ""]).encode()).text
    wanted = [word for line in lines if line.startswith("#") for word in line[1:].split()]
    assert sorted(wanted) == sorted(word for word in text.split() if word in {"uno", "due", "tre"})


@settings(max_examples=200)
@given(st.lists(FIELDS, min_size=5, max_size=5))
def test_a_time_without_a_review_fires_when_cron_would(fields):
    result = from_crontab(" ".join(fields) + " x\n")
    if result.unmapped or "  # review:" in result.text:
        return  # refused, or not a time of Debian's cron
    (task,) = tasks_of(result).values()
    start = datetime(2027, 12, 30, 23, 58, 30, tzinfo=UTC)
    at = int(start.timestamp())
    for fire in islice(debian.fires(" ".join(fields), start, 430), 50):
        assert task.schedule[0].next_epoch(at) == int(fire.timestamp())
        at = int(fire.timestamp())


ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
WORDY = st.lists(
    st.sampled_from(["a", "b c", " ", "\n", "#", ": ", "'", '"', "\\", "- ", "x" * 50, "yes", "1"]),
    min_size=1, max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=500)
@given(st.one_of(ANY, WORDY))
@example("010")
@example("a\n\n b\n")
@example(" a")
@example("a \nb")
@example("word " * 40)
@example("word  " * 40)
def test_what_is_written_is_read_back_by_every_reader_of_yaml(text):
    lines = yaml_text.entry("key", text, "  ")
    for written in ("\n".join(lines), yaml_text.entry("key", (text, text), "")[0]):
        if written.endswith(":"):
            written = "\n".join(yaml_text.entry("key", (text, text), ""))
        out = Collector(file="", text=written + "\n")
        root = read_nodes(out)
        assert isinstance(root, Mapping) and not out.errors
        node = root.get("key")
        first = node.items[0] if isinstance(node, Sequence) else node
        assert isinstance(first, Scalar)
        assert first.text == text
        loaded = yaml.safe_load(written + "\n")["key"]
        assert loaded in (text, [text, text])


@given(st.one_of(TEXTS, COMMANDS))
def test_a_name_keeps_the_rule_for_names(command):
    for name in naming.candidates(command):
        assert naming.clean(name)[:64] == name[:64]
    (name,) = naming.unique([naming.candidates(command)])
    assert naming.clean(name) == name


@given(st.lists(st.lists(st.sampled_from(("a", "A", "a-2", "b" * 64, "B" * 64)), max_size=2)))
def test_no_two_names_are_equal_ignoring_case(wanted):
    names = naming.unique(wanted)
    assert len({name.lower() for name in names}) == len(wanted)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)),
    max_leaves=5,
)
TASKS = st.fixed_dictionaries(
    {}, optional={
        "Command": st.one_of(COMMANDS, JSON),
        "TaskType": st.one_of(st.sampled_from(("daemon", "common", "")), JSON),
        "times": st.one_of(st.lists(FIELDS, min_size=5, max_size=7).map(" ".join), JSON),
        "Max": st.one_of(st.integers(-1, 20000), JSON),
        "Ips": st.one_of(st.lists(st.sampled_from(("10.0.0.1", "::1", "x", ""))), JSON),
        "Other": JSON,
    },
)  # fmt: skip


@given(st.one_of(st.lists(st.one_of(TASKS, JSON)), JSON))
def test_any_json_becomes_a_good_file_or_has_a_clear_problem(value):
    text = json.dumps(value).encode()
    try:
        original = gotorch.read(text, file="f")
    except TaskFileError as error:
        assert not isinstance(value, list)
        assert error.problems[0].message == "it is not a JSON list"
        return
    result = page.compose([original], origin="f")
    assert result.tasks + len(result.unmapped) == len(value)
    assert len(tasks_of(result)) == result.tasks


YAML_KEYS = st.fixed_dictionaries(
    {}, optional={
        "name": TEXTS,
        "command": st.one_of(COMMANDS, st.lists(TEXTS), JSON),
        "schedule": st.one_of(st.lists(FIELDS, min_size=4, max_size=7).map(" ".join), JSON,
                              st.just({"minute": "*/5", "second": "3"})),
        "utc": st.sampled_from(("no", "true", "x")),
        "timezone": st.sampled_from(("UTC", "Europe/Berlin", "x")),
        "user": st.sampled_from(("alice", "1000", "a b")),
        "environment": st.one_of(st.just([{"key": "PYTHONPATH", "value": "x"}]), JSON),
        "onFailure": st.one_of(st.just({"retry": {"maximumRetries": -1}}), JSON),
        "failsWhen": st.one_of(st.just({"producesStdout": True}), JSON),
        "killTimeout": st.one_of(st.floats(), TEXTS),
        "shell": st.sampled_from(("/bin/bash", "bash", "fish", "")),
        "statsd": JSON,
    },
)  # fmt: skip


@given(st.lists(YAML_KEYS, max_size=3), st.one_of(YAML_KEYS, JSON))
def test_any_configuration_of_yacron_becomes_a_good_file_or_has_a_clear_problem(entries, defaults):
    text = yaml.safe_dump({"defaults": defaults, "jobs": entries}, allow_unicode=True)
    try:
        original = yacron.read(text.encode(), file="f")
    except TaskFileError as error:
        assert all(problem.message for problem in error.problems)
        return
    result = page.compose([original], origin="f")
    assert len(tasks_of(result)) == result.tasks
    assert sum(isinstance(piece, Draft) for piece in original.pieces) <= len(entries)


def with_includes(data: bytes, *, file: str):
    """Every path that it includes holds the same."""
    return yacron_tree.read([(file, data)], lambda path: data if "x" in path else "gone")[-1]


@pytest.mark.parametrize("reader", [gotorch.read, yacron.read, with_includes])
@given(st.binary(max_size=60))
@example(b"\xff\xfe[\0")
@example(b"[" * 100_000)
@example(b"[" + b"1" * 10_000 + b"]")
@example(b"a: &a [*a, *a]\n")
@example(b"include: [x]\n")
@example(b"include: [x, y]\n")
@example(b"include: [!x, '', ~, \"\\0\"]\n")
@example(b"jobs: !!python/object/apply:os.system [id]\n")
def test_any_bytes_end_in_a_page_or_a_clear_problem(reader, data):
    try:
        page.compose([reader(data, file="f")], origin="f")
    except TaskFileError as error:
        assert error.problems[0].message
