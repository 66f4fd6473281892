"""What the lines of a crontab become."""

from __future__ import annotations

import subprocess

import pytest

from tests.importing.making import DATA, HOST, composed, from_crontab, only, reviews, tasks_of, told
from torch.errors import TaskFileError
from torch.importing import cron_entry, crontab, guards
from torch.importing.crons import Cron, of_paths


def task(line: str, **options):
    return only(from_crontab(line + "\n", **options))


# ── settings ──────────────────────────────────────────────────────────────────────────────


def test_a_setting_holds_for_the_lines_under_it():
    tasks = tasks_of(from_crontab("""
        0 1 * * * one
        STAGE=live
        0 2 * * * two
        STAGE=test
        0 3 * * * three
    """))  # fmt: skip
    assert [dict(task.env).get("STAGE") for task in tasks.values()] == [None, "live", "test"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  A = b c  ", "b c"),
        ('A = "  b  "', "  b"),  # as Debian's cron: what quotes keep behind is cut all the same
        ("A='b # c'", "b # c"),
        ('"A" = b', "b"),
        ("A=''", ""),
        ("A=b=c", "b=c"),
        ("A=$HOME/x", "$HOME/x"),
        ("A=é", "é"),
    ],
)
def test_a_value_is_read_as_cron_reads_it(line, value):
    assert dict(only(from_crontab(f"{line}\n0 1 * * * x\n")).env)["A"] == value


def test_a_line_that_only_looks_like_a_setting_is_an_entry():
    assert task("@daily A=b run").command == "A=b run"
    assert told(from_crontab("A=b' c'\n'A=b\n")) == [
        "alice.crontab:2: it has 1 of the 5 fields and no command"
    ]


def test_shell_and_home_are_keys_of_their_own():
    found = only(from_crontab("SHELL=/bin/bash\nHOME=/srv/shop\n0 1 * * * x\n"))
    assert (found.shell, found.cwd) == ("/bin/bash", "/srv/shop")
    assert dict(found.env) == {"HOME": "/srv/shop"}
    assert task("0 1 * * * x").shell is None


def test_cron_tz_moves_the_times_where_the_cron_looks_at_it():
    text = "CRON_TZ=Asia/Tokyo\nTZ=America/Lima\n0 1 * * * x\n"
    cronies = from_crontab(text, cron=Cron.CRONIE)
    assert only(cronies).timezone == "Asia/Tokyo"
    assert dict(only(cronies).env) == {"TZ": "America/Lima"}
    assert "cronie reads the times under it in this zone, and so does Torch" in reviews(cronies)
    debians = from_crontab(text)
    assert only(debians).timezone == only(from_crontab("0 1 * * * x\n")).timezone
    assert dict(only(debians).env) == {"CRON_TZ": "Asia/Tokyo", "TZ": "America/Lima"}
    assert "CRON_TZ=Asia/Tokyo: Debian's cron ignores it" in reviews(debians)
    assert "import it with --cron cronie" in reviews(debians)


@pytest.mark.parametrize(
    ("paths", "cron"),
    [
        (["/var/spool/cron/crontabs/alice", "/etc/crontab"], Cron.DEBIAN),
        (["/etc/cron.d/x", "/var/spool/cron/alice"], Cron.CRONIE),
        (["old/var/spool/cron/tabs/alice"], Cron.CRONIE),
        (["/etc/crontab", "alice", "-"], None),
        (["/var/spool/cron/crontabs/alice", "b/var/spool/cron/alice"], None),
        (["/srv/cron/alice"], None),
    ],
)
def test_the_spool_says_whose_cron_it_is(paths, cron):
    assert of_paths(paths) == cron


def test_mailto_is_told_and_no_variable_unless_the_command_asks_for_it():
    page = from_crontab("MAILTO=ops@shop.example\n0 1 * * * x\n")
    assert "MAILTO=ops@shop.example: cron mailed all output to this address" in reviews(page)
    assert only(page).env == ()
    asking = only(from_crontab('MAILTO=ops\n0 1 * * * notify "$MAILTO"\n'))
    assert dict(asking.env) == {"MAILTO": "ops"}


def test_a_setting_that_no_line_uses_stays_as_a_comment():
    page = from_crontab("0 1 * * * x\nLATE=1\n")
    assert "# LATE=1   (no line below it uses it)" in page.text
    assert only(page).env == ()


