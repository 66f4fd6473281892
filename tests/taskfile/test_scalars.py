"""What an unquoted value is: text only where YAML 1.1 and 1.2 both say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.taskfile.making import refused, task_with
from torch.taskfile import scalars
from torch.taskfile.nodes import Mapping, Scalar, Sequence

KINDS = {
    "text": "a x.y /bin/true 10.0.0.1 1.2.3 10.0.0.0/24 2026-11 5m 1h30m 16MiB - a-1 1e +a .a a:b "
    "truee nulls nOne TrUe yEs o 0b 0x 0xg 1_a 12:60:x 2026-1-1x _1 10s 3rd ~a <a =a",
    "null": "~ null Null NULL",
    "boolean": "true True TRUE false False FALSE yes Yes YES no No NO on On ON off OFF y Y n N",
    "number": "0 1 -1 +1 010 0o10 0x1F 0b11 1_000 1.5 .5 1. -1.5 1e3 1e400 12e4567 1E-3 .inf -.inf "
    "+.INF .nan .NaN 12:30:45 1:30 190:20:30.15 0.1_0 00 -0",
    "date": "2026-11-21 2026-1-1 2026-99-99 2026-11-21T10:00:00Z 2026-11-21t10:00:00.5+01:00",
}


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, ts in KINDS.items() for t in ts.split()])
def test_a_plain_value_is_of_the_kind_that_some_yaml_takes_it_for(kind, text):
    assert scalars.kind(Scalar(text, True, 0)) == kind
    assert scalars.kind(Scalar(text, False, 0)) == "text"


def test_an_empty_plain_value_is_null_and_a_quoted_one_is_text():
    assert scalars.kind(Scalar("", True, 0)) == "null"
    assert scalars.kind(Scalar("", False, 0)) == "text"


def test_a_date_with_a_time_after_a_blank_is_a_date():
    assert scalars.kind(Scalar("2026-11-21 10:00:00", True, 0)) == "date"


def test_a_long_row_of_digits_is_a_number_and_never_converted():
    assert scalars.kind(Scalar("9" * 5000, True, 0)) == "number"
    assert scalars.integer(Scalar("9" * 5000, True, 0)) is None
    assert scalars.decimal(Scalar("9" * 5000, True, 0)) is None


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("7", 7), ("-7", -7), ("1000", 1000)])
def test_an_integer_is_plain_decimal(text, value):
    assert scalars.integer(Scalar(text, True, 0)) == value
    assert scalars.integer(Scalar(text, False, 0)) is None


@pytest.mark.parametrize("text", "010 0x10 0o10 1_000 +1 -0 1.0 1e3 60:00 true ٣ ² .inf".split())
def test_what_two_readers_take_for_two_numbers_is_no_integer(text):
    assert scalars.integer(Scalar(text, True, 0)) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2.0), ("1.5", 1.5), ("-0.25", -0.25), ("01.5", None), ("1e3", None), (".5", None),
     (".nan", None), ("1_0.5", None)],
)  # fmt: skip
def test_a_fraction_is_plain_decimal(text, value):
    assert scalars.decimal(Scalar(text, True, 0)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("yes", None), ("on", None),
     ("tRue", None), ("1", None)],
)  # fmt: skip
def test_only_true_and_false_are_booleans(text, value):
    assert scalars.boolean(Scalar(text, True, 0)) is value
    assert scalars.boolean(Scalar(text, False, 0)) is None


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (Scalar("010", True, 0), "the number 010"),
        (Scalar("yes", True, 0), "the boolean yes"),
        (Scalar("2026-11-21", True, 0), "the date 2026-11-21"),
        (Scalar("a\x1b", False, 0), r"the text 'a\x1b'"),
        (Scalar("~", True, 0), "null"),
        (Scalar("", True, 0), "nothing"),
        (Scalar("", False, 0), "an empty text"),
        (Sequence([], 0), "an empty list"),
        (Sequence([Scalar("a", True, 0)], 0), "a list"),
        (Mapping({}, 0), "an empty mapping"),
        (Scalar("x" * 100, True, 0), f"the text '{'x' * 40}…'"),
    ],
)
def test_a_message_says_what_stands_there(node, said):
    assert scalars.describe(node) == said


@pytest.mark.parametrize("value", "yes 010 12:30:45 1_000 2026-11-21 12e4567 0x1F .5".split())
def test_where_text_is_wanted_such_a_value_is_to_be_quoted(value):
    (problem,) = refused(
        f"tasks:\n  - {{name: a, type: daemon, command: x, env: {{A: {value}}}}}\n"
    )
    assert problem.hint == f'write it in quotes: "{value}"'
    quoted = task_with(f'env: {{A: "{value}"}}')
    assert quoted.env == (("A", value),)


@given(st.text(max_size=40))
def test_no_text_is_beyond_a_kind(text):
    node = Scalar(text, True, 0)
    assert scalars.kind(node) in {*KINDS}
    scalars.integer(node)
    scalars.decimal(node)
    assert scalars.describe(node)


PLACES = {
    "channel": "notify: {%s: 'mailto://a@b.example'}\ntasks: []\n",
    "group": "groups: {%s: [10.0.0.1]}\ntasks: []\n",
    "task": "tasks: [{name: %s, command: x, schedule: '@daily'}]\n",
    "label": "tasks: [{name: t, command: x, schedule: '@daily', labels: {%s: x}}]\n",
    "label value": "tasks: [{name: t, command: x, schedule: '@daily', labels: {x: %s}}]\n",
    "env name": "tasks: [{name: t, command: x, schedule: '@daily', env: {%s: x}}]\n",
    "env value": "tasks: [{name: t, command: x, schedule: '@daily', env: {X: %s}}]\n",
    "host": "tasks: [{name: t, command: x, schedule: '@daily', hosts: [%s]}]\n",
    "use of a channel": "tasks: [{name: t, command: x, schedule: '@daily', on_failure: [%s]}]\n",
    "user": "tasks: [{name: t, command: x, schedule: '@daily', user: %s}]\n",
    "owner": "tasks: [{name: t, command: x, schedule: '@daily', owner: %s}]\n",
    "command": "tasks: [{name: t, command: %s, schedule: '@daily'}]\n",
}


@pytest.mark.parametrize("word", ["n", "y", "Yes", "no", "on", "OFF", "true"])
@pytest.mark.parametrize("place", PLACES)
def test_a_word_that_some_yaml_reads_as_a_boolean_gets_the_advice_to_quote_it(place, word):
    (problem,) = refused(PLACES[place] % word)
    assert "boolean" in problem.message
    assert problem.hint == f'write it in quotes: "{word}"'


@pytest.mark.parametrize("word", ["null", "Null", "12", "010", "1e5", "2026-11-21"])
@pytest.mark.parametrize("place", ["channel", "label"])
def test_a_name_that_is_no_text_gets_the_advice_to_quote_it(place, word):
    (problem,) = refused(PLACES[place] % word)
    assert problem.hint == f'write it in quotes: "{word}"'


@pytest.mark.parametrize("place", ["channel", "group", "label", "env name"])
def test_a_name_that_is_bad_in_quotes_too_is_not_advised_to_be_quoted(place):
    (problem,) = refused(PLACES[place] % "~")
    assert "quotes" not in problem.message + problem.hint
