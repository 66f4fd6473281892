"""Text of a task file -> tasks, or every problem with line, column, key and hint.

Owns the order of reading: text, nodes, the file's own keys, then the tasks. Nothing here reads
the disk, this host's users or its addresses: the same bytes mean the same tasks everywhere,
but for tasks without a `timezone`, which take the zone of the host (`host_zone`).

Rules:
- Problems of one part do not hide those of another; only text that is no YAML ends the reading.
- `defaults` are checked at their own place, once. A default that does not apply to a task's
  type is not applied; in the task itself it is an error.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from torch.channel import Channel
from torch.errors import Problem, TaskFileError
from torch.task import Task
from torch.taskfile import nodes, placement
from torch.taskfile.build import Builder
from torch.taskfile.file_keys import FILE_KEYS
from torch.taskfile.kinds import wrong
from torch.taskfile.problems import Collector, TooManyProblems
from torch.taskfile.records import unknown_key
from torch.taskfile.text import read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFile:
    """What was read of a task file. `tasks` are in file order; `total` counts those of all hosts.

    `channels` are those of `notify`, whatever the host. `hash` is the SHA-256 of the file's
    bytes, in hex. `problems` are warnings only where it comes from `parse`; from `examine` they
    may be errors, and `tasks` then are those that are fine.
    """

    tasks: tuple[Task, ...]
    groups: Mapping[str, tuple[str, ...]]
    channels: Mapping[str, Channel]
    problems: tuple[Problem, ...]
    hash: str
    total: int
    _out: Collector = field(repr=False, compare=False)
    _builder: Builder = field(repr=False, compare=False)

    @property
    def refused(self) -> bool:
        return any(not problem.warning for problem in self.problems)

    def problem(
        self, task: Task, key: str, message: str, hint: str = "", *, warning: bool = False
    ) -> Problem:
        """A problem at a key of a task, wherever it comes from: own, merged, or from `defaults`."""
        at = self._builder.place(task, key)
        return self._out.problem(at, key, message, hint, warning=warning)

    def channel_problem(
        self, name: str, message: str, hint: str = "", *, warning: bool = False
    ) -> Problem:
        """A problem with the value of a channel."""
        at = self._out.channel_places[name]
        return self._out.problem(at, "notify", message, hint, warning=warning)


def parse(
    data: bytes,
    *,
    file: str,
    host_zone: str | None = None,
    only_for: Collection[placement.Address] | None = None,
) -> TaskFile:
    """Reads a task file. `file` is its name in problems, `host_zone` an IANA name (None: ask
    this host). With `only_for` the tasks are those that a host with these addresses owns; all
    of them are checked all the same. Raises TaskFileError with every problem, in line order.
    """
    found = examine(data, file=file, host_zone=host_zone, only_for=only_for)
    if found.refused:
        raise TaskFileError(found.problems)
    return found


def examine(
    data: bytes,
    *,
    file: str,
    host_zone: str | None = None,
    only_for: Collection[placement.Address] | None = None,
) -> TaskFile:
    """The same of a file with errors too: what is fine in it, and every problem."""
    out = Collector(file=file, text="")
    builder = Builder(out, host_zone, only_for)
    with _uncollected():
        try:
            if read_text(data, out):
                _read(nodes.read_nodes(out), out, builder)
        except (nodes.Unreadable, TooManyProblems):
            pass  # the collector knows why
    return TaskFile(
        tasks=tuple(builder.tasks),
        groups=out.groups,
        channels=out.channels,
        problems=out.problems() if out.errors else out.warnings(),
        hash=hashlib.sha256(data).hexdigest(),
        total=builder.total,
        _out=out,
        _builder=builder,
    )


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: it would walk the growing tree, which has no cycles,
    again and again, and take as long as all the rest."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(root: nodes.Node | None, out: Collector, builder: Builder) -> None:
    if root is None:
        out.error(-1, "tasks", "the file is empty", "for a file without tasks, write: tasks: []")
        return
    if not isinstance(root, nodes.Mapping):
        hint = "write the tasks as a list under the key 'tasks'"
        wrong(root, out, "the file", "a mapping with the key 'tasks'", hint)
        return
    for name, (key, _) in root.entries.items():
        if name not in FILE_KEYS:
            unknown_key(key, FILE_KEYS, out, "")
    # Not in the file's order: tasks may come before the groups and defaults they use.
    for name in ("version", "groups", "notify"):
        if (node := root.get(name)) is not None:
            value = FILE_KEYS[name].kind.check(node, out, name)
            if name == "groups":
                out.groups = value
            elif name == "notify":
                out.channels = value
    if (node := root.get("defaults")) is not None:
        builder.read_defaults(node)
    _read_tasks(root, out, builder)


def _read_tasks(root: nodes.Mapping, out: Collector, builder: Builder) -> None:
    tasks = root.get("tasks")
    if tasks is None:
        out.error(
            root.at,
            "tasks",
            "the file has no 'tasks'",
            "for a file without tasks, write: tasks: []",
        )
    elif not isinstance(tasks, nodes.Sequence):
        hint = "begin each task with '- name: …'" if isinstance(tasks, nodes.Mapping) else ""
        wrong(tasks, out, "tasks", "a list of tasks", hint)
    else:
        for node in tasks.items:
            builder.read_task(node)
