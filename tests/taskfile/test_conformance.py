"""Files that other tools of this kind took wrongly, and what becomes of each here."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.taskfile.making import NEEDS_ROOT
from torch.errors import Problem, TaskFileError
from torch.taskfile import open as opening
from torch.taskfile.host_checks import check_host, forget
from torch.taskfile.open import read_task_file
from torch.taskfile.parse import parse
from torch.taskfile.problems import visible

TABLE = Path(__file__).parent / "conformance" / "task-files.json"
CASES: list[dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8"))["cases"]
MTIME = 4_000_000_000


def content(case: dict[str, Any]) -> bytes:
    made = eval(case["gen"]) if "gen" in case else case["text"]
    return made if isinstance(made, bytes) else made.encode()


def load(path: Path) -> tuple[Problem, ...]:
    """Every problem of the file, as the reader finds them; TaskFileError when it is refused."""
    opened = read_task_file(str(path))
    file = parse(opened.data, file=str(path), host_zone="UTC")
    forget()
    problems = opened.warnings + file.problems + check_host(file, file.tasks)
    if errors := tuple(each for each in problems if not each.warning):
        raise TaskFileError(errors)
    return problems


def prepare(case: dict[str, Any], directory: Path) -> Path:
    """The file as the case's `setup` wants it."""
    setup = case.get("setup", {})
    path = directory / "tasks.yaml"
    data = content(case)
    if setup.get("type") == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
        return path
    if "type" in setup:
        return Path(setup["type"])
    if setup.get("dangling"):
        path.symlink_to(directory / "gone.yaml")
        return path
    if "symlink_to" in setup:
        target = directory / "other.yaml"
        target.write_bytes(data)
        path.symlink_to(target)
        os.lchown(path, setup["link_uid"], -1)
        return path
    path.write_bytes(data)
    os.chown(path, setup.get("uid", -1), setup.get("gid", -1))
    path.chmod(int(setup.get("mode", "0644"), 8))
    if "parent_mode" in setup:
        directory.chmod(int(setup["parent_mode"], 8))
    if "mtime_future" in setup:
        os.utime(path, (MTIME, MTIME))
    for number in range(1, setup.get("hardlink_count", 1)):
        os.link(path, directory / f"link{number}.yaml")
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[None]:
    """Renames new contents over the file all the while."""
    done = threading.Event()
    new = path.with_suffix(".new")

    def replace() -> None:
        number = 0
        while not done.wait(0.0005):
            number += 1
            new.write_bytes(b"tasks: []\n" + b"#" * 200_000 + f"{number}\n".encode())
            new.rename(path)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def load_as(uid: int, path: Path, verdict: Any) -> None:
    """In a child: what a user without rights makes of the file."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    try:
        load(path)
    except TaskFileError as error:
        verdict.send(error.problems)
    else:
        verdict.send(None)


def problems_as(uid: int, path: Path) -> tuple[Problem, ...] | None:
    """The problems that another user finds; None when the file loads."""
    mine, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=load_as, args=(uid, path, theirs))
    child.start()
    theirs.close()
    with mine:
        assert mine.poll(20), "the child does not answer"
        found: tuple[Problem, ...] | None = mine.recv()
    child.join()
    return found


def needs_root(case: dict[str, Any]) -> bool:
    runs_as_another = case["expect"] == "ok" and "user: " in (case["text"] or "")
    return runs_as_another or not case.get("setup", {}).keys().isdisjoint(
        {"uid", "gid", "link_uid", "as_user"}
    )


@pytest.mark.parametrize("case", CASES, ids=[f"{each['id']}: {each['why']}" for each in CASES])
def test_a_file_is_taken_or_refused_as_the_table_says(case: dict[str, Any], tmp_path: Path) -> None:
    if needs_root(case) and os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)
    setup = case.get("setup", {})
    if "as_user" in setup:
        with tempfile.TemporaryDirectory() as open_to_all:  # pytest's own are closed to others
            os.chmod(open_to_all, 0o755)
            problems = problems_as(setup["as_user"], prepare(case, Path(open_to_all)))
        assert problems, "it was read"
        assert "cannot be read by" in problems[0].message
        return
    path = prepare(case, tmp_path)
    if case["expect"] == "error":
        with pytest.raises(TaskFileError) as caught:
            load(path)
        check_refusal(case, path, caught.value.problems)
        return
    changing = replacing(path) if setup.get("replace_during_read") else contextlib.nullcontext()
    with changing:
        problems = load(path)
    assert [each.message for each in problems if not each.warning] == []
    assert bool(problems) == (case["expect"] == "ok-with-warning")


def check_refusal(case: dict[str, Any], path: Path, problems: tuple[Problem, ...]) -> None:
    """Some problem names the file, the line and the key, where the table has them."""
    assert all(each.file == str(path) for each in problems)
    assert all(each.message == visible(each.message) for each in problems)
    fitting = [
        each
        for each in problems
        if not each.warning
        and ("line" not in case or each.line == case["line"])
        and ("key" not in case or each.key == case["key"])
    ]
    assert fitting, f"none at {case.get('line')}, {case.get('key')}: {problems}"


def test_every_attempt_at_a_file_that_is_replaced_reads_one_of_its_versions(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_bytes(b"tasks: []\n")
    with replacing(path):
        for _ in range(20):
            data = read_task_file(str(path)).data
            assert data.startswith(b"tasks: []\n")
            assert len(set(data.removeprefix(b"tasks: []\n").rstrip(b"0123456789\n"))) < 2
    assert opening.ATTEMPTS >= 3
