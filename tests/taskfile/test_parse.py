"""From text to tasks: defaults, groups, names, digests, and every problem at once."""

from __future__ import annotations

import hashlib
import ipaddress
import subprocess
import sys

import pytest

from tests.taskfile.making import file_with, only_task, read, refused, task_with, told
from torch.task import CatchUp, Output, Overlap, Privileges, Restart, TaskType
from torch.taskfile import build
from torch.taskfile.parse import examine, parse

CRON = "{name: %s, command: x, schedule: '* * * * *'%s}"


def tasks(*entries: str, before: str = "") -> str:
    return before + "tasks:\n" + "".join(f"  - {each}\n" for each in entries)


# ── what a task is ──────────────────────────────────────────────────────────────────────────


def test_a_task_has_every_key_that_is_written():
    task = task_with(
        """\
        max: 2
        overlap: replace
        catch_up: all
        start_within: 2m
        timeout: 1h30m
        grace: 500ms
        success_codes: [3, 0, 3]
        timezone: Asia/Tokyo
        env: {B: "2", A: "1"}
        output: {keep: 3}
        labels: {team: feed}
        umask: "0027"
        """
    )
    assert (task.max, task.overlap, task.catch_up) == (2, Overlap.REPLACE, CatchUp.ALL)
    assert (task.start_within, task.timeout, task.grace) == (120.0, 5400.0, 0.5)
    assert task.success_codes == frozenset({0, 3})
    assert (task.timezone, task.schedule[0].text) == ("Asia/Tokyo", "* * * * *")
    assert task.env == (("B", "2"), ("A", "1"))
    assert (task.output, task.umask, task.line) == (Output(keep=3), 0o027, 2)


def test_a_list_of_schedules_is_several_expressions_and_a_text_is_one():
    assert [each.text for each in only_task(
        "tasks: [{name: a, command: x, schedule: ['@daily', '@reboot']}]"
    ).schedule] == ["@daily", "@reboot"]  # fmt: skip


def test_the_zone_of_the_host_is_that_of_tasks_without_one():
    text = tasks(CRON % ("a", ""), CRON % ("b", ", timezone: UTC"))
    a, b = read(text, host_zone="Europe/Berlin").tasks
    assert (a.timezone, b.timezone) == ("Europe/Berlin", "UTC")
    assert a.digest != b.digest


def test_a_file_without_tasks_is_a_list_of_none():
    file = read("tasks: []\n")
    assert (file.tasks, file.total, file.problems, file.groups) == ((), 0, (), {})
    assert file.hash == hashlib.sha256(b"tasks: []\n").hexdigest()


@pytest.mark.parametrize("text", ["version: 1\n", "groups: {}\n", "{}\n"])
def test_a_file_must_say_that_it_has_no_tasks(text):
    (problem,) = refused(text)
    assert (problem.message, problem.hint) == (
        "the file has no 'tasks'",
        "for a file without tasks, write: tasks: []",
    )


# ── problems ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "known"),
    [("shedule", "schedule"), ("comand", "command"), ("Max", "max"), ("time_zone", "timezone"),
     ("envfile", "env_file"), ("catchup", "catch_up")],
)  # fmt: skip
def test_an_unknown_key_suggests_the_nearest_known_one(key, known):
    (problem, *_) = [each for each in refused(file_with(f"{key}: x")) if each.key == key]
    assert problem.message == f"unknown key '{key}', did you mean '{known}'?"
    assert (problem.line, problem.column, problem.source) == (5, 5, f"    {key}: x")


def test_a_key_like_no_other_lists_the_known_ones():
    (problem,) = refused(file_with("zzzzzz: x"))
    assert problem.message == "unknown key 'zzzzzz'"
    assert "command, schedule, type" in problem.hint


def test_a_misspelt_key_is_not_missing_too():
    text = "tasks: [{nme: a, comand: x, shedule: '* * * * *'}]"
    assert [each.key for each in refused(text)] == ["nme", "comand", "shedule"]
    assert [each.key for each in refused("tasks: [{name: a, command: x, typ: daemon}]")] == ["typ"]


