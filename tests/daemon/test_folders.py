"""The service's folders: whose they may be, and what is refused."""

from __future__ import annotations

import os
import stat

import pytest

from torch.daemon import folders
from torch.errors import SettingsError
from torch.settings import Settings

STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give things away")


@pytest.fixture
def place(tmp_path):
    tmp_path.chmod(0o755)
    return tmp_path


def settings(place, **changes: str) -> Settings:
    there = {"state_dir": "state", "run_dir": "run", "log_dir": "log"} | changes
    state, run, log = (str(place / each) for each in there.values())
    return Settings(task_file=str(place / "tasks.yaml"), state_dir=state, run_dir=run, log_dir=log)


def test_what_is_missing_is_made_for_the_service_alone(place):
    before = os.umask(0)
    try:
        folders.make_folders(settings(place))
        folders.make_folders(settings(place))
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((place / name).stat().st_mode)
             for name in ("state", "state/reapers", "run", "log", "log/output")}  # fmt: skip
    assert modes == {
        "state": 0o700, "state/reapers": 0o700, "run": 0o755, "log": 0o750, "log/output": 0o750,
    }  # fmt: skip


@pytest.mark.parametrize("which", ["state_dir", "run_dir", "log_dir"])
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777, 0o1770])
def test_a_folder_that_others_can_write_to_is_refused_sticky_or_not(place, which, mode):
    (place / "open").mkdir()
    (place / "open").chmod(mode)
    with pytest.raises(SettingsError, match="other users can write") as caught:
        folders.make_folders(settings(place, **{which: "open"}))
    assert caught.value.hint


def test_a_sticky_folder_above_is_fine_and_an_open_one_is_not(place):
    above = place / "above"
    above.mkdir()
    above.chmod(0o1777)
    folders.make_folders(settings(place, state_dir="above/state"))
    above.chmod(0o777)
    with pytest.raises(SettingsError, match="any user can replace"):
        folders.make_folders(settings(place, state_dir="above/state"))
    with pytest.raises(SettingsError, match="any user can replace"):
        folders.make_folders(settings(place, state_dir="above/deep/new"))


@as_root
@pytest.mark.parametrize("which", ["state_dir", "run_dir", "log_dir"])
def test_a_folder_of_another_user_is_refused(place, which):
    (place / "theirs").mkdir(mode=0o700)
    os.chown(place / "theirs", STRANGER, STRANGER)
    with pytest.raises(SettingsError, match="another user"):
        folders.make_folders(settings(place, **{which: "theirs"}))


@as_root
@pytest.mark.parametrize("name", ["link", "link/below"])
def test_a_symlink_of_another_user_on_the_way_is_refused(place, name):
    (place / "ours" / "below").mkdir(mode=0o700, parents=True)
    (place / "link").symlink_to(place / "ours")
    folders.make_folders(settings(place, state_dir=name))
    os.chown(place / "link", STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(SettingsError, match="symlink"):
        folders.make_folders(settings(place, state_dir=name))


@as_root
def test_nothing_is_made_behind_a_symlink_of_another_user(place):
    (place / "ours").mkdir(mode=0o700)
    for name, target in (("link", "ours"), ("dangling", "ours/not-yet")):
        (place / name).symlink_to(place / target)
        os.chown(place / name, STRANGER, STRANGER, follow_symlinks=False)
        with pytest.raises(SettingsError, match="symlink"):
            folders.make_folders(settings(place, state_dir=f"{name}/new"))
    assert list((place / "ours").iterdir()) == []


def test_a_loop_of_symlinks_and_a_file_in_the_way_are_named(place):
    (place / "loop").symlink_to(place / "loop")
    (place / "file").write_text("")
    for name in ("loop", "file", "file/below"):
        with pytest.raises(SettingsError, match=name.partition("/")[0]):
            folders.make_folders(settings(place, state_dir=name))


@as_root
def test_who_only_looks_follows_links_of_the_folders_owner_and_of_nobody_else(place):
    (place / "theirs").mkdir(mode=0o700)
    (place / "link").symlink_to(place / "theirs")
    os.chown(place / "link", STRANGER, STRANGER, follow_symlinks=False)
    with pytest.raises(SettingsError, match="symlink"):
        folders.refuse_planted(str(place / "link"))
    os.chown(place / "theirs", STRANGER, STRANGER)
    folders.refuse_planted(str(place / "link"))
    folders.refuse_planted(str(place / "missing"))