def test_a_setting_whose_only_line_is_not_mapped_stays_as_a_comment_too():
    assert "# LATE=1   (no line below it" in from_crontab("LATE=1\n99 1 * * * x\n").text


def test_a_comment_on_a_setting_stays_with_it():
    assert (
        "  # How many.\n  # COUNT=3\n" in from_crontab("# How many.\nCOUNT=3\n0 1 * * * x\n").text
    )


def test_a_variable_that_could_load_code_is_set_in_the_command_of_another_user():
    found = task("PYTHONPATH=/srv/it's\n0 1 * * * x")
    assert found.env == ()
    assert found.command == "export PYTHONPATH='/srv/it'\\''s'\nx"
    assert found.user == "alice"
    roots = task("PYTHONPATH=/srv\n0 1 * * * x", owner="root")
    assert (roots.command, roots.env) == ("x", (("PYTHONPATH", "/srv"),))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SHELL=bash", "SHELL is not an absolute path"),
        ("HOME=shop", "HOME is not an absolute path"),
        ("A-B=1", "'A-B' cannot be the name of a variable in a task"),
        ("TORCH_X=1", "'TORCH_X' cannot be the name of a variable in a task"),
        ("CRON_TZ=Mars/Olympus", "'Mars/Olympus' is not a time zone of this host"),
    ],
)
def test_a_setting_without_a_place_is_listed_and_the_rest_is_written(line, reason):
    page = from_crontab(f"{line}\n0 1 * * * x\n", cron=Cron.CRONIE)
    assert told(page) == [f"alice.crontab:1: {reason}"]
    assert f"#     {line}\n" in page.text
    assert list(tasks_of(page)) == ["x"]


# ── times ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("61 * * * * x", "minute '61' is out of range; allowed is 0-59"),
        ("0 22-5 * * * x", "hour '22-5' runs backwards; allowed is 0-23; write 22-23,0-5"),
        ("0 0 30 2 * x", "it can never fire: month '2' has no day '30'"),
        ("@sometimes x", "unknown macro '@sometimes'"),
        ("* * * *", "it has 4 of the 5 fields and no command"),
        ("0 0 * * *", "it has no command"),
        ("@daily", "it has no command"),
        ("hello", "it has 1 of the 5 fields and no command"),
        ("0 0 * * * a\0b", "it contains a NUL character"),
    ],
)
def test_an_entry_that_cannot_be_mapped_stays_as_a_comment_with_the_reason(line, reason):
    page = from_crontab(f"{line}\n0 1 * * * x\n")
    (found,) = told(page)
    assert found.startswith(f"alice.crontab:1: {reason}")
    assert reason in reviews(page)
    assert line.replace("\0", "\\x00") in page.text
    assert list(tasks_of(page)) == ["x"]


def test_bytes_that_are_not_utf_8_are_listed_and_break_nothing_else():
    page = from_crontab(b"0 1 * * * echo caf\xe9\n0 2 * * * echo caf\xc3\xa9\n")
    assert told(page) == [
        "alice.crontab:1: its byte 0xe9 is not UTF-8, but a task file must be UTF-8"
    ]
    assert [task.command for task in tasks_of(page).values()] == ["echo café"]


@pytest.mark.parametrize(
    ("line", "review"),
    [
        ("1/5 * * * * x", "Debian's cron refuses a crontab with '1/5' in it"),
        ("0 0 L * * x", "Debian's cron refuses a crontab with 'L' in it"),
        ("@Daily x", "Debian's cron does not know @Daily"),
        ("0 0 * * sat-sun x", "'sat-sun' matches nothing in Debian's cron"),
        ("-0 0 * * * x", "the - before the time: some crons (not Debian's) then do not log"),
        (r"0 0 * * * sed s/\\n/x/", "Debian's cron replaces two backslashes by one"),
        ("0 0 * * * " + "x" * 999, "refuses a command of more than 998 characters"),
        ("0 0 * * * sudo -n x", "cannot gain privileges, which 'sudo' may need"),
        ("0 0 * * * x | /usr/bin/mail -s x y", "cannot gain privileges, which 'mail' may need"),
    ],
)
def test_what_another_cron_means_or_refuses_is_a_review(line, review):
    page = from_crontab(line + "\n")
    assert review in reviews(page)
    only(page)


def test_a_last_line_without_a_line_end_is_mapped_with_a_review():
    page = from_crontab(b"0 1 * * * one\n0 2 * * * two")
    assert list(tasks_of(page)) == ["one", "two"]
    assert page.text.count("cron ignores a last line without a line end") == 1


