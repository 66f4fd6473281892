"""Imports for tests: a text read, composed, and read again by the reader of task files."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from torch.importing import crontab, gotorch, page, yacron
from torch.importing.crontab import Host
from torch.importing.draft import Original
from torch.importing.page import Imported
from torch.task import Task
from torch.taskfile.parse import parse

DATA = Path(__file__).parent / "data"
HOST = Host(users=("root", "www-data", "alice", "backup"), home={
    "root": "/root", "www-data": "/var/www", "alice": "/home/alice",
}.get)  # fmt: skip
"""A host with three homes; `backup` has none."""


def composed(*originals: Original) -> Imported:
    return page.compose(originals, origin="a test")


def tasks_of(imported: Imported) -> dict[str, Task]:
    """The tasks by name, as the service would read them; nothing in the file is even doubtful."""
    return {task.name: task for task in parse(
        imported.text.encode(), file="tasks.yaml", host_zone="UTC",
    ).tasks}  # fmt: skip


def from_crontab(text: str | bytes, *, file: str = "alice.crontab", **options) -> Imported:
    """A crontab, dedented, that alice owns where nothing else is said."""
    data = text if isinstance(text, bytes) else dedent(text).lstrip("\n").encode()
    if not options.keys() - {"cron"} and file == "alice.crontab":
        options["owner"] = "alice"
    return composed(crontab.read(data, file=file, host=HOST, **options))


def from_gotorch(text: str) -> Imported:
    return composed(gotorch.read(text.encode(), file="task.json"))


def from_yacron(text: str) -> Imported:
    return composed(yacron.read(dedent(text).encode(), file="yacron.yaml"))


def only(imported: Imported) -> Task:
    """The one task, nothing else left over."""
    assert not imported.unmapped, imported.unmapped
    (task,) = tasks_of(imported).values()
    return task


def reviews(imported: Imported) -> str:
    """The comments of a page as one text, their line ends taken away."""
    lines = (line.strip() for line in imported.text.split("\n"))
    words = (line.lstrip("#").strip() for line in lines if line.startswith("#"))
    return " ".join(words)


def told(imported: Imported) -> list[str]:
    return [each.told() for each in imported.unmapped]