def test_from_a_misspelt_type_follows_nothing():
    text = "tasks: [{name: a, command: x, type: deamon, restart: {delay: 1s}}]"
    (problem,) = refused(text)
    assert problem.message == "'type' must be cron or daemon, not the text 'deamon'"
    assert problem.hint == "did you mean 'daemon'?"


def test_every_problem_of_a_file_is_told_in_the_order_of_lines():
    text = """\
        verison: 1
        tasks:
          - name: a b
            command: ""
            schedule: "61 * * * *"
            max: 0
            bogus: x
          - name: c
            schedule: ["* * *", "@never"]
            grace: soon
          - 7
        groups: {web: [300.1.1.1]}
        """
    assert [(each.line, each.key) for each in refused(text)] == [
        (1, "verison"),
        (3, "name"),
        (4, "command"),
        (5, "schedule"),
        (6, "max"),
        (7, "bogus"),
        (8, "command"),
        (9, "schedule"),
        (9, "schedule"),
        (10, "grace"),
        (11, ""),
        (12, "groups"),
    ]


@pytest.mark.parametrize("other", ["bogus: 1", "timezone: Mars/Olympus", "name: a/b", "max: x"])
def test_a_bad_expression_is_told_whatever_else_is_wrong(other):
    name = "" if other.startswith("name") else "name: a, "
    problems = refused(f"tasks:\n  - {{{name}command: x, schedule: H 99 * * *, {other}}}\n")
    assert {"schedule", other.partition(":")[0]} == {each.key for each in problems}


def test_an_unsafe_variable_is_told_whatever_else_is_wrong():
    text = "tasks: [{name: a, command: '', type: daemon, user: root, env: {LD_PRELOAD: x}}]"
    assert [each.key for each in refused(text)] == ["command", "env"]


def test_a_hundred_problems_are_told_and_the_rest_is_a_number():
    text = tasks(*(f"{{name: -{n}x, type: daemon, command: x}}" for n in range(150)))
    problems = refused(text)
    assert len(problems) == 101
    assert problems[-1].message == "and 50 more problems"


def test_nobody_reads_on_after_a_thousand_problems():
    text = tasks(*(f"{{name: -{n}x, type: daemon, command: x}}" for n in range(1500)))
    assert refused(text)[-1].message == "and more than 900 more problems"


def test_a_control_character_in_a_name_is_made_visible_in_every_message():
    text = 'groups: {"a \\x1b": 3}\n"\\x1b": 1\ntasks: [{"\\x1b[2J": 1}, {name: "\\u202ex"}]\n'
    for problem in refused(text):
        assert problem.message.isprintable()
        assert problem.hint.isprintable()


# ── names ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["a", "7", "a.b-c_d", "A" * 64, "0a"])
def test_a_good_name_is_taken(name):
    quoted = f'"{name}"'
    assert only_task(tasks(CRON % (quoted, ""))).name == name


@pytest.mark.parametrize("name", ["", " ", "-a", ".a", "a b", "a/b", "..", "A" * 65, "é", "a\\n"])
def test_a_name_that_is_unsafe_as_a_file_name_is_refused(name):
    assert [each.key for each in refused(tasks(CRON % (f'"{name}"', "")))] == ["name"]


def test_names_are_unique_ignoring_case():
    text = tasks(CRON % ("backup", ""), CRON % ("x", ""), CRON % ("Backup", ""))
    assert told(refused(text)) == ["4:12 the 'name' 'Backup' is already used by the task in line 2"]


# ── defaults ────────────────────────────────────────────────────────────────────────────────


def test_a_default_is_for_tasks_that_do_not_say_otherwise():
    text = tasks(
        CRON % ("a", ""),
        CRON % ("b", ", owner: me"),
        before="defaults: {owner: all, grace: 5s}\n",
    )
    a, b = read(text).tasks
    assert (a.owner, b.owner, a.grace, b.grace) == ("all", "me", 5.0, 5.0)


