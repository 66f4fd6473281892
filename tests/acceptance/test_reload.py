"""Reload: live within a moment, nothing that runs is touched, a bad file changes nothing."""

from __future__ import annotations

import os
import signal
from functools import partial
from itertools import pairwise

import pytest

from tests.service import alive
from tests.waiting import until

BEFORE = """
tasks:
  - name: keeper
    type: daemon
    command: echo $$ >>DIR/keeper; exec sleep 600
  - name: beat
    schedule: "* * * * * *"
    command: echo before >>DIR/beat
"""
AFTER = BEFORE.replace("echo before", "echo after")


def in_place(service):
    with open(service.file, "r+") as file:
        file.write(service.text(AFTER))
        file.truncate()


def by_rename(service):
    service.write(AFTER)


def by_symlink(service):
    target = service.folder / "release-2.yaml"
    target.write_text(service.text(AFTER))
    new = service.folder / "link"
    new.symlink_to(target)
    new.rename(service.file)


def by_removing_it_for_a_moment(service):
    service.file.unlink()
    service.write(AFTER)


@pytest.mark.parametrize("replace", [in_place, by_rename, by_symlink, by_removing_it_for_a_moment])
def test_a_replaced_file_goes_live_and_unchanged_tasks_keep_their_processes(service, replace):
    service.start(BEFORE)
    keeper = service.wait_lines("keeper", 1)
    service.wait_lines("beat", 1)
    replace(service)
    until("the new command runs", lambda: "after" in service.lines("beat"))
    assert service.lines("keeper") == keeper
    assert service.task("keeper")["running"] == 1


def apart(service):
    """The task file has a folder of its own."""
    service.file = service.folder / "etc" / "tasks.yaml"
    service.file.parent.mkdir()


def edit_unseen(service):
    """Another folder takes the place of the one that is watched."""
    folder = service.file.parent
    folder.rename(folder.with_name("before"))
    folder.mkdir()
    service.write(AFTER)


def by_command(service):
    assert "changed: beat" in service.torch("reload")


def by_sigusr2(service):
    os.kill(service.pid, signal.SIGUSR2)


def by_sighup(service):
    os.kill(service.pid, signal.SIGHUP)


@pytest.mark.parametrize("ask", [by_command, by_sigusr2, by_sighup])
def test_asking_for_a_reload_does_the_same(service, ask):
    """The change itself is out of the watcher's sight."""
    apart(service)
    service.start(BEFORE)
    keeper = service.wait_lines("keeper", 1)
    edit_unseen(service)
    ask(service)
    until("the new command runs", lambda: "after" in service.lines("beat"))
    assert service.lines("keeper") == keeper


def test_a_swapped_folder_symlink_on_the_path_is_noticed(service):
    for name, text in (("one", BEFORE), ("two", AFTER)):
        (service.folder / name).mkdir()
        (service.folder / name / "tasks.yaml").write_text(service.text(text))
    current = service.folder / "current"
    current.symlink_to("one")
    service.file = current / "tasks.yaml"
    service.start()
    service.wait_lines("beat", 1)
    (service.folder / "next").symlink_to("two")
    (service.folder / "next").rename(current)
    until("the new command runs", lambda: "after" in service.lines("beat"))


def test_a_broken_edit_keeps_the_old_version_running_and_says_why(service):
    service.start(BEFORE)
    service.wait_lines("beat", 1)
    version = service.status()["version"]
    service.write(BEFORE.replace("command: echo before", "comand: echo before"))
    problem = until("status shows it", lambda: service.status()["version"]["problem"])
    assert "tasks.yaml:8:5" in problem and "did you mean 'command'?" in problem
    assert service.status()["version"]["hash"] == version["hash"]
    assert "comand" in service.error("reload", code=65)
    service.wait_log("reload_refused")
    count = len(service.lines("beat"))
    service.wait_lines("beat", count + 2)
    assert set(service.lines("beat")) == {"before"}
    service.write(BEFORE)
    until("the problem is gone", lambda: service.status()["version"]["problem"] is None)


