"""One service per state directory, said by the kernel."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from torch.daemon import lock
from torch.errors import NotPermitted, ServiceUnreachable, SettingsError, TryAgain


def no_pause(_: float) -> None:
    pass


def test_a_second_taker_is_told_who_holds_it(tmp_path):
    path = str(tmp_path / "torch.lock")
    held = lock.take(path, pause=no_pause)
    with pytest.raises(TryAgain, match=f"pid {os.getpid()}"):
        lock.take(path, pause=no_pause)
    assert lock.holder(path) == os.getpid()
    os.close(held)
    assert lock.holder(path) is None


def test_a_stale_lock_or_pid_file_never_matters(tmp_path):
    path = tmp_path / "torch.lock"
    path.write_text("999999\n")
    assert lock.holder(str(path)) is None
    os.close(lock.take(str(path), pause=no_pause))


def test_a_probe_at_the_same_moment_does_not_stop_a_start(tmp_path):
    path = str(tmp_path / "torch.lock")
    probing = [lock.take(path, pause=no_pause)]
    held = lock.take(path, pause=lambda _: os.close(probing.pop()) if probing else None)
    os.close(held)


def test_nobody_holds_a_lock_that_was_never_made(tmp_path):
    assert lock.holder(str(tmp_path / "torch.lock")) is None


def test_a_lock_that_cannot_be_made_is_a_named_error(tmp_path):
    with pytest.raises((SettingsError, NotPermitted), match=r"torch\.lock"):
        lock.take(str(tmp_path / "missing" / "torch.lock"), pause=no_pause)


def test_a_symlink_in_place_of_the_lock_is_refused(tmp_path):
    (tmp_path / "torch.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError):
        lock.take(str(tmp_path / "torch.lock"), pause=no_pause)
    assert not (tmp_path / "elsewhere").exists()


def test_the_pid_file_is_written_whole_and_removed(tmp_path):
    path = tmp_path / "torch.pid"
    lock.write_pid(str(path))
    assert path.read_text() == f"{os.getpid()}\n"
    lock.remove_pid(str(path))
    lock.remove_pid(str(path))
    assert list(tmp_path.iterdir()) == []


# ── what lies there already ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("plant", ["symlink", "fifo", "old"])
def test_what_bears_the_pid_files_temporary_name_is_never_written_to(tmp_path, plant):
    path, planted, victim = (tmp_path / name for name in ("torch.pid", "torch.pid.new", "victim"))
    victim.write_text("precious")
    if plant == "symlink":
        planted.symlink_to(victim)
    elif plant == "fifo":
        os.mkfifo(planted)  # nobody reads it: to open it for writing would wait for ever
    else:
        os.link(victim, planted)
    lock.write_pid(str(path))
    assert victim.read_text() == "precious"
    assert path.read_text() == f"{os.getpid()}\n"
    assert not path.is_symlink() and not planted.exists()


@pytest.mark.parametrize("plant", ["symlink", "fifo"])
def test_what_bears_the_pid_files_name_is_replaced_and_not_written_to(tmp_path, plant):
    path, victim = tmp_path / "torch.pid", tmp_path / "victim"
    victim.write_text("precious")
    path.symlink_to(victim) if plant == "symlink" else os.mkfifo(path)
    lock.write_pid(str(path))
    assert victim.read_text() == "precious" and not path.is_symlink()
    assert path.read_text() == f"{os.getpid()}\n"


def test_a_folder_of_the_pid_files_name_is_a_named_error(tmp_path):
    (tmp_path / "torch.pid.new").mkdir()
    with pytest.raises(SettingsError, match=r"torch\.pid"):
        lock.write_pid(str(tmp_path / "torch.pid"))


def test_a_fifo_in_place_of_the_lock_is_refused_and_waited_for_by_nobody(tmp_path):
    path = str(tmp_path / "torch.lock")
    os.mkfifo(path)
    with pytest.raises(SettingsError, match="regular file"):
        lock.take(path, pause=no_pause)
    assert lock.holder(path) is None


def test_a_lock_that_others_may_write_to_is_refused(tmp_path):
    path = tmp_path / "torch.lock"
    path.touch()
    path.chmod(0o666)
    with pytest.raises(SettingsError, match="other users can write"):
        lock.take(str(path), pause=no_pause)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_lock_of_another_user_is_refused(tmp_path):
    path = tmp_path / "torch.lock"
    path.touch(0o600)
    os.chown(path, 65534, 65534)
    with pytest.raises(SettingsError, match="another user"):
        lock.take(str(path), pause=no_pause)


# ── who holds it ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("claim", ["1", "self", "-1", "0", "99999999999999", "", "²", "4711 1"])
def test_a_pid_that_only_the_file_claims_is_not_believed(tmp_path, claim):
    path = tmp_path / "torch.lock"
    held = lock.take(str(path), pause=no_pause)
    path.write_text(f"{claim}\n")
    assert lock.holder(str(path)) == 0
    with pytest.raises(ServiceUnreachable, match="no signal was sent"):
        lock.signal_holder(str(path), signal.SIGTERM)
    os.close(held)


def test_who_has_the_file_open_is_not_who_holds_it(tmp_path):
    """This process has it open and claims it; another one holds it."""
    path = tmp_path / "torch.lock"
    path.touch(0o600)
    holding = subprocess.Popen(["flock", str(path), "sh", "-c", "echo held; exec sleep 600"],
                               stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert holding.stdout is not None and holding.stdout.readline() == b"held\n"
        path.write_text(f"{os.getpid()}\n")
        with path.open():
            assert lock.holder(str(path)) == 0
        path.write_text(f"{holding.pid}\n")
        assert lock.holder(str(path)) == holding.pid
    finally:
        for child in _children(holding.pid):
            os.kill(child, signal.SIGKILL)
        holding.kill()
        holding.communicate()


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o770])
def test_in_a_folder_that_others_can_write_to_no_claim_is_believed(tmp_path, mode):
    path = str(tmp_path / "torch.lock")
    held = lock.take(path, pause=no_pause)
    assert lock.holder(path) == os.getpid()
    tmp_path.chmod(mode)
    assert lock.holder(path) == 0
    tmp_path.chmod(0o700)
    os.close(held)


def test_nobody_is_signalled_where_nobody_holds_the_lock(tmp_path):
    path = tmp_path / "torch.lock"
    path.write_text(f"{os.getpid()}\n")
    assert lock.signal_holder(str(path), signal.SIGTERM) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_a_process_of_another_user_than_the_folders_is_not_believed_whatever_it_holds(tmp_path):
    """As a set-uid program would be that inherits the lock from whoever owns the folder."""
    path = str(tmp_path / "torch.lock")
    held = lock.take(path, pause=no_pause)
    for place in (path, tmp_path):
        os.chown(place, 65534, 65534)
    assert lock.holder(path) == 0
    for place in (path, tmp_path):
        os.chown(place, 0, 0)
    assert lock.holder(path) == os.getpid()
    os.close(held)