def test_an_own_key_replaces_the_default_as_a_whole():
    text = tasks(
        CRON % ("a", ", env: {B: b}, output: {keep: 3}"),
        before="defaults: {env: {A: a}, output: {max_size: 1MiB}}\n",
    )
    task = only_task(text)
    assert (task.env, task.output) == ((("B", "b"),), Output(keep=3))


def test_a_default_that_is_not_for_the_type_of_a_task_is_not_applied():
    text = tasks(
        CRON % ("a", ""),
        "{name: b, command: x, type: daemon}",
        before="defaults: {catch_up: last, restart: {delay: 5s}, timezone: Asia/Tokyo}\n",
    )
    a, b = read(text).tasks
    assert (a.catch_up, a.restart, a.timezone) == (CatchUp.LAST, Restart(), "Asia/Tokyo")
    assert (b.catch_up, b.restart, b.timezone) == (CatchUp.NONE, Restart(delay=5.0), "UTC")


@pytest.mark.parametrize(
    ("key", "kind"),
    [(k, "daemon") for k in ("schedule: '* * * * *'", "overlap: skip", "catch_up: none",
      "start_within: 1m", "timezone: UTC")] + [("restart: {delay: 1s}", "cron")],
)  # fmt: skip
def test_a_key_without_effect_on_the_type_of_its_task_is_refused(key, kind):
    lines = [f"type: {kind}", key, *(["schedule: '* * * * *'"] if kind == "cron" else [])]
    name = key.partition(":")[0]
    (problem,) = refused(f"tasks: [{{name: a, command: x, {', '.join(lines)}}}]")
    assert problem.message == f"'{name}' has no effect on a {kind} task"


def test_type_and_schedule_and_command_may_be_defaults():
    before = "defaults: {type: daemon, command: x}\n"
    assert only_task(tasks("{name: a}", before=before)).type is TaskType.DAEMON
    before = "defaults: {schedule: '@daily', command: [x]}\n"
    assert only_task(tasks("{name: a}", before=before)).command == ("x",)


def test_defaults_may_stand_after_the_tasks_and_groups_too():
    text = tasks("{name: a, hosts: [web]}") + (
        "groups: {web: [10.0.0.1]}\ndefaults: {type: daemon, command: x}\n"
    )
    assert only_task(text).hosts == ("web",)


@pytest.mark.parametrize(
    ("defaults", "messages"),
    [
        ("{name: a}", ["'name' cannot have a default"]),
        ("{nam: a}", ["unknown key 'nam' in 'defaults', did you mean 'name'?"]),
        ("{max: 0}", ["'max' must be a whole number from 1 to 10 000, not the number 0"]),
        (
            "{on_failure: [ops]}",
            ["'on_failure': unknown channel 'ops'"],
        ),
        ("[]", ["'defaults' must be a mapping of task keys, not an empty list"]),
        ("{schedule: '* *'}", ["'schedule' '* *': 2 fields; an expression has 5 or 6"]),
    ],
)
def test_a_bad_default_is_told_once_at_its_own_place(defaults, messages):
    text = tasks(*(CRON % (f"t{n}", "") for n in range(3)), before=f"defaults: {defaults}\n")
    problems = refused(text)
    assert [each.message for each in problems] == messages
    assert {each.line for each in problems} == {1}


@pytest.mark.parametrize("bad", ["owner: 3", "ownr: x", "max: 0"])
def test_from_a_bad_default_no_missing_key_follows(bad):
    before = f"defaults: {{command: x, schedule: '@daily', {bad}}}\n"
    assert len(refused(tasks("{name: a}", "{name: b}", before=before))) == 1
    before = f"defaults: {{command: x, type: daemon, {bad}}}\n"
    assert len(refused(tasks("{name: a}", before=before))) == 1


def test_a_bad_default_schedule_is_told_once():
    before = "defaults: {command: x, schedule: '99 * * * *'}\n"
    assert len(refused(tasks("{name: a}", "{name: b}", before=before))) == 1