def test_a_dry_run_says_what_would_change_and_changes_nothing(service):
    apart(service)
    service.start(BEFORE)
    version = service.status()["version"]["hash"]
    edit_unseen(service)
    assert service.torch("reload", "--dry-run") == "would be changed: beat\n1 unchanged\n"
    assert service.status()["version"]["hash"] == version
    service.torch("reload")
    assert "nothing would change" in service.torch("reload", "--dry-run")


def test_a_thousand_signals_in_a_row_end_in_the_last_version(service):
    pid = service.start(BEFORE)
    service.wait_lines("beat", 1)
    service.write(AFTER)
    for _ in range(1000):
        os.kill(pid, signal.SIGUSR2)
    until("the new command runs", lambda: "after" in service.lines("beat"))
    assert service.status()["pid"] == pid


def test_a_file_that_never_comes_to_rest_is_read_all_the_same(service):
    service.start(BEFORE)

    def edited_once_more() -> bool:
        service.write(AFTER)
        return "after" in service.lines("beat")

    until("the new command runs", edited_once_more, pause=0.04)


def test_a_stop_that_overtakes_a_reading_leaves_no_process(service):
    for number in range(4):
        pid = service.start(BEFORE)
        service.write(AFTER + f"# {number}\n")
        os.kill(pid, signal.SIGUSR2)
        assert service.torch("stop") == "torch is stopped\n"
        assert not alive(pid)


def test_a_removed_cron_tasks_run_ends_by_itself_and_a_daemons_is_stopped(service):
    service.start(
        """
tasks:
  - name: long
    schedule: "* * * * * *"
    command: |
      echo start >>DIR/long
      while [ ! -e DIR/release ]; do sleep 0.05; done
      echo end >>DIR/long
  - name: keeper
    type: daemon
    command: echo $$ >>DIR/keeper; exec sleep 600
"""
    )
    keeper = int(service.wait_lines("keeper", 1)[0])
    service.wait_lines("long", 1)
    service.write("tasks: []\n")
    until("the daemon is stopped", lambda: not os.path.exists(f"/proc/{keeper}"))
    (service.scratch / "release").touch()
    assert service.wait_lines("long", 2) == ["start", "end"]


def test_a_changed_daemon_is_replaced_one_by_one(service):
    text = """
tasks:
  - name: keeper
    type: daemon
    command: |
      trap 'echo gone $$ >>DIR/keeper; exit' TERM
      echo VERSION $$ >>DIR/keeper
      while :; do sleep 0.02; done
    max: 3
    restart: {delay: 100ms, healthy_after: 300ms}
"""
    service.start(text.replace("VERSION", "old"))
    service.wait_lines("keeper", 3)
    service.write(text.replace("VERSION", "new"))
    lines = service.wait_lines("keeper", 9)
    words = [line.split()[0] for line in lines]
    assert words == ["old"] * 3 + ["gone", "new"] * 3
    assert service.task("keeper")["running"] == 3


def has_loaded(service, old: str) -> bool:
    return bool(service.status()["version"]["hash"] != old)


def test_a_large_file_is_reloaded_without_losing_or_doubling_a_second(service):
    many = "".join(
        f"  - {{name: far-{number}, schedule: '0 4 1 1 *', command: exit 0}}\n"
        for number in range(3000)
    )
    beat = (
        "  - name: beat\n    schedule: '* * * * * *'\n"
        "    command: echo $TORCH_FIRE_TIME >>DIR/beat\n"
    )
    service.start("tasks:\n" + beat + many)
    service.wait_lines("beat", 1)
    for command in ("exit 1", "exit 2", "exit 3"):
        loaded = partial(has_loaded, service, service.status()["version"]["hash"])
        service.write("tasks:\n" + beat + many.replace("exit 0", command, 1))
        until("it is loaded", loaded)
    count = len(service.lines("beat"))
    seconds = [int(line[17:19]) for line in service.wait_lines("beat", count + 2)]
    assert all((b - a) % 60 == 1 for a, b in pairwise(seconds)), seconds
