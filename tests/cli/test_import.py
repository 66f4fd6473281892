"""torch import: files in, a task file out."""

from __future__ import annotations

import io
import sys

import pytest

from tests.importing.making import DATA
from torch.cli import run

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
    assert "is there already" in capsys.readouterr().err
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
    assert "a.dpkg-old was not read: cron reads no file of such a name" in joined


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
        (["gotorch", "-", "--user", "x"], 64, "--user and --user-column are for crontabs"),
        (["crontab", "-", "--user", "x", "--user-column"], 64, "without a user column"),
        (["crontab", "-", "--force"], 64, "--force belongs to -o"),
        (["crontab", "-", "--hosts", "web"], 64, "--hosts: 'hosts': 'web' is neither"),
        (["gotorch", "-"], 65, "-:1:1: it is not a JSON list"),
        (["yacron", "-"], 65, "-:1:1: it is no mapping"),
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