def test_what_defaults_add_to_all_tasks_together_has_a_limit(monkeypatch):
    monkeypatch.setattr(build, "MERGED", 100)
    before = "defaults: {env: {A: a, B: b}}\n"
    ok = tasks(*(f"{{name: t{n}, type: daemon, command: x}}" for n in range(20)), before=before)
    assert read(ok).total == 20
    more = tasks(*(f"{{name: t{n}, type: daemon, command: x}}" for n in range(21)), before=before)
    (problem,) = refused(more)
    assert problem.message.endswith("values, with 'defaults' in each task")
    assert (problem.line, problem.key) == (23, "defaults")


def test_the_expressions_of_a_file_have_a_limit(monkeypatch):
    monkeypatch.setattr(build, "EXPRESSIONS", 2)
    assert read(tasks(CRON % ("a", ""), CRON % ("b", ""))).total == 2
    (problem,) = refused(tasks(CRON % ("a", ""), CRON % ("b", ""), CRON % ("c", "")))
    assert (problem.message, problem.line) == ("more than 2 expressions in the file", 4)


# ── groups ──────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_group_suggests_the_nearest_one():
    text = tasks(CRON % ("a", ", hosts: [wbe]"), before="groups: {web: [10.0.0.1]}\n")
    (problem,) = refused(text)
    assert problem.message.endswith(
        "neither an address, a network nor a group, did you mean 'web'?"
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("{web: 10.0.0.1}", "'groups.web' must be a list of addresses and networks"),
        ("{web: [batch], batch: [10.0.0.1]}", "the group 'web' contains 'batch'"),
        ('{web: ["!10.0.0.1"]}', "the group 'web' excludes '10.0.0.1'"),
        ("{web: [10.0.0.1/33]}", "'groups': '10.0.0.1/33' is not a network"),
        ("{10web: [10.0.0.1]}", "bad group name '10web'"),
        ("{no: [10.0.0.1]}", "'groups': the name 'no' without quotes is a boolean, not text"),
        ('{"a b": [10.0.0.1]}', "bad group name 'a b'"),
        ("{web: [null]}", "'groups.web' must be an address or a network, not null"),
        ("[web]", "'groups' must be a mapping of group names to lists"),
    ],
)
def test_a_bad_group_is_refused(groups, message):
    (problem,) = refused(f"groups: {groups}\ntasks: []\n")
    assert problem.message.startswith(message)
    assert (problem.line, problem.key) == (1, "groups")


def test_an_empty_group_is_a_warning():
    (warning,) = read("groups: {web: []}\ntasks: []\n").problems
    assert (warning.message, warning.warning) == ("the group 'web' is empty", True)


@pytest.mark.parametrize("entry", ["127.0.0.1", '"::1"', "0.0.0.0", "224.0.0.1", '"ff02::1"'])
def test_an_address_that_no_host_has_is_a_warning(entry):
    (warning,) = read(tasks(CRON % ("a", f", hosts: [{entry}]"))).problems
    assert "matches no host" in warning.message


# ── this host's part ────────────────────────────────────────────────────────────────────────


def test_the_tasks_are_those_of_the_host_and_all_are_counted_and_checked():
    text = tasks(
        CRON % ("a", ", hosts: [10.0.0.1]"),
        CRON % ("b", ", hosts: [web]"),
        CRON % ("c", ""),
        CRON % ("d", ', hosts: ["!web"]'),
        before="groups: {web: [10.0.0.2, 10.1.0.0/16]}\n",
    )
    mine = [ipaddress.ip_address("10.1.2.3")]
    file = read(text, only_for=mine)
    assert ([each.name for each in file.tasks], file.total) == (["b", "c"], 4)
    assert [each.name for each in read(text).tasks] == ["a", "b", "c", "d"]
    assert [each.name for each in read(text, only_for=[]).tasks] == ["c", "d"]
    assert refused(
        text.replace("'* * * * *', hosts: [10.0.0.1]", "'* *', hosts: [10.0.0.1]"), only_for=mine
    )


