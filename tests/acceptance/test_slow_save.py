"""A save that takes its time: no half of it is ever in force, and the whole is, soon after.

The writers are processes of their own that keep the file open between two halves; each half by
itself is a valid task file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting import until

BEFORE = """defaults: {env: {TEST_FOLDER: DIR}}
tasks:
  - name: beat
    schedule: "* * * * * *"
    command: echo before >>DIR/beat
"""
AFTER = BEFORE.replace("echo before", "echo whole half")
"""Cut off before " half" it is the command `echo whole`."""

WRITER = """
import sys
with open(sys.argv[1], "r+b", buffering=0) as file:
    file.truncate()
    for line in sys.stdin.buffer:
        file.write(line.rstrip(b"\\n").replace(b"\\0", b"\\n"))
        print(flush=True)
"""


class Writer:
    """Truncates the file and writes what it is given, part by part; it goes when it is closed."""

    def __init__(self, path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        self.pid = self._process.pid

    def write(self, text: str) -> None:
        """Returns when it is in the file."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(text.replace("\n", "\0").encode() + b"\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline()

    def end(self) -> None:
        """It closes the file, as it is."""
        with self._process:
            pass

    def kill(self) -> None:
        """It dies in the middle."""
        self._process.kill()
        self.end()


@contextmanager
def writing(path):
    writer = Writer(path)
    try:
        yield writer
    finally:
        writer.kill()


def waiting(service):
    return service.status()["version"]["waiting"]


def ask_nothing(service):
    pass


def ask_by_sigusr2(service):
    os.kill(service.pid, signal.SIGUSR2)


def ask_by_command(service):
    said = service.error("reload", code=75)
    assert "not loaded yet" in said and "has it open for writing" in said


@pytest.mark.parametrize("cut", [" half", "    command", ""])
@pytest.mark.parametrize("ask", [ask_nothing, ask_by_sigusr2, ask_by_command])
def test_a_file_that_is_open_for_writing_is_waited_for_and_then_taken_whole(service, ask, cut):
    service.start(BEFORE)
    service.wait_lines("beat", 1)
    text = service.text(AFTER)
    cut = text.index(cut)
    with writing(service.file) as writer:
        writer.write(text[:cut])
        ask(service)
        found = until("the wait is shown", lambda: waiting(service))
        assert f"process {writer.pid} (" in found["reason"]
        assert "has not been loaded since" in service.torch("status")
        seen = len(service.lines("beat"))
        service.wait_lines("beat", seen + 4)  # longer than any pause between two looks here
        writer.write(text[cut:])
        writer.end()
        until("all of it is in force", lambda: "whole half" in service.lines("beat"))
    assert set(service.lines("beat")) == {"before", "whole half"}
    assert service.log().count("event=reload_waiting") == 1
    assert "event=reload_refused" not in service.log()
    assert service.status()["version"]["waiting"] is None


def test_a_reload_by_a_person_waits_for_a_save_that_ends_soon(service):
    service.start(BEFORE)
    text = service.text(AFTER)
    with writing(service.file) as writer:
        writer.write(text[: text.index(" half")])
        command = [sys.executable, "-m", "torch", "reload", *service.options("reload")]
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=service.environ())
        until("the wait is shown", lambda: waiting(service))
        writer.write(text[text.index(" half") :])
        writer.end()
        asked.communicate(timeout=60)
    assert asked.returncode in (0, 75)
    until("all of it is in force", lambda: "whole half" in service.lines("beat"))


def test_what_a_writer_leaves_cut_off_is_refused_until_its_last_line_is_ended(service):
    service.start(BEFORE)
    service.wait_lines("beat", 1)
    text = service.text(AFTER)
    with writing(service.file) as writer:
        writer.write(text[: text.index(" half")])
        until("the wait is shown", lambda: waiting(service))
        writer.kill()
    problem = until("status names it", lambda: service.status()["version"]["problem"])
    assert "its last line has no line end: it may be cut off" in problem
    assert waiting(service) is None
    assert "add a line end" in service.error("reload", code=65)
    assert "cut off" in service.error("reload", "--dry-run", code=65)
    assert "cut off" in service.error("restart", code=65)
    seen = len(service.lines("beat"))
    service.wait_lines("beat", seen + 2)
    assert set(service.lines("beat")) == {"before"}
    with open(service.file, "a") as file:
        file.write(text[text.index(" half") :])
    until("all of it is in force", lambda: "whole half" in service.lines("beat"))
    assert service.status()["version"]["problem"] is None


def in_place(service, text):
    with open(service.file, "r+") as file:
        file.write(text)
        file.truncate()


def by_rename(service, text):
    new = service.folder / "new"
    new.write_text(text)
    new.rename(service.file)


def by_config_map(service, text):
    """As Kubernetes does: ..data is a link to a folder, and is swapped."""
    folder = service.folder / "..2026"
    folder.mkdir()
    (folder / "tasks.yaml").write_text(text)
    (service.folder / "..data.tmp").symlink_to(folder.name)
    (service.folder / "..data.tmp").rename(service.folder / "..data")


