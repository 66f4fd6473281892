"""Who may have written a task file, and what a refusal says."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
import subprocess

import pytest

from tests.faults.disks import mounted
from tests.taskfile.making import NEEDS_ROOT
from torch.errors import TaskFileError
from torch.taskfile import open as opening
from torch.taskfile.open import ATTEMPTS, Missing, read_task_file
from torch.taskfile.text import LIMIT

root = pytest.mark.skipif(os.geteuid() != 0, reason=NEEDS_ROOT)
TEXT = b"tasks: []\n"
NOBODY = 65534


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "etc" / "tasks.yaml"
    file.parent.mkdir(mode=0o755)
    file.write_bytes(TEXT)
    file.chmod(0o644)
    return file


def refusal(path, kind=TaskFileError):
    """The one problem of a file that must be refused; it names the file."""
    with pytest.raises(kind) as caught:
        read_task_file(str(path))
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert (problem.line, problem.column, problem.warning) == (0, 0, False)
    assert problem.message.startswith("the task file ")
    return problem


def test_a_file_of_ours_that_only_we_may_write_is_read(path):
    opened = read_task_file(str(path))
    assert (opened.data, opened.warnings) == (TEXT, ())


def test_a_relative_name_is_that_of_the_working_directory(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert read_task_file("tasks.yaml").data == TEXT
    assert read_task_file("../etc/./tasks.yaml").data == TEXT


def test_an_empty_file_is_read(path):
    path.write_bytes(b"")
    assert read_task_file(str(path)).data == b""


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o600, 0o640, 0o755])
def test_a_mode_that_lets_nobody_else_write_is_good(path, mode):
    path.chmod(mode)
    assert read_task_file(str(path)).data == TEXT


@pytest.mark.parametrize("mode", [0o602, 0o646, 0o666, 0o777])
def test_a_file_that_everybody_may_write_is_refused_with_the_command_that_mends_it(path, mode):
    path.chmod(mode)
    problem = refusal(path)
    assert problem.message == "the task file is writable by all users"
    assert problem.hint == f"chmod go-w {path}"


def test_a_file_that_our_own_private_group_may_write_is_read(path, monkeypatch):
    own = pwd.getpwuid(os.geteuid())
    monkeypatch.setattr(pwd, "getpwall", lambda: [own])
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("own", "x", gid, [])))
    path.chmod(0o664)
    path.parent.chmod(0o775)
    os.chown(path, -1, own.pw_gid)
    assert read_task_file(str(path)).data == TEXT


@pytest.mark.parametrize("how", ["listed", "primary"])
def test_a_group_that_somebody_else_is_in_is_named(path, monkeypatch, how):
    own = pwd.getpwuid(os.geteuid())
    other = pwd.struct_passwd(("eve", "x", 4321, own.pw_gid, "", "/", "/bin/sh"))
    members = ["eve"] if how == "listed" else []
    monkeypatch.setattr(pwd, "getpwall", lambda: [own, other] if how == "primary" else [own])
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("own", "x", gid, members)))
    os.chown(path, -1, own.pw_gid)
    path.chmod(0o664)
    problem = refusal(path)
    assert problem.message == "the task file is writable by the group own, of which eve is a member"
    assert problem.hint == f"chmod g-w {path}"


@root
def test_a_foreign_group_that_may_write_is_named(path):
    os.chown(path, -1, 54321)
    path.chmod(0o664)
    assert refusal(path).message == "the task file is writable by the group 54321"


@root
def test_a_file_of_another_user_is_refused(path):
    os.chown(path, NOBODY, -1)
    problem = refusal(path)
    assert problem.message == "the task file belongs to the user nobody"
    assert problem.hint == f"chown root {path}"


@root
def test_a_file_of_a_user_without_a_name_is_refused(path):
    os.chown(path, 54321, -1)
    assert refusal(path).message == "the task file belongs to the user 54321"


def test_a_directory_that_everybody_may_write_is_refused(path):
    path.parent.chmod(0o777)
    problem = refusal(path)
    found = f"is in the directory {path.parent}, which is writable by all users"
    assert problem.message.endswith(found)
    assert problem.hint == f"chmod go-w {path.parent}"


def test_a_sticky_directory_is_good_whoever_may_write_it(path):
    path.parent.chmod(0o1777)
    assert read_task_file(str(path)).data == TEXT


@root
def test_a_directory_of_another_user_is_refused_even_if_sticky(path):
    os.chown(path.parent, NOBODY, -1)
    path.parent.chmod(0o1755)
    assert "which belongs to the user nobody" in refusal(path).message


def test_an_access_control_list_that_lets_others_write_is_refused(path):
    entry = struct.Struct("<HHI")
    rights = [(1, 6, -1), (2, 6, NOBODY), (4, 4, -1), (16, 6, -1), (32, 4, -1)]
    acl = struct.pack("<I", 2) + b"".join(entry.pack(t, r, i & 0xFFFFFFFF) for t, r, i in rights)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    assert refusal(path).message.endswith("writable by the users in its access control list")


def test_a_missing_file_says_so_and_how_to_name_another(path):
    problem = refusal(path.with_name("gone.yaml"), Missing)
    assert problem.message == "the task file does not exist"
    assert "-f FILE" in problem.hint


def test_a_missing_directory_or_a_file_in_its_place_is_a_missing_file(path):
    refusal(path.parent / "gone" / "tasks.yaml", Missing)
    refusal(path / "tasks.yaml", Missing)


def test_a_dangling_symlink_says_that_it_is_one(path):
    link = path.with_name("link.yaml")
    link.symlink_to("gone.yaml")
    problem = refusal(link, Missing)
    assert problem.message == "the task file is a symlink to a file that does not exist"


def test_a_loop_of_symlinks_is_refused(path):
    link = path.with_name("link.yaml")
    link.symlink_to(link)
    assert refusal(link).message == "the task file is in a loop of symlinks"


@pytest.mark.parametrize("target", ["tasks.yaml", "../etc/tasks.yaml", "./tasks.yaml", None])
def test_a_symlink_of_ours_is_followed(path, target):
    link = path.with_name("link.yaml")
    link.symlink_to(target or path)
    assert read_task_file(str(link)).data == TEXT


def test_a_release_that_is_switched_by_a_symlink_of_a_directory_is_followed(path, tmp_path):
    (tmp_path / "current").symlink_to("etc")
    assert read_task_file(str(tmp_path / "current" / "tasks.yaml")).data == TEXT


@root
def test_a_symlink_of_another_user_is_refused(path):
    link = path.with_name("link.yaml")
    link.symlink_to(path)
    os.lchown(link, NOBODY, -1)
    problem = refusal(link)
    assert f"the symlink {link}, which belongs to the user nobody" in problem.message
    assert f"chown -h root {link}" in problem.hint


def test_the_directory_in_which_a_symlink_lies_must_be_good_too(path, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    link = tmp_path / "open" / "tasks.yaml"
    link.symlink_to(path)
    assert "writable by all users" in refusal(link).message


def test_a_symlink_on_the_way_to_a_symlinks_target_lies_in_a_checked_directory(path, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "step").symlink_to(path.parent)
    (tmp_path / "open").chmod(0o777)
    link = path.with_name("link.yaml")
    link.symlink_to(tmp_path / "open" / "step" / "tasks.yaml")
    assert "writable by all users" in refusal(link).message


def test_what_is_no_regular_file_is_refused_and_never_waited_for(path):
    os.mkfifo(path.with_name("fifo"))
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path.with_name("socket")))
    kinds = {
        path.parent: "is a directory",
        path.with_name("fifo"): "is a FIFO, not a regular file",
        path.with_name("socket"): "is a socket, not a regular file",
        "/dev/zero": "is a device, not a regular file",
        "/dev/tty": "is a device, not a regular file",
    }
    for each, what in kinds.items():
        assert refusal(each).message == f"the task file {what}"


def test_a_file_above_the_limit_is_refused_before_it_is_read(path, monkeypatch):
    monkeypatch.setattr(opening, "_read_all", None)
    os.truncate(path, LIMIT + 1)
    assert refusal(path).message == "the task file is larger than 8 MiB (8388609 bytes)"


def test_a_file_of_exactly_the_limit_is_read(path):
    os.truncate(path, LIMIT)
    assert len(read_task_file(str(path)).data) == LIMIT


def test_a_second_hard_link_is_a_warning(path):
    os.link(path, path.with_name("other"))
    (warning,) = read_task_file(str(path)).warnings
    assert warning.warning
    assert "has 2 hard links" in warning.message


class Disturbed:
    """Does something to the file between its two readings."""

    def __init__(self, monkeypatch, what, times=1):
        self.real, self.what, self.times, self.calls = opening._read_all, what, times, 0
        monkeypatch.setattr(opening, "_read_all", self)

    def __call__(self, fd):
        data = self.real(fd)
        self.calls += 1
        if self.calls % 2 and self.calls // 2 < self.times:
            self.what(self.calls)
        return data


def test_a_file_that_is_replaced_while_it_is_read_is_the_old_one_as_a_whole(path, monkeypatch):
    def replace(_):
        new = path.with_name("new")
        new.write_bytes(b"tasks: [] # new\n")
        new.rename(path)

    Disturbed(monkeypatch, replace)
    assert read_task_file(str(path)).data == TEXT
    assert read_task_file(str(path)).data == b"tasks: [] # new\n"


def test_a_file_that_is_written_while_it_is_read_is_read_anew(path, monkeypatch):
    disturbed = Disturbed(monkeypatch, lambda _: path.write_bytes(b"tasks: [] # new\n"))
    assert read_task_file(str(path)).data == b"tasks: [] # new\n"
    assert disturbed.calls == 4


def test_a_write_that_changes_neither_size_nor_time_is_seen(path, monkeypatch):
    found = path.stat()

    def overwrite(_):
        path.write_bytes(b"tasks: {}\n")
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    Disturbed(monkeypatch, overwrite)
    assert read_task_file(str(path)).data == b"tasks: {}\n"


def test_a_file_that_never_rests_is_refused(path, monkeypatch):
    disturbed = Disturbed(monkeypatch, lambda n: path.write_bytes(b"#" * n), times=99)
    assert "keeps changing while it is read" in refusal(path).message
    assert disturbed.calls == 2 * ATTEMPTS


def test_a_file_that_becomes_another_between_the_look_and_the_opening_is_looked_at_anew(
    path, monkeypatch
):
    real, times = os.open, list[int]()

    def replace_and_open(*args, **options):
        if not times:
            times.append(1)
            path.rename(path.with_name("old"))
            path.write_bytes(b"tasks: [] # new\n")
            path.chmod(0o666)
        return real(*args, **options)

    monkeypatch.setattr(os, "open", replace_and_open)
    assert "writable by all users" in refusal(path).message


def test_no_descriptor_is_left_open(path):
    before = os.listdir("/proc/self/fd")
    read_task_file(str(path))
    path.chmod(0o666)
    refusal(path)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("name", ["a\nb.yaml", "a\x1b[2J.yaml", "é ü.yaml", "a" * 300])
def test_an_odd_name_is_no_crash(path, name):
    refusal(path.with_name(name))


def test_a_name_with_a_nul_is_refused(path):
    refusal(f"{path}\0x")


@root
@pytest.mark.parametrize("is_open", ["directory", "file"])
def test_on_a_read_only_mount_what_everybody_might_write_is_read(tmp_path, is_open):
    """As the volume of a Kubernetes ConfigMap: 0777, with links to a folder that is swapped."""
    with mounted(tmp_path / "volume", "1m") as volume:
        (volume / "..2026").mkdir(mode=0o755)
        file = volume / "..2026" / "tasks.yaml"
        file.write_bytes(TEXT)
        (volume / "..data").symlink_to("..2026")
        path = volume / "tasks.yaml"
        path.symlink_to("..data/tasks.yaml")
        volume.chmod(0o777 if is_open == "directory" else 0o755)
        file.chmod(0o666 if is_open == "file" else 0o644)
        assert "writable by all users" in refusal(path).message
        subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
        assert read_task_file(str(path)).data == TEXT


@root
def test_on_a_read_only_mount_a_file_of_another_user_is_refused(tmp_path):
    with mounted(tmp_path / "volume", "1m") as volume:
        path = volume / "tasks.yaml"
        path.write_bytes(TEXT)
        os.chown(path, NOBODY, -1)
        subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
        assert "belongs to the user nobody" in refusal(path).message