def test_a_later_problem_of_a_task_is_placed_where_its_key_is_written():
    text = "defaults:\n  cwd: /nowhere\ntasks:\n  - name: a\n    type: daemon\n    command: x\n"
    file = read(text)
    (task,) = file.tasks
    places = {key: file.problem(task, key, "m").place() for key in ("cwd", "command", "shell")}
    assert places == {
        "cwd": "tasks.yaml:2:8",
        "command": "tasks.yaml:6:14",
        "shell": "tasks.yaml:4:5",
    }


# ── digests ─────────────────────────────────────────────────────────────────────────────────

BASE = "name: a\n    command: x\n    schedule: '* * * * *'\n"


def digest(lines: str, before: str = "") -> str:
    return only_task(f"{before}tasks:\n  - {lines}").digest


@pytest.mark.parametrize(
    "same",
    [
        "name: a   # a comment\n    command: x\n\n    schedule: '* * * * *'\n",
        "schedule: '* * * * *'\n    command: 'x'\n    name: \"a\"\n",
        BASE + "    max: 1\n    overlap: skip\n    grace: 10s\n    enabled: true\n    type: cron\n",
        BASE + "    output: {keep: 50, max_size: 16MiB}\n    success_codes: [0]\n    env: {}\n",
        BASE + "    grace: 10000ms\n    timezone: UTC\n",
        "name: a\n    command: x\n    schedule: ['* * * * *']\n",
    ],
)
def test_the_same_definition_has_the_same_digest_however_it_is_written(same):
    assert digest(same) == digest(BASE)
    assert digest(same, before="# above\n\ngroups: {}\n") == digest(BASE)


@pytest.mark.parametrize(
    "change",
    "max: 2;overlap: queue;grace: 11s;timeout: 1m;enabled: false;user: root;group: adm;cwd: /;"
    "umask: '027';nice: 0;shell: /bin/sh;env: {A: b};env_file: /x;owner: me;description: d;"
    "labels: {a: b};output: {keep: 3};hosts: [10.0.0.1];success_codes: [0, 1];"
    "timezone: Asia/Tokyo;catch_up: last;start_within: 2m".split(";"),
)
def test_any_change_of_the_definition_changes_the_digest(change):
    assert digest(BASE + f"    {change}\n") != digest(BASE)


@pytest.mark.parametrize(("old", "new"), [("name: a", "name: b"), ("x", "[x]"), ("'* *", "'5 *")])
def test_a_change_of_a_required_key_changes_the_digest(old, new):
    assert digest(BASE.replace(old, new)) != digest(BASE)


def test_a_default_that_is_changed_changes_the_digest_of_its_tasks():
    assert digest(BASE, before="defaults: {grace: 5s}\n") != digest(BASE)
    assert digest(BASE, before="defaults: {grace: 10s}\n") == digest(BASE)


def test_the_order_of_variables_is_part_of_the_definition():
    one, other = BASE + "    env: {A: a, B: b}\n", BASE + "    env: {B: b, A: a}\n"
    assert digest(one) != digest(other)


def test_the_digest_is_the_same_in_every_process():
    text = file_with("env: {A: a}\nlabels: {x: z}\nsuccess_codes: [3, 1, 2]\noverlap: queue")
    program = (
        "import sys; from torch.taskfile.parse import parse\n"
        "print(parse(sys.stdin.buffer.read(), file='f', host_zone='UTC').tasks[0].digest)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {only_task(text).digest}


def test_the_line_of_a_task_is_no_part_of_its_equality():
    a, b = only_task(file_with("")), only_task("# above\n" + file_with(""))
    assert (a.line, b.line) == (2, 3)
    assert a == b


# ── environments and users ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", "LD_PRELOAD LD_LIBRARY_PATH BASH_ENV IFS PYTHONPATH BASH_FUNC_x ENV PERL5LIB".split()
)
def test_a_variable_that_loads_foreign_code_is_refused_together_with_a_user(name):
    (problem,) = refused(file_with(f"user: root\nenv: {{{name}: x}}"))
    assert problem.message == f"'env': {name} is refused together with 'user'"
    assert (problem.line, problem.key) == (6, "env")
    assert task_with(f"env: {{{name}: x}}").env == ((name, "x"),)


