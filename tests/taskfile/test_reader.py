"""The child that reads the task file: what goes in, what comes out, through real pipes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys

import pytest

from torch.channel import Channel, Way
from torch.taskfile.open import ATTEMPTS
from torch.taskfile.reader import read
from torch.taskfile.reading import (
    FRAME_TASKS,
    LONGEST,
    PER_MIB,
    SHORTEST,
    UPGRADED,
    Reading,
    Request,
    extra_time,
    frame_length,
    pack,
    shape,
    unpack,
    unpack_reply,
)
from torch.taskfile.text import LIMIT

DEADLINE = 60
TASKS = """\
groups: {web: [10.0.0.1]}
tasks:
  - {name: a, type: daemon, command: /bin/true, env: {A: b}}
  - {name: b, schedule: "*/5 * * * * *", command: [/bin/true], timezone: Asia/Tokyo}
  - {name: c, type: daemon, command: x, hosts: [web]}
  - {name: d, type: daemon, command: x, hosts: ["!web"]}
"""


def child(line: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-I", "-m", "torch.taskfile.reader"],
        input=line.encode(),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )


def ask(request: Request):
    """The reading and the tasks that the real child answers with."""
    done = child(request.to_json() + "\n")
    assert (done.returncode, done.stderr) == (0, b"")
    return unpack_reply(done.stdout)


def ask_here(request: Request):
    """The same without a process."""
    return unpack_reply(b"".join(read(request)))


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "tasks.yaml"
    file.write_text(TASKS)
    file.chmod(0o644)
    return file


def test_the_child_tells_this_hosts_tasks_and_what_else_is_in_the_file(path):
    reading, tasks = ask(Request(path=str(path), addresses=("10.0.0.7",)))
    assert [each.name for each in tasks] == ["a", "b", "d"]
    assert reading.order == tuple((each.name, each.digest) for each in tasks)
    assert (reading.refused, reading.missing, reading.problems) == (False, False, ())
    assert (reading.total, reading.elsewhere, reading.frames) == (4, 1, 1)
    assert reading.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert tasks[0].env == (("A", "b"),)
    assert tasks[1].schedule[0].next_epoch(0) == 5
    assert (tasks, reading) == ask_here(Request(path=str(path), addresses=("10.0.0.7",)))[::-1]


def test_without_addresses_the_child_asks_the_interfaces(path):
    _, tasks = ask(Request(path=str(path)))
    assert {"a", "b"} <= {each.name for each in tasks}


def test_several_addresses_are_those_of_one_host(path):
    _, tasks = ask_here(Request(path=str(path), addresses=("10.0.0.7", "10.0.0.1")))
    assert [each.name for each in tasks] == ["a", "b", "c"]


def test_no_address_at_all_owns_what_is_for_every_host(path):
    _, tasks = ask_here(Request(path=str(path), addresses=()))
    assert [each.name for each in tasks] == ["a", "b", "d"]


def test_a_known_task_is_named_and_not_sent_again(path):
    request = Request(path=str(path), addresses=("10.0.0.7",))
    reading, _ = ask(request)
    known = dict(reading.order)
    again, sent = ask(Request(path=str(path), addresses=("10.0.0.7",), known=known))
    assert (again.order, again.frames, sent) == (reading.order, 0, ())
    path.write_text(TASKS.replace("A: b", "A: c").replace("name: d", "name: e"))
    changed, sent = ask(Request(path=str(path), addresses=("10.0.0.7",), known=known))
    assert [each.name for each in sent] == ["a", "e"]
    assert [name for name, _ in changed.order] == ["a", "b", "e"]
    assert changed.hash != reading.hash


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_tasks_come_in_frames_that_take_no_time_to_unpack(path, extra):
    count = 2 * FRAME_TASKS + extra
    path.write_text(
        "tasks:\n" + "".join(f"- {{name: t{n}, type: daemon, command: x}}\n" for n in range(count))
    )
    frames = list(read(Request(path=str(path), addresses=())))
    stream = io.BytesIO(b"".join(frames))
    contents = []
    while head := stream.read(4):
        contents.append(unpack(stream.read(frame_length(head))))
    assert contents[0].frames == len(contents) - 1 == (3 if extra == 1 else 2)
    assert [each.name for frame in contents[1:] for each in frame] == [
        f"t{n}" for n in range(count)
    ]
    assert max(map(len, contents[1:])) <= FRAME_TASKS


def test_a_bad_file_is_all_its_problems_and_nothing_else(path):
    path.write_text(TASKS.replace("type: daemon", "tpye: daemon"))
    reading, tasks = ask(Request(path=str(path)))
    assert (reading.refused, reading.missing, tasks, reading.order) == (True, False, (), ())
    assert [each.key for each in reading.problems] == ["tpye"] * 3
    assert reading.problems[0].file == str(path)
    assert reading.hash == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_missing_file_is_refused_as_missing(path):
    path.unlink()
    reading, tasks = ask(Request(path=str(path)))
    assert (reading.refused, reading.missing, reading.hash, tasks) == (True, True, "", ())


def test_a_file_that_may_not_be_trusted_is_refused_and_not_missing(path):
    path.chmod(0o666)
    reading, _ = ask_here(Request(path=str(path)))
    assert (reading.refused, reading.missing, reading.hash) == (True, False, "")
    assert "writable by all users" in reading.problems[0].message


def test_what_this_host_lacks_refuses_the_file_and_what_another_lacks_does_not(path):
    lacking = TASKS.replace("hosts: [web]", "hosts: [web], cwd: /no/such/place")
    path.write_text(lacking)
    good, _ = ask_here(Request(path=str(path), addresses=("10.0.0.7",)))
    bad, _ = ask_here(Request(path=str(path), addresses=("10.0.0.1",)))
    assert (good.refused, bad.refused) == (False, True)
    assert bad.problems[0].key == "cwd"


def test_warnings_come_with_the_tasks_and_with_a_refusal(path):
    path.write_text(TASKS.replace("command: x,", "command: x --password hunter2,"))
    reading, tasks = ask_here(Request(path=str(path), addresses=("10.0.0.7",)))
    assert tasks and not reading.refused
    assert [each.warning for each in reading.problems] == [True, True]
    path.write_text(path.read_text().replace("10.0.0.1]", "10.0.0.1/99]"))
    reading, _ = ask_here(Request(path=str(path), addresses=("10.0.0.7",)))
    assert sorted(each.warning for each in reading.problems) == [False, True, True]


def test_the_commit_of_the_repository_is_told(path):
    (path.parent / ".git").mkdir()
    (path.parent / ".git" / "HEAD").write_text("0123456789abcdef" * 2 + "01234567\n")
    assert ask_here(Request(path=str(path)))[0].commit == "0123456789ab"


def test_a_file_that_keeps_being_replaced_is_not_read_for_ever():
    assert 2 <= ATTEMPTS <= 10


def test_a_request_is_one_line_and_reads_back():
    request = Request(path="/a\nb", addresses=("10.0.0.1",), known={"a": "d"})
    assert "\n" not in request.to_json()
    assert Request.from_json(request.to_json()) == request
    assert Request.from_json('{"path": "/a"}') == Request(path="/a")
    assert Request.from_json('{"path": "/a", "address": "10.0.0.1"}').addresses == ("10.0.0.1",)
    assert Request.from_json('{"path": "/a", "address": null}').addresses is None


@pytest.mark.parametrize(
    "line",
    ["", "\n", "null\n", "[]\n", "{}\n", "x\n", '{"path": 7}\n', '{"path": null}\n', "\xff\n",
     '{"path": "/a", "addresses": 7}\n'],
)  # fmt: skip
def test_a_request_that_is_none_ends_the_child_and_answers_nothing(line):
    with pytest.raises(Exception) as caught:
        list(read(Request.from_json(line)))
    assert not isinstance(caught.value, StopIteration)


def test_the_child_ends_with_a_fault_on_a_request_that_is_none():
    done = child("nonsense\n")
    assert done.returncode != 0
    assert done.stdout == b""
    with pytest.raises(ValueError, match="cut off"):
        unpack_reply(done.stdout)


@pytest.mark.parametrize("name", ["a\nb.yaml", "\ud800", "a\x1b[2J", "", "/", "a\0b"])
def test_a_hostile_path_is_a_refusal(tmp_path, name):
    line = json.dumps({"path": f"{tmp_path}/{name}", "addresses": []})
    done = child(line + "\n")
    assert done.returncode == 0, done.stderr.decode()
    assert unpack_reply(done.stdout)[0].refused


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, -1, -40])
def test_a_reply_that_is_cut_off_is_no_reply(path, length):
    whole = b"".join(read(Request(path=str(path), addresses=())))
    with pytest.raises(ValueError, match="cut off"):
        unpack_reply(whole[:length])


def test_a_reply_that_promises_more_frames_than_come_is_no_reply():
    with pytest.raises(ValueError, match="cut off"):
        unpack_reply(pack(Reading(frames=1)))


def test_the_child_is_blind_to_the_directory_it_is_started_in(path, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise SystemExit('foreign code')")
    done = subprocess.run(
        [sys.executable, "-I", "-m", "torch.taskfile.reader"],
        input=Request(path=str(path)).to_json().encode(),
        cwd=tmp_path,
        capture_output=True,
        timeout=DEADLINE,
        check=True,
    )
    assert not unpack_reply(done.stdout)[0].refused


def test_the_channels_of_the_file_come_with_the_reading(path):
    url = "https://chat.example/hook"
    path.write_text(f"notify: {{ops: {{webhook: '{url}'}}}}\ntasks: []\n")
    reading, _ = ask(Request(path=str(path)))
    assert reading.channels == {"ops": Channel(name="ops", way=Way.WEBHOOK, target=url)}
    assert url not in repr(reading)


def test_a_reader_of_another_version_sends_nothing_that_could_be_misread(path):
    order = Request(path=str(path), shape="that of another version").to_json()
    done = subprocess.run(
        [sys.executable, "-I", "-m", "torch.taskfile.reader"], input=order, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", UPGRADED + "\n")


def test_every_field_that_is_sent_is_part_of_the_shape(monkeypatch):
    before = shape()
    monkeypatch.setattr("torch.taskfile.reading.__version__", "9.9.9")
    assert shape() != before
    assert Request.from_json(Request(path="x", shape=before).to_json()).shape == before


def test_a_larger_file_may_take_longer_to_read(tmp_path):
    file = tmp_path / "tasks.yaml"
    assert extra_time(str(file)) == extra_time("\0") == 0
    for size, longer in [(0, 0), (2**20, PER_MIB), (LIMIT, LONGEST - SHORTEST)]:
        file.touch()
        os.truncate(file, size)
        assert extra_time(str(file)) == longer
    os.truncate(file, 2**40)  # it is refused for its size, at once
    assert SHORTEST + extra_time(str(file)) == LONGEST
