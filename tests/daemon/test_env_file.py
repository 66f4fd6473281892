"""env_file: what is read, and from which files nothing is."""

from __future__ import annotations

import os

import pytest

from torch.daemon.env_file import read_env_file
from torch.taskfile import private


@pytest.fixture
def write(tmp_path):
    def written(text: str, mode: int = 0o600) -> str:
        path = tmp_path / "secrets.env"
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    return written


def test_names_values_comments_and_quotes(write):
    path = write("# note\n\nA=1\nB='two words'\nC=\"x\"\nD=a=b\nE=\n")
    found = read_env_file(path, for_other_user=False)
    assert found == {"A": "1", "B": "two words", "C": "x", "D": "a=b", "E": ""}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_that_others_can_reach_is_refused_with_the_way_out(write, mode):
    with pytest.raises(ValueError, match="chmod 600"):
        read_env_file(write("A=1\n", mode), for_other_user=False)


@pytest.mark.parametrize("line", ["no equals", "1A=x", "A B=x", "=x"])
def test_a_line_that_is_no_assignment_is_named_by_number(write, line):
    with pytest.raises(ValueError, match="line 2"):
        read_env_file(write(f"A=1\n{line}\n"), for_other_user=False)


@pytest.mark.parametrize("name", ["LD_PRELOAD", "BASH_ENV", "IFS", "PYTHONPATH"])
def test_names_that_load_foreign_code_are_refused_for_another_user(write, name):
    path = write(f"{name}=x\n")
    with pytest.raises(ValueError, match=name):
        read_env_file(path, for_other_user=True)
    assert read_env_file(path, for_other_user=False) == {name: "x"}


def test_a_nul_character_is_refused_with_its_line(write):
    with pytest.raises(ValueError, match="line 2 holds a NUL"):
        read_env_file(write("A=1\nB=x\0y\n"), for_other_user=False)


def test_our_own_names_cannot_be_set(write):
    with pytest.raises(ValueError, match="TORCH_RUN_ID"):
        read_env_file(write("TORCH_RUN_ID=x\n"), for_other_user=False)


def test_a_symlink_is_followed_if_nobody_else_can_change_where_it_leads(tmp_path, write):
    link = tmp_path / "link"
    link.symlink_to(write("A=1\n"))
    assert read_env_file(str(link), for_other_user=False) == {"A": "1"}
    tmp_path.chmod(0o777)
    with pytest.raises(ValueError, match="others can exchange that symlink"):
        read_env_file(str(link), for_other_user=False)
    tmp_path.chmod(0o1777)
    assert read_env_file(str(link), for_other_user=False) == {"A": "1"}
    if os.geteuid() == 0:
        os.chown(link, 65534, 65534, follow_symlinks=False)
        with pytest.raises(ValueError, match=r"symlink .*link of another user"):
            read_env_file(str(link), for_other_user=False)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o644])
def test_a_secret_of_kubernetes_is_read(tmp_path, monkeypatch, mode):
    """As the kubelet mounts it: read-only, the directory 0777, `..data` exchanged as a whole."""
    data = tmp_path / "..2026_11_27"
    data.mkdir()
    (data / "env").write_text("A=1\n")
    (data / "env").chmod(mode)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "env").symlink_to("..data/env")
    tmp_path.chmod(0o777)
    monkeypatch.setattr(private, "_is_read_only", lambda _: True)
    assert read_env_file(f"{tmp_path}/env", for_other_user=False) == {"A": "1"}
    assert private.why_not_private(f"{tmp_path}/env") == ""
    if os.geteuid() == 0:
        os.chown(data / "env", 65534, 65534)
        with pytest.raises(ValueError, match="belongs to neither"):
            read_env_file(f"{tmp_path}/env", for_other_user=False)


def test_a_file_that_a_process_has_open_for_writing_is_not_read(write):
    path = write("A=1\nB=")
    with open(path, "a"), pytest.raises(private.BeingSaved, match="open for writing"):
        read_env_file(path, for_other_user=False)
    assert read_env_file(path, for_other_user=False) == {"A": "1", "B": ""}


def test_a_folder_is_not_read(tmp_path):
    with pytest.raises(ValueError, match="regular"):
        read_env_file(str(tmp_path), for_other_user=False)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_and_other_line_ends_are_no_part_of_names_and_values(tmp_path, mark, end):
    path = tmp_path / "secrets.env"
    path.write_bytes(f"{mark}A=1{end}B='x'{end}".encode())
    path.chmod(0o600)
    assert read_env_file(str(path), for_other_user=False) == {"A": "1", "B": "x"}


def test_a_value_may_hold_what_ends_a_line_elsewhere(write):
    path = write("A=one\x0ctwo\u2028three\x85\nB=1\n")
    found = read_env_file(path, for_other_user=False)
    assert found["A"].startswith("one\x0ctwo\u2028three") and found["B"] == "1"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("A=1\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("\ufeffA=1\n".encode("utf-16-be"), "UTF-16; save it as UTF-8"),
        (b"A=\xe9\n", "byte 3 is not UTF-8"),
    ],
)
def test_another_encoding_is_refused_by_its_name(tmp_path, data, reason):
    path = tmp_path / "secrets.env"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(ValueError, match=reason):
        read_env_file(str(path), for_other_user=False)