def test_a_last_line_without_a_line_end_hides_no_cr_lf():
    page = from_crontab(b"0 1 * * * one\r\n0 2 * * * two")
    assert [task.command for task in tasks_of(page).values()] == ["one", "two"]
    assert "CR LF" in reviews(page)
    assert only(from_crontab(b"0 1 * * * one\r")).command == "one\r"  # no line end at all


def test_a_cr_of_some_lines_alone_is_the_commands_as_under_cron():
    page = from_crontab(b"0 1 * * * one\r\n0 2 * * * two\n")
    assert [task.command for task in tasks_of(page).values()] == ["one\r", "two"]
    assert page.text.count("the line ends in CR LF: like cron, Torch passes") == 1


def test_lines_that_all_end_in_cr_lf_lose_the_cr():
    page = from_crontab(b"# a note\r\n\r\nA=b\r\n0 1 * * * one\r\n")
    assert only(page).command == "one"
    assert only(page).env == (("A", "b"),)
    assert "CR LF" in reviews(page)


# ── users and homes ───────────────────────────────────────────────────────────────────────


def test_the_users_home_is_where_it_runs():
    assert task("0 1 * * * x").cwd == "/home/alice"
    assert task("0 1 * * * x", owner="root").cwd == "/root"
    page = from_crontab("0 1 * * * x\n", owner="backup")
    assert only(page).cwd is None
    assert "cron ran it in the home of backup, which does not exist on this host" in reviews(page)


def test_without_an_owner_the_page_says_how_to_name_one():
    page = from_crontab("0 1 * * * x\n", file="some")
    assert (only(page).user, only(page).cwd) == (None, None)
    assert "import with --user NAME" in reviews(page)


@pytest.mark.parametrize(
    ("file", "user", "command"),
    [
        ("/etc/crontab", "www-data", "run it"),
        ("/etc/cron.d/shop", "www-data", "run it"),
        ("/mnt/old/etc/cron.d/shop", "www-data", "run it"),
        ("/var/spool/cron/crontabs/alice", "alice", "www-data run it"),
        ("/var/spool/cron/alice", "alice", "www-data run it"),
        ("saved", "www-data", "run it"),
    ],
)
def test_the_place_of_a_file_or_its_lines_say_whether_it_has_a_user_column(file, user, command):
    found = only(from_crontab("0 1 * * * www-data run it\n", file=file))
    assert (found.user, found.command) == (user, command)


def test_a_word_that_is_a_program_too_makes_no_user_column():
    assert only(from_crontab("0 1 * * * backup --all\n", file="saved")).command == "backup --all"
    assert only(from_crontab("0 1 * * * root\n", file="saved")).command == "root"


def test_a_line_that_is_not_mapped_does_not_hide_the_user_column():
    page = from_crontab("99 1 * * * root x\n0 1 * * * www-data run it\n", file="saved")
    assert [task.user for task in tasks_of(page).values()] == ["www-data"]
    assert "the sixth word of each line is a user" in reviews(page)


def test_the_caller_knows_better_than_the_guess():
    line = "0 1 * * * www-data run it\n"
    assert only(from_crontab(line, file="/etc/crontab", column=False)).command == "www-data run it"
    assert only(from_crontab(line, file="x", column=True)).user == "www-data"


def test_root_in_the_user_column_is_left_to_the_service():
    page = from_crontab("0 1 * * * root run it\n", file="/etc/crontab")
    assert only(page).user is None
    assert "root's lines have no 'user'" in reviews(page)


def test_a_user_without_a_command_is_listed():
    page = from_crontab("0 1 * * * www-data\n", file="/etc/crontab")
    assert told(page) == ["/etc/crontab:1: it has a user, but no command"]


def test_a_single_entry_of_a_package_has_the_packages_name():
    line = "0 1 * * * root test -x /usr/bin/x && /usr/bin/x\n"
    assert only(from_crontab(line, file="/etc/cron.d/shop")).name == "shop"


# ── comments ──────────────────────────────────────────────────────────────────────────────


def test_the_comment_directly_above_an_entry_is_its_description():
    page = from_crontab("""
        # About the file.

        # Not this.
        #
        # Says hello,
        #   twice.
        # m h dom mon dow command
        0 1 * * * x

        # The end.
    """)  # fmt: skip
    assert only(page).description == "Says hello, twice."
    for line in ("About the file.", "Not this.", "m h dom mon dow command", "The end."):
        assert f"  # {line}\n" in page.text