def test_a_user_in_defaults_refuses_the_variables_of_a_task():
    text = tasks(CRON % ("a", ", env: {LD_PRELOAD: x}"), before="defaults: {user: root}\n")
    assert [each.line for each in refused(text)] == [3]


@pytest.mark.parametrize("name", ["TORCH_TASK", "TORCH_", "TORCH_ANYTHING"])
def test_a_variable_that_torch_sets_itself_is_refused(name):
    (problem,) = refused(file_with(f"env: {{{name}: x}}"))
    assert problem.message == f"'env': '{name}' is reserved: Torch sets all TORCH_… variables"


@pytest.mark.parametrize("name", ["1A", "A-B", "A B", "A=B", "é", ""])
def test_a_name_that_no_variable_can_have_is_refused(name):
    (problem,) = refused(file_with(f'env: {{"{name}": x}}'))
    assert "is not a valid variable name" in problem.message


# ── secrets ─────────────────────────────────────────────────────────────────────────────────


def test_a_secret_in_a_command_is_a_warning_that_does_not_repeat_it():
    (warning,) = read(tasks("{name: a, type: daemon, command: x --password hunter2}")).problems
    assert "(--password)" in warning.message
    assert "hunter2" not in warning.message + warning.hint
    assert (warning.line, warning.column, warning.warning) == (2, 38, True)


def test_a_secret_in_the_default_command_is_told_once():
    before = "defaults: {command: x --password hunter2, type: daemon}\n"
    (warning,) = read(tasks("{name: a}", "{name: b}", before=before)).problems
    assert warning.line == 1


def test_bytes_are_read_as_they_are():
    data = b"tasks: []\r\n"
    assert parse(data, file="f").hash == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("user: root\nprivileges: keep", "'privileges: keep' lets set-uid programs"),
        ("privileges: keep", "'privileges: keep' has no effect without 'user'"),
    ],
)
def test_privileges_that_are_kept_are_warned_of_at_their_line(keys, message):
    file = examine(file_with(keys).encode(), file="tasks.yaml")
    (problem,) = file.problems
    assert problem.warning and problem.key == "privileges"
    assert problem.message.startswith(message)
    assert file.tasks[0].privileges is Privileges.KEEP


@pytest.mark.parametrize("keys", ["user: root\nprivileges: drop", "user: root", "privileges: drop"])
def test_privileges_that_are_dropped_need_no_word(keys):
    file = examine(file_with(keys).encode(), file="tasks.yaml")
    assert file.problems == () and file.tasks[0].privileges is Privileges.DROP


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        ("/usr/share/zoneinfo/Asia/Tokyo", "not the path", "use Asia/Tokyo"),
        (":/etc/localtime", "not the path", "use a name such as"),
        (":Asia/Tokyo", "not the path", "use Asia/Tokyo"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "not the rule", "only TZ of the whole service"),
        ("EST5", "not the rule", "use a name such as"),
        ("localtime", "is needed, not", "remove 'timezone' to use the host's zone"),
        ("local (/etc/passwd 00000000)", "unknown time zone", "use a name such as"),
    ],
)
def test_a_timezone_that_is_a_path_or_a_rule_is_refused_with_the_way_out(said, what, hint):
    (problem,) = refused(file_with(f"timezone: '{said}'"))
    assert what in problem.message and problem.message.startswith("'timezone': ")
    assert repr(said) in problem.message and hint in problem.hint


def test_the_zone_of_the_host_may_be_a_rule():
    (task,) = read(tasks('{name: t, command: x, schedule: "0 3 * * *"}'), host_zone="EST5").tasks
    assert task.timezone == "EST5"


def test_what_many_tasks_say_is_held_once():
    said = 'schedule: "5 4 * * *", command: [make, backup], user: www, env: {LANG: C}, owner: ops'
    one, other = read(f"tasks:\n  - {{name: a, {said}}}\n  - {{name: b, {said}}}\n").tasks
    for key in ("schedule", "command", "user", "env", "owner", "timezone"):
        assert getattr(one, key) is getattr(other, key)
    assert (one.name, other.name) == ("a", "b")
