"""torch import: files in, a task file out."""

from __future__ import annotations

import io
import os
import sys

import pytest

from tests.importing.making import DATA
from torch.cli import run
from torch.cli.moving import files

GOOD = "0 1 * * * echo one\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("TORCH_FILE", "TORCH_STATE_DIR", "TORCH_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def crontab(tmp_path):
    path = tmp_path / "alice"
    path.write_text(GOOD)
    return path


def stdin(monkeypatch, data: bytes):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("kind", ["crontab", "gotorch", "yacron"])
def test_what_import_writes_passes_check(kind, tmp_path, capsys):
    file = {"crontab": "alice.crontab", "gotorch": "gotorch.json", "yacron": "yacron.yaml"}[kind]
    out = tmp_path / "tasks.yaml"
    assert run(["import", kind, str(DATA / file), "-o", str(out)]) in (0, 1)
    said = capsys.readouterr()
    assert said.out == ""
    assert f"next: torch check {out}; torch plan -f {out}" in said.err
    assert out.stat().st_mode & 0o777 == 0o644
    assert run(["check", str(out)]) == 0


def test_without_o_the_file_goes_to_standard_output_and_words_to_standard_error(crontab, capsys):
    assert run(["import", "crontab", str(crontab)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("# yaml-language-server:")
    assert said.out.endswith("    command: echo one\n")
    assert said.err.startswith("1 task, ")


def test_standard_input_is_a_file_named_dash(monkeypatch, capsys):
    stdin(monkeypatch, b"99 1 * * * late\n" + GOOD.encode())
    assert run(["import", "crontab", "-"]) == 1
    said = capsys.readouterr()
    assert "-:1: minute '99' is out of range; allowed is 0-59\n" in said.err
    assert "#     99 1 * * * late\n" in said.out
    assert "1 task, 1 not imported (see the comments)" in said.err


def test_a_file_that_is_there_is_only_replaced_by_force(crontab, tmp_path, capsys):
    out = tmp_path / "tasks.yaml"
    out.write_text("mine")
    out.chmod(0o600)
    assert run(["import", "crontab", str(crontab), "-o", str(out)]) == 64
    assert "already exists" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run(["import", "crontab", str(crontab), "-o", str(out), "--force"]) == 0
    assert "echo one" in out.read_text()
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice", "tasks.yaml"]


def test_a_folder_stands_for_the_crontabs_in_it(tmp_path, capsys):
    folder = tmp_path / "etc" / "cron.d"
    folder.mkdir(parents=True)
    (folder / "b").write_text("0 1 * * * root run b\n")
    (folder / "a").write_text("0 1 * * * root run a\n")
    (folder / "a.dpkg-old").write_text("0 1 * * * root run old\n")
    (folder / ".placeholder").write_text("")
    (folder / "more").mkdir()
    system = tmp_path / "etc" / "crontab"
    system.write_text("0 1 * * * www-data run c\n")
    assert run(["import", "crontab", str(folder), str(system)]) == 0
    page = capsys.readouterr().out
    assert [page.index(f"run {name}") for name in "abc"] == sorted(
        page.index(f"run {name}") for name in "abc"
    )
    assert "user: www-data" in page
    assert "run old" not in page
    joined = " ".join(page.replace("#", " ").split())
    assert "a.dpkg-old was not read: cron ignores files with such a name" in joined


@pytest.mark.parametrize("name", ["cron.d", "crontabs"])
def test_a_file_named_crontab_hides_no_other_file_of_crons_own_directories(name, tmp_path, capsys):
    folder = tmp_path / "etc" / name
    folder.mkdir(parents=True)
    for each in ("alpha", "crontab"):
        (folder / each).write_text(f"0 1 * * * root run-{each}\n")
    assert run(["import", "crontab", str(folder)]) == 0
    page = capsys.readouterr().out
    assert "run-alpha" in page
    assert "run-crontab" in page


def test_a_spool_stands_for_the_crontabs_of_its_users(tmp_path, capsys):
    spool = tmp_path / "spool" / "cron" / "crontabs"
    spool.mkdir(parents=True)
    (spool / "root").write_text("0 1 * * * run a\n")
    (spool / "nobody").write_text("0 1 * * * run b\n")
    (spool / "tmp.x1").write_text("0 1 * * * run c\n")
    assert run(["import", "crontab", str(spool)]) == 0
    page = capsys.readouterr().out
    assert page.count("    user: nobody\n") == 1
    assert page.count("    cwd: /root\n") == 1
    assert "run c" not in page


def test_hosts_are_put_on_every_task(crontab, capsys):
    assert run(["import", "crontab", str(crontab), "--hosts", "10.0.1.0/24, !10.0.1.7"]) == 0
    assert '    hosts: [10.0.1.0/24, "!10.0.1.7"]\n' in capsys.readouterr().out


def test_user_sets_the_user_and_where_it_runs(crontab, capsys):
    assert run(["import", "crontab", str(crontab), "--user", "nobody"]) == 0
    assert "    user: nobody\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["crontab", "/nowhere/crontab"], 64, "/nowhere/crontab cannot be read: no such file"),
        (["crontab"], 64, "Missing argument"),
        (["cron", "-"], 64, "'cron' is not one of"),
        (
            ["gotorch", "-", "--user", "x"],
            64,
            "--user, --user-column and --cron apply only to crontabs",
        ),
        (["crontab", "-", "--user", "x", "--user-column"], 64, "that have no user column"),
        (["crontab", "-", "--force"], 64, "--force needs -o"),
        (["crontab", "-", "--hosts", "web"], 64, "--hosts: 'hosts': 'web' is neither"),
        (["crontab", "10.0.1.11=/nowhere"], 64, "/nowhere cannot be read: no such file"),
        (["crontab", "10.0.1.11="], 64, "10.0.1.11= names no file or directory"),
        (["crontab", "web1=/x"], 64, "'web1' is not an IP address"),
        (["crontab", "10.0.1.0=/x", "10.0.1=/y"], 64, "'10.0.1' is not an IP address"),
        (["crontab", "127.0.0.1=/x"], 64, "127.0.0.1 is not the address of one host"),
        (["crontab", "10.0.1.1=/x", "10.0.1.1=/y"], 64, "10.0.1.1 is given twice: /x, /y"),
        (["crontab", "10.0.1.1=/x", "::ffff:10.0.1.1=/y"], 64, "10.0.1.1 is given twice"),
        (["crontab", "10.0.1.1=/x", "/y"], 64, "/y has no HOST=, the others have"),
        (["crontab", "10.0.1.0/24=/x"], 64, "'10.0.1.0/24' is not an IP address"),
        (
            ["crontab", "10.0.1.1=/x", "--hosts", "10.0.1.1"],
            64,
            "--hosts and HOST=DIR cannot be combined",
        ),
        (["yacron", "10.0.1.1=/x"], 64, "HOST=FILE works only for crontabs, not for yacron"),
        (["gotorch", "-", "--cron", "cronie"], 64, "--cron apply only to crontabs"),
        (["gotorch", "-"], 65, "-:1:1: it is not a JSON list"),
        (["yacron", "-"], 65, "-:1:1: it is not a mapping"),
        (
            ["crontab", "-", "-o", "/nowhere/tasks.yaml"],
            78,
            "/nowhere/tasks.yaml cannot be written",
        ),
    ],
)
def test_what_cannot_be_done_is_said_with_its_exit_code(words, code, said, monkeypatch, capsys):
    stdin(monkeypatch, GOOD.encode())
    assert run(["import", *words]) == code
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