def test_an_entry_that_was_commented_out_is_no_description():
    page = from_crontab("# Every hour.\n#0 * * * * y\n0 1 * * * x\n")
    assert only(page).description == ""
    assert "  # Every hour.\n  # 0 * * * * y\n" in page.text
    for entry in ("@daily y", "@every 90s y", "*/2 * * * * * * y"):
        assert only(from_crontab(f"#{entry}\n0 1 * * * x\n")).description == ""


def test_rows_of_signs_stay_and_describe_nothing():
    page = from_crontab("###########\n## Night ##\n###########\n0 1 * * * x\n")
    assert "  # ##########\n  # # Night ##\n  # ##########\n" in page.text
    assert only(page).description == ""
    assert only(from_crontab("## Night\n0 1 * * * x\n")).description == "Night"


HEADER = """\
# DO NOT EDIT THIS FILE - edit the master and reinstall.
# (/tmp/crontab.Xq9HbS/crontab installed on Mon Nov 23 10:11:12 2026)
# (Cron version -- $Id: crontab.c,v 2.13 1994/01/17 03:20:37 vixie Exp $)
"""
TEMPLATE = """\
# Edit this file to introduce tasks to be run by cron.
#
# Each task to run has to be defined through a single line
# indicating with different fields when the task will be run
# and what command to run for the task
#
# To define the time you can provide concrete values for
# minute (m), hour (h), day of month (dom), month (mon),
# and day of week (dow) or use '*' in these fields (for 'any').
#
# Notice that tasks will be started based on the cron's system
# daemon's notion of time and timezones.
#
# Output of the crontab jobs (including errors) is sent through
# email to the user the crontab file belongs to (unless redirected).
#
# For example, you can run a backup of all your user accounts
# at 5 a.m every week with:
# 0 5 * * 1 tar -zcf /var/backups/home.tgz /home/
#
# For more information see the manual pages of crontab(5) and cron(8)
#
"""
HEADING = "# m h  dom mon dow   command\n"


@pytest.mark.parametrize(
    "above", [HEADER, TEMPLATE, HEADER + TEMPLATE, HEADER + TEMPLATE + HEADING, HEADER + HEADING,
              *(line + "\n" for line in (HEADER + TEMPLATE).splitlines())],
)  # fmt: skip
def test_what_cron_writes_into_a_crontab_describes_no_task(above):
    assert only(from_crontab((above + "0 1 * * * x\n").encode())).description == ""
    said = from_crontab((above + "# Says hello.\n0 1 * * * x\n").encode())
    assert only(said).description == "Says hello."
    assert "  # DO NOT EDIT" not in said.text


def test_the_comment_of_an_entry_that_is_not_mapped_stays_above_it():
    page = from_crontab("# Too late.\n99 * * * * x\n")
    assert page.text.index("# Too late.") < page.text.index("# review: not imported")
    assert page.tasks == 0


# ── the whole page ────────────────────────────────────────────────────────────────────────


def test_a_users_crontab_becomes_a_page_to_read():
    page = composed(
        crontab.read((DATA / "alice.crontab").read_bytes(), file="a", host=HOST, owner="alice")
    )
    tasks = tasks_of(page)
    assert list(tasks) == [
        "shop-remind", "shop-report", "cat", "shop-warm-up", "backup-full", "backup-archive",
        "tee", "shop-stock",
    ]  # fmt: skip
    assert page.text.startswith("# yaml-language-server: $schema=")
    assert "\ndefaults:\n  user: alice\n  cwd: /home/alice\n\ntasks:\n" in page.text
    assert '    schedule: "30 8 * * mon-fri"\n' in page.text
    assert tasks["shop-remind"].description == "Sends the reminders. Only on working days."
    assert dict(tasks["tee"].env)["LABEL"] == "  two blanks in front"
    assert all(len(line) <= 100 for line in page.text.split("\n"))


def test_nothing_to_map_is_a_file_without_tasks():
    page = composed(
        crontab.read((DATA / "odd.crontab").read_bytes(), file="odd", host=HOST, owner="alice",
                     cron=Cron.CRONIE)
    )  # fmt: skip
    assert [each.line for each in page.unmapped] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert list(tasks_of(page)) == ["good"]
    assert tasks_of(page)["good"].timezone == "Europe/Berlin"
    assert "tasks: []" in from_crontab("# nothing\n").text


