"""The structure of YAML: what is refused in which words and where, and what aliases cost."""

from __future__ import annotations

import pytest

from tests.taskfile.making import read, refused, told
from torch.taskfile import nodes
from torch.taskfile.problems import Collector

REFUSED = {
    "an empty file": ("", "the file is empty", 0, 0),
    "a comment alone": ("# nothing\n", "the file is empty", 0, 0),
    "an empty document": ("---\n", "the file must be a mapping with the key 'tasks'", 2, 1),
    "a list": ("- a\n", "the file must be a mapping with the key 'tasks', not a list", 1, 1),
    "a text": ("tasks\n", "the file must be a mapping with the key 'tasks'", 1, 1),
    "a second document": ("tasks: []\n---\ntasks: []\n", "a second document begins here", 2, 1),
    "an empty second document": ("tasks: []\n---\n", "a second document begins here", 2, 1),
    "a key twice": (
        "tasks: []\ngroups: {}\ntasks: []\n",
        "the key 'tasks' is set twice, first in line 1",
        3,
        1,
    ),
    "a key twice in one line": (
        "tasks: [{name: a, name: b}]\n",
        "the key 'name' is set twice",
        1,
        19,
    ),
    "a key twice in two looks": ("tasks: []\n'tasks': []\n", "the key 'tasks' is set twice", 2, 1),
    "a list as a key": ("tasks: []\n? [a]\n: b\n", "a list cannot be a key", 2, 3),
    "a mapping as a key": ("tasks: []\n{a: b}: c\n", "a mapping cannot be a key", 2, 1),
    "a tag": ("tasks: !mine []\n", "the tag '!mine' is not allowed", 1, 8),
    "a tag of YAML's": ("version: !!int '1'\ntasks: []\n", "the tag '!!int' is not allowed", 1, 10),
    "Python's tag": (
        "tasks: !!python/object/apply:os.system ['true']\n",
        "the tag '!!python/object/apply:os.system' is not allowed",
        1,
        8,
    ),
    "a written-out tag": ("tasks: !<x:y> []\n", "the tag '!<x:y>' is not allowed", 1, 8),
    "a tag without a name": ("tasks: ! a\n", "the tag '!' is not allowed", 1, 8),
    "an unquoted exclusion": (
        "tasks:\n  - hosts: [!10.0.0.1]\n",
        "an unquoted ! begins a tag",
        2,
        13,
    ),
    "an alias of nothing": ("tasks: *none\n", "there is no anchor '&none' before", 1, 8),
    "an alias before its anchor": ("x: *a\ntasks: &a []\n", "there is no anchor '&a'", 1, 4),
    "an unquoted star": (
        "tasks:\n  - schedule: */5 * * * *\n",
        "an unquoted * begins an alias",
        2,
        15,
    ),
    "an alias within itself": (
        "tasks: &a [*a]\n",
        "the alias *a is used inside its own anchor",
        1,
        12,
    ),
    "a merge of itself": ("tasks: &a\n  <<: *a\n", "the alias *a is used inside", 2, 7),
    "a merge of a list of itself": ("x: &a {<<: [*a]}\n", "the alias *a is used inside", 1, 13),
    "a merge of a text": ("tasks: []\n<<: a\n", "the value of '<<' must be a mapping", 2, 1),
    "a merge of a list of texts": ("tasks: []\n<<: [a]\n", "the value of '<<' must be", 2, 1),
    "a directive": ("%YAML 1.1\n---\ntasks: []\n", "a line that begins with %", 1, 1),
    "a tag directive": ("%TAG ! x\n---\ntasks: []\n", "a line that begins with %", 1, 1),
    "a tab that indents": ("tasks:\n\t- name: a\n", "a tab in the indentation", 2, 1),
    "an open bracket": ("tasks: [a\n", "a ',' or ']' is missing", 2, 1),
    "an open brace": ("tasks: {a: b\n", "a ',' or '}' is missing", 2, 1),
    "an open quote": ("tasks:\n  - 'a\n  - b\n", "a quote is opened and never closed", 2, 5),
    "a quote that the next one closes": (
        'tasks:\n  - name: a\n    command: "echo\n    schedule: "* * * * *"\n',
        "this quote is not closed before the next one, in line 4",
        3,
        14,
    ),
    "a quote that the next one closes, in a list": (
        'tasks:\n  - schedule:\n    - "* * * * *\n    - "@reboot"\n',
        "this quote is not closed before the next one, in line 4",
        3,
        7,
    ),
    "a quote that the next one closes, in a key": (
        'tasks:\n  - "name: a\n    command: "x"\n',
        "this quote is not closed before the next one, in line 3",
        2,
        5,
    ),
    "a quote inside quotes": (
        "tasks:\n  - name: 'it's'\n",
        "text continues directly after its closing quote",
        2,
        11,
    ),
    "an error after a text over several lines": (
        'tasks:\n  - name: "a\n      b"\n     x: y\n',
        "bad indentation",
        4,
        6,
    ),
    "an open double quote": ('tasks: "a\n', "a quote is opened and never closed", 1, 8),
    "a bad escape": ('tasks: "\\d"\n', "unknown escape in double quotes", 1, 9),
    "a short escape": ('tasks: "\\x1"\n', "bad escape in double quotes", 1, 11),
    "a surrogate": ('tasks: "\\ud800"\n', "this escape is not a Unicode character", 1, 11),
    "a colon in text": ("tasks: a: b\n", "a ': ' is not allowed here", 1, 9),
    "a missing colon": ("tasks: []\nversion\n", "a ':' is missing after this key", 3, 1),
    "bad indentation": ("tasks: []\n  x: y\n", "", 2, 0),
    "an entry too far left": ("tasks:\n  - a\n - b\n", "bad indentation", 3, 2),
    "an at sign": ("tasks: @a\n", "text cannot begin with '@'", 1, 8),
    "a back quote": ("tasks: `a`\n", "text cannot begin with '`'", 1, 8),
    "a per cent sign": ("tasks: %a\n", "text cannot begin with '%'", 1, 8),
    "garbage after JSON": ('{"tasks": []} x\n', "", 1, 0),
    "text after a block's header": ("tasks: | a\n", "text after | or >", 1, 10),
    "twenty-one levels": ("[" * 21 + "]" * 21, "nested deeper than 20 levels", 1, 21),
    "a stair": (
        "\n".join(" " * i + "a:" for i in range(50)),
        "nested deeper than 20 levels",
        21,
        21,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_structure_is_refused_in_plain_words_at_its_place(case):
    text, message, line, column = REFUSED[case]
    found = [each for each in refused(text.encode()) if message in each.message]
    assert found, refused(text.encode())
    assert found[0].line == line
    assert not column or found[0].column == column
    assert "indicator" not in found[0].message


def test_what_only_follows_from_a_tag_or_an_unknown_alias_is_not_said():
    text = """\
        tasks:
          - {name: a, command: x, schedule: *x}
          - {name: !b c, type: daemon, command: x}
        """
    assert told(refused(text)) == [
        "2:37 there is no anchor '&x' before this alias",
        "3:12 the tag '!b' is not allowed; a task file must not have tags",
    ]


def test_an_unknown_alias_suggests_the_nearest_anchor():
    text = "groups: &grups {a: [10.0.0.1]}\ntasks: *groups\n"
    assert refused(text)[0].message.endswith("did you mean 'grups'?")


def test_an_alias_is_the_value_it_names():
    text = """\
        groups: {web: &web [10.0.0.1, 10.0.0.2]}
        tasks:
          - {name: a, command: &c [x, z], type: &t daemon, hosts: *web}
          - {name: b, command: *c, type: *t}
        """
    a, b = read(text).tasks
    assert a.command == b.command == ("x", "z")
    assert a.hosts == ("10.0.0.1", "10.0.0.2")


def test_an_anchor_set_again_means_its_last_value():
    text = """\
        tasks:
          - {name: &n a, command: &n b, type: daemon}
          - {name: *n, command: *n, type: daemon}
        """
    assert [(each.name, each.command) for each in read(text).tasks] == [("a", "b"), ("b", "b")]


def test_a_merge_adds_keys_under_the_own_ones_and_the_first_source_wins():
    text = """\
        tasks:
          - &a {name: a, command: a, type: daemon, max: 2}
          - &b {name: b, command: b, type: daemon, nice: 3}
          - {<<: [*a, *b], name: c}
          - name: d
            <<: *b
            command: d
            max: 5
        """
    c, d = read(text).tasks[2:]
    assert (c.name, c.command, c.max, c.nice) == ("c", "a", 2, 3)
    assert (d.name, d.command, d.max, d.nice) == ("d", "d", 5, 3)


def test_a_merge_of_a_merged_mapping_has_all_of_both():
    text = """\
        tasks:
          - &a {name: a, command: a, type: daemon}
          - &b {<<: *a, name: b, max: 2}
          - {<<: *b, name: c}
        """
    assert read(text).tasks[2].max == 2


def test_a_quoted_merge_key_is_an_unknown_key():
    assert told(refused("tasks: []\n'<<': {}\n"))[0].startswith("2:1 unknown key '<<'")


def test_an_alias_of_a_text_may_be_a_key():
    (task,) = read("tasks:\n  - {&n name: a, command: x, type: daemon, env: {*n : v}}\n").tasks
    assert task.env == (("name", "v"),)


def test_a_problem_in_an_aliased_value_is_said_once():
    text = """\
        tasks:
          - {name: a, command: x, type: daemon, env: &e {1A: b}}
          - {name: b, command: x, type: daemon, env: *e}
          - {name: c, command: x, type: daemon, env: *e}
        """
    assert len(refused(text)) == 1


def test_a_problem_in_a_merged_value_stands_where_it_is_written():
    text = """\
        tasks:
          - &a {name: a, command: x, type: daemon, max: 0}
          - {<<: *a, name: b}
        """
    (problem,) = refused(text)
    assert (problem.line, problem.key) == (2, "max")


def test_nesting_of_twenty_levels_is_read():
    out = Collector(file="f", text="[" * 20 + "]" * 20)
    assert isinstance(nodes.read_nodes(out), nodes.Sequence)


@pytest.mark.parametrize("extra", [0, 1])
def test_the_budget_of_nodes_counts_aliases_each_time(extra, monkeypatch):
    monkeypatch.setattr(nodes, "BUDGET", 1 + 4 + 1 + 3 - extra)  # root, a: [x, y], b: *a
    out = Collector(file="f", text="a: &a [x, y]\nb: *a\n")
    if extra:
        with pytest.raises(nodes.Unreadable):
            nodes.read_nodes(out)
        assert out.problems()[0].message.endswith("values, with aliases expanded")
    else:
        assert nodes.read_nodes(out)


def test_a_long_text_counts_for_more_each_time_it_is_named():
    text = 'tasks:\n  - {name: a, type: daemon, command: &c "' + "x" * 130_000 + '"}\n'
    text += "".join(f"  - {{name: t{n}, type: daemon, command: *c}}\n" for n in range(5000))
    (problem,) = refused(text.encode())
    assert problem.message.endswith("values, with aliases expanded")
    assert problem.line > 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: [" + "a," * 20_001 + "]", "more than 20 000 tasks"),
        ("groups: [" + "a," * 20_001 + "]", "more than 20 000 entries in 'groups'"),
        ("groups: {" + ",".join(f"k{n}" for n in range(20_001)) + "}",
         "more than 20 000 entries in 'groups'"),
        ("".join(f"k{n}: 1\n" for n in range(20_001)), "more than 20 000 keys"),
    ],
)  # fmt: skip
def test_a_list_or_mapping_has_a_most_of_entries(text, message):
    assert message in [each.message for each in refused(text.encode())]


def test_a_file_of_the_most_tasks_with_nine_keys_is_within_every_limit():
    task = (
        "- {{name: t{}, command: x, schedule: '* * * * *', max: 1, grace: 10s, timeout: 5m, "
        "nice: 5, cwd: /, owner: a}}\n"
    )
    text = "tasks:\n" + "".join(task.format(n) for n in range(20_000))
    assert read(text.encode()).total == 20_000