@pytest.mark.parametrize("replace", [in_place, by_rename, by_config_map])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_file_that_never_had_a_last_line_end_is_taken_all_the_same(service, replace, end):
    first = service.folder / "..2025"
    first.mkdir()
    (first / "tasks.yaml").write_text(service.text(BEFORE).rstrip() + end)
    (service.folder / "..data").symlink_to(first.name)
    if replace is by_config_map:
        service.file.symlink_to("..data/tasks.yaml")
    else:
        service.file.write_text(service.text(BEFORE).rstrip() + end)
    service.start()
    service.wait_lines("beat", 1)
    replace(service, service.text(AFTER).rstrip() + end)
    until("it is in force", lambda: "whole half" in service.lines("beat"))


def test_a_file_replaced_whole_is_taken_though_the_old_one_is_still_open_for_writing(service):
    service.start(BEFORE)
    with open(service.file, "a"):
        service.write(AFTER)
        until("it is in force", lambda: "whole half" in service.lines("beat"))


def test_a_start_waits_for_a_save(service):
    service.write(BEFORE)
    text = service.text(AFTER)
    with writing(service.file) as writer:
        writer.write(text[: text.index(" half")])
        start = subprocess.Popen(
            [sys.executable, "-m", "torch", "start", *service.options("start")],
            stdout=subprocess.PIPE, text=True, env=service.environ(),
        )  # fmt: skip
        service.wait_log("event=reload_waiting")
        writer.write(text[text.index(" half") :])
        writer.end()
        said, _ = start.communicate(timeout=60)
    assert start.returncode == 0, said
    service.wait_lines("beat", 1)
    assert set(service.lines("beat")) == {"whole half"}


def test_a_start_with_a_file_that_stays_open_for_writing_fails_and_names_who_writes(service):
    service.write(BEFORE)
    with open(service.file, "a"):
        said = service.error("start", code=75)
        assert f"process {os.getpid()} (" in said and "has it open for writing" in said
    service.start()


def test_a_restart_while_the_file_is_written_leaves_the_service_as_it_is(service):
    pid = service.start(BEFORE)
    with open(service.file, "a"):
        assert "has it open for writing" in service.error("restart", code=75)
        assert service.pid == pid and service.status()["ready"]


@pytest.mark.parametrize(
    "command",
    ["check -f FILE", "check FILE", "check --anywhere FILE", "check --json FILE", "plan -f FILE",
     "plan --all -f FILE", "tasks -f FILE", "next beat -f FILE", "diff --from OTHER -f FILE",
     "diff --from FILE -f OTHER", "notify list -f FILE"],
)  # fmt: skip
def test_a_command_that_reads_a_file_that_is_being_written_says_who_writes_and_exits_75(
    service, command
):
    service.write(BEFORE)
    other = Path(service.file).with_name("other.yaml")
    other.write_text(service.text(BEFORE))
    files = {"FILE": str(service.file), "OTHER": str(other)}
    words = [files.get(word, word) for word in command.split()]
    service.torch(*words)
    with open(service.file, "a"):
        done = service.finished(*words)
    assert done.returncode == 75, done
    assert f"process {os.getpid()} (" in done.stdout + done.stderr
    assert "has it open for writing" in done.stdout + done.stderr


def test_of_a_refused_and_a_written_file_check_exits_for_the_refused_one(service):
    service.write(BEFORE)
    bad = Path(service.file).with_name("bad.yaml")
    bad.write_text("tasks: 7\n")
    with open(service.file, "a"):
        assert "has it open for writing" in service.error(
            "check", str(service.file), str(bad), code=65
        )


def test_doctor_and_a_dry_run_name_who_writes_the_file(service):
    service.write(BEFORE)
    with open(service.file, "a"):
        assert (
            "has it open for writing" in service.finished("doctor", "-f", str(service.file)).stdout
        )
    service.start()
    with open(service.file, "a"):
        assert "has it open for writing" in service.error("reload", "--dry-run", code=75)


THREE = (
    BEFORE
    + """  - {name: second, type: daemon, command: sleep 1000}
  - {name: third, type: daemon, command: sleep 1000}
"""
)


def test_a_writer_that_closes_the_file_between_its_pieces_stops_no_task(service):
    service.start(THREE)
    text = service.text(THREE)
    cut = text.index("  - {name: third")
    until("it is active", lambda: service.json("runs", "third")["runs"])
    service.file.write_text(text[:cut])
    found = until("the wait is shown", lambda: waiting(service))
    assert "the task file lost its end: 1 of 3 tasks is gone" in found["reason"]
    with open(service.file, "a") as file:
        file.write(text[cut:])
    until("nothing is waited for", lambda: not waiting(service))
    assert len(service.json("runs", "third")["runs"]) == 1
    assert "event=reload_refused" not in service.log()


def test_a_file_that_lost_its_end_is_refused_until_a_person_has_it_loaded(service):
    service.start(THREE)
    text = service.text(THREE)
    service.file.write_text(text[: text.index("  - {name: third")])
    assert "torch reload" in service.error("reload", code=75)
    problem = until("status names it", lambda: service.status()["version"]["problem"])
    assert "1 of 3 tasks is gone, so it may be cut off" in problem
    assert service.task("third")
    service.torch("reload")
    assert {task["name"] for task in service.status()["tasks"]} == {"beat", "second"}
    assert service.status()["version"]["problem"] is None