def test_what_holds_for_all_lines_is_said_once():
    page = from_crontab("".join(f"{minute} 1 * * * x{minute}\n" for minute in range(20)))
    assert reviews(page).count("in cron, runs of a line can overlap") == 1
    assert reviews(page).count("cron mails the output of commands") == 1
    assert page.reviews < 10


# ── the percent sign ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize(
    ("command", "printed"),
    [
        (r"date -d @0 -u +\%F", "1970-01-01\n"),
        ("cat -n%one%two", "     1\tone\n     2\ttwo\n"),
        ("cat%%", "\n"),
        ("cat%", ""),
        (r"cat%100\% of $HOME `x` 'y'", "100% of $HOME `x` 'y'\n"),
        ("read a; echo got $a; cat%one%two", "got one\ntwo\n"),
        ("cat%END-OF-INPUT%two", "END-OF-INPUT\ntwo\n"),
        (r"cat%a\b\\c", "a\\b\\\\c\n"),
        ("cat # a comment%in", "in\n"),
    ],
)
def test_a_shell_does_with_the_command_what_cron_would_have_made_it_do(shell, command, printed):
    command = only(from_crontab(f"SHELL={shell}\n0 1 * * * {command}\n")).command
    assert isinstance(command, str)
    done = subprocess.run(
        [shell, "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=True, timeout=30,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (printed, "")


def test_input_that_a_shell_cannot_be_given_is_listed():
    page = from_crontab("SHELL=/usr/bin/fish\n0 1 * * * cat%one\n")
    assert told(page) == [
        "alice.crontab:2: its input (%) cannot be set inside a command for /usr/bin/fish"
    ]


def test_what_runs_twice_after_a_move_is_a_review():
    page = from_crontab("@reboot /usr/local/bin/warm-up\n")
    assert "also at the first start of Torch" in reviews(page)


@pytest.mark.parametrize(
    ("command", "guard"),
    [
        ("[ -x /usr/lib/x ] && /usr/lib/x", "[ -x /usr/lib/x ]"),
        ("command -v sa1 > /dev/null && sa1 1 1", "command -v sa1 > /dev/null"),
        ("test -x /x -a ! -d /run/x && x -q", "test -x /x -a ! -d /run/x"),
        ("[ -x /a ] && [ -f /b ] && a /b && c", "[ -x /a ] && [ -f /b ]"),
        ("cd /srv && ./backup", ""),
        ("test -x /usr/sbin/anacron || { cd / && run-parts /x; }", ""),
    ],
)
def test_a_guard_gets_the_line_that_hides_no_failure_of_the_program(command, guard):
    assert guards.of(command) == guard
    said = reviews(from_crontab(f"0 1 * * * {command}\n"))
    assert "success_codes" not in said
    assert ("if its guard" in said) == bool(guard)
    assert f"'{guard} || exit 0'" in said or not guard


@pytest.mark.parametrize(
    ("guard", "rest", "code"),
    [
        ("[ -x /nowhere ]", "/nowhere", 0),  # there is nothing to do
        ("[ -x /bin/sh ] && [ -x /nowhere ]", "x", 0),
        ("[ -x /bin/sh ]", "exit 1", 1),
        ("[ -x /bin/sh ]", "no-such-program", 127),
        ("[ -x /bin/sh ] && [ -d / ]", "true", 0),
    ],
)
def test_the_command_that_the_review_tells_to_write_fails_only_if_its_program_does(
    guard, rest, code
):
    command = f"{guards.of(f'{guard} && {rest}')} || exit 0\n{rest}"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=30, check=False)
    assert done.returncode == code


# ── more than five fields, and other crons' files ─────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "schedule", "command"),
    [
        ("*/2 * * * * * * ls", "*/2 * * * * *", "ls"),
        ("0 30 3 * * mon-fri * ls -l", "30 3 * * mon-fri", "ls -l"),
        ("30 3 * * 1 * date +%F", "30 3 * * 1", "date +%F"),  # % means nothing there
        ("0 0 3 */2 * 5 * x", "0 3 1-31/2 * 5", "x"),  # either of the two is enough there
        ("0 0 3 13 * */2 * x", "0 3 13 * 0-6/2", "x"),
        ("0 0 3 * * 1/2 * x", "0 3 * * 1-6/2", "x"),
        ("0 0 3 */2 * * * x", "0 3 */2 * *", "x"),
        ("0 30 3 * * 1 x", "0 30 3 * * 1", "x"),  # a second in front, as elsewhere
        ("0 30 3 * * mon-fri x", "0 30 3 * * mon-fri", "x"),
        ("@every 1h30m x", "@every 1h30m", "x"),
        ("@every 5m0s x y", "@every 5m0s", "x y"),
        ("@every_minute x", "* * * * *", "x"),
    ],
)
def test_times_that_debians_cron_does_not_know_are_mapped_with_a_review(line, schedule, command):
    page = from_crontab(line + "\n")
    found = only(page)
    assert (found.schedule[0].text, found.command) == (schedule, command)
    assert page.text.count("  # review: ") == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0 3 1 1 * 2030 x", "year '2030': a schedule cannot have a year"),
        ("0 3 1 1 * 2030-2033 x", "year '2030-2033': a schedule cannot have a year"),
        ("@every 1.5h x", "@every '1.5h' is not a duration"),
        ("@every soon", "@every 'soon' is not a duration"),
        ("* * * * * * *", "it has no command"),
        ("*/5 * * * * *", "it has no command"),
    ],
)
def test_a_time_that_no_expression_can_say_stays_with_the_reason(line, reason):
    page = from_crontab(f"{line}\n0 1 * * * x\n")
    (found,) = told(page)
    assert found.startswith(f"alice.crontab:1: {reason}")


