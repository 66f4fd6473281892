"""One service per state directory, said by the kernel."""

from __future__ import annotations

import os

import pytest

from torch.daemon import lock
from torch.errors import NotPermitted, SettingsError, TryAgain


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