def test_a_file_that_is_too_large_is_refused(monkeypatch, capsys):
    stdin(monkeypatch, b"#" * (8 * 2**20 + 1))
    assert run(["import", "crontab", "-"]) == 65
    assert "-: the file is larger than 8 MiB" in capsys.readouterr().err


def test_a_page_that_is_too_large_for_a_task_file_is_refused(monkeypatch, capsys):
    stdin(monkeypatch, b"#" * 100 + b"\n# x" * 1_400_000 + b"\n")
    assert run(["import", "crontab", "-"]) == 65
    assert "the file is larger than 8 MiB" in capsys.readouterr().err


def test_more_tasks_than_a_file_can_have_are_refused(monkeypatch, capsys):
    stdin(monkeypatch, GOOD.encode() * 20_001)
    assert run(["import", "crontab", "-"]) == 65
    out, err = capsys.readouterr()
    assert "the task file would be refused: more than 20 000 tasks" in err
    assert out == ""


def test_nothing_of_a_file_reaches_a_terminal_raw(monkeypatch, capsys):
    stdin(monkeypatch, b"0 1 * * * \x1b[2J\x00\n\x1b[31m x\n0 1 * * * echo '\x1b[1m'\n")
    assert run(["import", "crontab", "-"]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\\x1b" in out


def test_an_anacrontab_is_refused_by_its_name(tmp_path, capsys):
    path = tmp_path / "anacrontab"
    path.write_text("1\t5\tcron.daily\trun-parts /etc/cron.daily\n")
    assert run(["import", "crontab", str(path)]) == 65
    said = capsys.readouterr().err
    assert f"{path}:1:1: this is an anacrontab, not a crontab" in said
    assert "catch_up: last" in said


def test_the_spool_of_cronie_makes_cron_tz_the_zone_and_an_option_says_otherwise(tmp_path, capsys):
    spool = tmp_path / "var" / "spool" / "cron"
    spool.mkdir(parents=True)
    (spool / "root").write_text("CRON_TZ=Asia/Tokyo\n" + GOOD)
    assert run(["import", "crontab", str(spool)]) == 0
    assert "    timezone: Asia/Tokyo\n" in capsys.readouterr().out
    assert run(["import", "crontab", str(spool), "--cron", "debian"]) == 0
    assert "timezone: Asia" not in capsys.readouterr().out
    debian = spool / "crontabs"
    debian.mkdir()
    (spool / "root").rename(debian / "root")
    assert run(["import", "crontab", str(debian)]) == 0
    assert "timezone: Asia" not in capsys.readouterr().out
    assert run(["import", "crontab", str(debian), "--cron", "cronie"]) == 0
    assert "    timezone: Asia/Tokyo\n" in capsys.readouterr().out


# ── directories of yacron and gotorch ─────────────────────────────────────────────────────


def yacrons(name: str) -> str:
    return f'jobs:\n  - name: {name}\n    command: {name}\n    schedule: "0 4 * * *"\n'


def test_a_directory_is_read_as_yacron_reads_it(tmp_path, capsys):
    for name in ("b.yaml", "a.yml", "_inc.yaml", ".hidden.yaml", "c.txt", "crontab"):
        (tmp_path / name).write_text(yacrons(name.strip("._").replace(".", "-")))
    (tmp_path / "b.yaml").write_text("include: [_inc.yaml]\n" + yacrons("b"))
    assert run(["import", "yacron", str(tmp_path)]) == 0
    page = capsys.readouterr().out
    names = [line.split()[-1] for line in page.split("\n") if line.startswith("  - name:")]
    assert names == ["a-yml", "inc-yaml", "b"]
    joined = " ".join(page.replace("#", " ").split())
    assert ".hidden.yaml, _inc.yaml, c.txt, crontab were not read" in joined


def test_an_included_file_that_cannot_be_read_is_named_with_its_line(tmp_path, capsys):
    main = tmp_path / "main.yaml"
    main.write_text(yacrons("x") + "include:\n  - gone.yaml\n")
    assert run(["import", "yacron", str(main)]) == 65
    said = capsys.readouterr().err
    assert f"{main}:6:5: {tmp_path}/gone.yaml cannot be read: no such file or directory" in said
    assert "remove the line" in said
    (tmp_path / "gone.yaml").mkdir()
    assert run(["import", "yacron", str(main)]) == 65
    assert "cannot be read: is a directory" in capsys.readouterr().err


def test_gotorch_reads_no_directory(tmp_path, capsys):
    assert run(["import", "gotorch", str(tmp_path)]) == 64
    assert "gotorch reads one file; give the path of that file" in capsys.readouterr().err


# ── the crontabs of several hosts ─────────────────────────────────────────────────────────


def host(folder, *, own: str = ""):
    """The crontabs of a host, as docs/moving.md has them collected."""
    for path, text in {
        "etc/crontab": "17 * * * * root run-parts /etc/cron.hourly\n",
        "etc/cron.d/shop": "5 1 * * * shop /opt/shop/stock\n",
        "etc/cron.d/shop.dpkg-old": "6 1 * * * shop /opt/shop/old\n",
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nshop:x:900:900::/srv/shop:/bin/sh\n",
        "etc/anacrontab": "1 5 cron.daily run-parts /etc/cron.daily\n",
        "var/spool/cron/crontabs/shop": "0 2 * * * /opt/shop/report\n" + own,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_the_crontabs_of_several_hosts_become_one_file(tmp_path, capsys):
    words = [
        f"10.0.1.{number}={host(tmp_path / str(number), own=own)}"
        for number, own in ((11, ""), (9, ""), (100, "0 3 * * * /opt/shop/backup\n"))
    ]
    out = tmp_path / "tasks.yaml"
    assert run(["import", "crontab", *words, "-o", str(out)]) == 0
    page = out.read_text()
    assert "\ngroups:\n  all: [10.0.1.9, 10.0.1.11, 10.0.1.100]\n" in page
    assert page.count("  - name:") == 4
    assert page.count("    cwd: /srv/shop\n") == 3  # from the copied passwd
    assert "hosts: [10.0.1.100]" in page
    joined = " ".join(page.replace("#", " ").split())
    assert "etc/anacrontab was not read: it is an anacrontab" in joined
    assert "shop.dpkg-old was not read: cron ignores files with such a name" in joined
    capsys.readouterr()
    assert run(["import", "crontab", *reversed(words)]) == 0
    again = capsys.readouterr().out
    assert again.split("\n")[4:] == page.split("\n")[4:]  # whatever the order of the words


def test_without_the_hosts_passwd_the_page_says_whose_homes_they_are(tmp_path, capsys):
    path = tmp_path / "one.crontab"
    path.write_text(GOOD)
    assert run(["import", "crontab", f"10.0.1.9={path}", "--user", "root"]) == 0
    joined = " ".join(capsys.readouterr().out.replace("#", " ").split())
    assert "10.0.1.9: the home directories of their users ('cwd') are those of this host" in joined
    assert "hosts: [10.0.1.9]" in joined


def test_a_directory_without_crontabs_is_named(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(["import", "crontab", f"10.0.1.9={host(tmp_path / 'a')}", f"10.0.1.8={empty}"]) == 64
    said = capsys.readouterr().err
    assert f"{empty} has no crontabs" in said
    assert "etc/cron.d" in said


def test_a_directory_of_one_hosts_crontabs_is_read_the_same_without_an_address(tmp_path, capsys):
    folder = host(tmp_path / "a")
    (folder / "notes.txt").write_text("hello")
    assert run(["import", "crontab", str(folder)]) == 0
    page = capsys.readouterr().out
    assert page.count("  - name:") == 3
    assert "hosts:" not in page
    assert "notes.txt were not read" in " ".join(page.replace("#", " ").split())


def test_a_file_that_this_user_cannot_read_is_a_question_of_rights(tmp_path, monkeypatch, capsys):
    folder = host(tmp_path / "a")

    def forbidden(path, *_, **__):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(files, "open", forbidden, raising=False)
    assert run(["import", "crontab", f"10.0.1.9={folder}"]) == 77
    assert "etc/passwd cannot be read by this user" in capsys.readouterr().err


def test_homes_are_those_of_the_directory_that_a_crontab_is_in(tmp_path, capsys):
    one, other = host(tmp_path / "a"), host(tmp_path / "b")
    (other / "etc/passwd").write_text("shop:x:1:1::/home/other:/bin/sh\n")
    assert run(["import", "crontab", str(one), str(other)]) == 0
    page = capsys.readouterr().out
    assert page.count("cwd: /srv/shop\n") == 2
    assert page.count("cwd: /home/other\n") == 2


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").write_text(GOOD)
    assert run(["import", "crontab", "a=b"]) == 0
    assert "hosts" not in capsys.readouterr().out.split("tasks:")[1]


# ── what is no file, or too much ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["crontab", "gotorch", "yacron"])
def test_a_fifo_and_a_device_are_refused_by_their_kind(kind, tmp_path, capsys):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, what in ((str(fifo), "a FIFO"), ("/dev/zero", "a device")):
        assert run(["import", kind, path]) == 64
        assert f"{path} is {what}, not a file" in capsys.readouterr().err


def test_a_fifo_as_the_crontabs_of_a_host_is_refused(tmp_path, capsys):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert run(["import", "crontab", f"10.0.0.1={fifo}"]) == 64
    assert f"{fifo} is a FIFO, not a file" in capsys.readouterr().err


def test_a_pipe_that_a_shell_was_asked_for_is_read(capsys):
    reading, writing = os.pipe()
    os.write(writing, GOOD.encode())
    os.close(writing)
    try:
        assert run(["import", "crontab", f"/dev/fd/{reading}"]) == 0
    finally:
        os.close(reading)
    assert "echo one" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "text"), [("crontab", GOOD), ("yacron", "jobs: []\n")])
def test_a_fifo_in_a_directory_is_named_as_not_read(kind, text, tmp_path, capsys):
    (tmp_path / "a.yaml").write_text(text)
    os.mkfifo(tmp_path / "b.yaml")
    assert run(["import", kind, str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.replace("#", "").split())
    assert "b.yaml" in said and "not read" in said and "a FIFO" in said


@pytest.mark.parametrize("kind", ["crontab", "yacron"])
def test_a_directory_with_too_many_files_or_too_much_in_them_is_refused(
    kind, tmp_path, capsys, monkeypatch
):
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (tmp_path / name).write_text("# nothing\n" * 50)
    monkeypatch.setattr(files, "MOST", 2)
    assert run(["import", kind, str(tmp_path)]) == 64
    assert f"{tmp_path} has more than 2 files" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(files, "TOTAL", 1000)
    assert run(["import", kind, str(tmp_path)]) == 64
    assert "MiB together" in capsys.readouterr().err


def test_a_file_of_the_kernel_without_an_end_is_refused(tmp_path, capsys):
    if not os.access("/proc/kmsg", os.R_OK):
        pytest.skip("only root may read it")
    assert run(["import", "crontab", "/proc/kmsg"]) != 0
    assert "/proc/kmsg" in capsys.readouterr().err