@pytest.mark.parametrize("line", ["0 1 * * * 7z a x", "0 1 * * * 2024", "0 1 * * * mon x",
                                  "0 1 * * * x 2 3", "1 2 3 4 5 ./6"])  # fmt: skip
def test_a_command_that_begins_like_a_field_is_still_the_command(line):
    found = cron_entry.read(line)
    assert found is not None
    assert (found.form, found.rest) == (cron_entry.Form.CRON, line.split(" ", 5)[5])


def test_in_supercronics_file_a_setting_holds_for_all_lines_as_it_was_set_last():
    page = from_crontab("A=1\n0 1 * * * * x\n# why\nA=2\nB=3\n")
    (found,) = tasks_of(page).values()
    assert dict(found.env) == {"A": "2", "B": "3"}
    assert "why" in page.text


def test_a_file_of_supercronics_is_said_to_be_one():
    said = reviews(from_crontab("CRON_TZ=Asia/Tokyo\n*/2 * * * * * * ls\n"))
    assert "a line has a year, so the whole file is read as supercronic reads it" in said
    assert "supercronic reads the times of the whole file in this zone" in said


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("/etc/anacrontab", "SHELL=/bin/sh\n1\t5\tcron.daily\trun-parts /etc/cron.daily\n"),
        ("-", "RANDOM_DELAY=45\n\n1 5 cron.daily nice x\n@monthly 15 cron.monthly x\n"),
        ("/etc/anacrontab", "# nothing\n"),
    ],
)
def test_an_anacrontab_is_refused_by_name_with_the_way_out(file, text):
    with pytest.raises(TaskFileError) as caught:
        from_crontab(text, file=file)
    (problem,) = caught.value.problems
    assert problem.message.startswith("this is an anacrontab, not a crontab")
    assert "catch_up: last" in problem.hint


def test_a_crontab_that_looks_a_little_like_an_anacrontab_is_read():
    assert only(from_crontab("0 5 L * * x\n")).schedule[0].text == "0 5 L * *"
    assert told(from_crontab("1 5 cron.daily x\n0 1 * * * x\n"))[0].startswith("alice.crontab:1:")


def test_a_crontab_with_more_lines_than_a_task_file_takes_is_not_read_to_its_end(monkeypatch):
    asked: list[object] = []

    def refuse_nothing(keys):
        asked.append(keys)
        return ""

    monkeypatch.setattr(crontab, "ENTRIES", 20)
    monkeypatch.setattr(crontab, "refusal", refuse_nothing)
    data = b"".join(b"0 1 * * * job-%d\n" % number for number in range(500))
    with pytest.raises(TaskFileError) as refused:
        crontab.read(data, file="root", host=HOST)
    assert "more than 20 000 tasks" in refused.value.problems[0].message
    assert len(asked) == 21


def test_empty_comments_are_looked_at_once_each(monkeypatch):
    looks = 0

    class Text(str):
        __slots__ = ()

        def strip(self, chars=None):
            nonlocal looks
            looks += 1
            return super().strip(chars)

        def __str__(self):
            return self

    monkeypatch.setattr("torch.importing.cron_comments.text_of", lambda _: Text(""))
    crontab.read(b"#\n" * 1000, file="root", host=HOST)
    assert looks == 1000
