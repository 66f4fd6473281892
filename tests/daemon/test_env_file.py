"""env_file: what is read, and from which files nothing is."""

from __future__ import annotations

import pytest

from torch.daemon.env_file import read_env_file


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


def test_a_symlink_or_a_folder_is_not_read(tmp_path, write):
    link = tmp_path / "link"
    link.symlink_to(write("A=1\n"))
    with pytest.raises(OSError, match="symbolic links"):
        read_env_file(str(link), for_other_user=False)
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
