"""A configuration of yacron or cronstable -> drafts of tasks.

Owns the file: its parts, `defaults` under each entry of `jobs`, comments. What a key becomes is
`yacron_keys`', what it includes `yacron_tree`'s. Read by the reader of task files, so that a
hostile file gets a clear problem: both programs take the strict part of YAML that it takes (no
tags, no key twice).

Rules:
- Every key that has no place in a task is listed by name and stays as a comment; what stands in
  `defaults` is listed once.
- As both programs do, mappings of `defaults` are merged under a task's, and lists are joined;
  nothing in the place of a mapping leaves that of `defaults`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.errors import TaskFileError
from torch.importing import yacron_keys, yacron_missing, yaml_comments
from torch.importing.draft import Draft, Original, Remark
from torch.importing.yacron_values import NotATask, is_nothing
from torch.taskfile import nodes
from torch.taskfile.nodes import Node, Scalar, Sequence
from torch.taskfile.problems import Collector, TooManyProblems
from torch.taskfile.text import read_text

_ENTRIES = "jobs"
_INCLUDE = "include"
_NO_PLACE = {
    "include": "it is not a list of file names",
    "web": "Torch has no web interface; use its commands",
    "logging": "--log-format sets the format of the log",
    "dags": "tasks of Torch cannot depend on each other",
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as YAML: its text, lines ended by `\\n` alone, and its mapping (None: empty)."""

    file: str
    text: str
    root: nodes.Mapping | None


def read(data: bytes, *, file: str) -> Original:
    """The pieces of one configuration, without the files that it includes.

    Raises TaskFileError when it is no YAML mapping.
    """
    reader = Reader(parse(data, file), nodes.Mapping({}, 0))
    reader.read()
    return reader.original


def parse(data: bytes, file: str) -> Parsed:
    """Raises TaskFileError when it is no YAML mapping."""
    out = Collector(file=file, text="")
    root: Node | None = None
    try:
        if read_text(data, out):
            out.text = out.text.replace("\r\n", "\n").replace("\r", "\n")
            root = nodes.read_nodes(out)
    except (nodes.Unreadable, TooManyProblems):
        pass  # the collector knows why
    if root is not None and not isinstance(root, nodes.Mapping):
        out.error(
            root.at, "", "it is not a mapping", "its tasks are a list under the key 'jobs'"
        )  # fmt: skip
    if out.errors:
        raise TaskFileError(out.problems())
    return Parsed(file, out.text, root if isinstance(root, nodes.Mapping) else None)


def includes(parsed: Parsed) -> list[Scalar]:
    """The paths under `include`, as written; none where it is not a list of texts."""
    listed = parsed.root.get(_INCLUDE) if parsed.root is not None else None
    if not isinstance(listed, Sequence):
        return []
    paths = [node for node in listed.items if isinstance(node, Scalar)]
    return paths if len(paths) == len(listed.items) else []


class Reader:
    """One file. `below`: the defaults of the files that it includes, which lie under its own.

    `defaults` are its own over these, `named` the drafts with the names they have in the file.
    """

    def __init__(self, parsed: Parsed, below: nodes.Mapping) -> None:
        self.original = Original(parsed.file)
        self.defaults = below
        self.named: list[tuple[str, Draft]] = []
        self._parsed = parsed
        self._lines = parsed.text.split("\n")
        self._comments, self._content = yaml_comments.find(parsed.text)
        self._told = 0  # comments before this line are written

    def read(self) -> None:
        if self._parsed.root is not None:
            self._read(self._parsed.root)
        self._remark_until(1 << 30)

    def _read(self, root: nodes.Mapping) -> None:
        own = root.get("defaults")
        if isinstance(own, nodes.Mapping):
            self.defaults = merged(self.defaults, own)
        starts = sorted(key.at >> 24 for key, _ in root.entries.values())
        for key, value in root.entries.values():
            line = key.at >> 24
            following = [start for start in starts if start > line]
            end = self._end(following[0] if following else len(self._lines))
            if key.text == _ENTRIES and isinstance(value, Sequence):
                self._read_entries(value, end)
                continue
            self._remark_until(end)
            if key.text == "defaults" and isinstance(value, nodes.Mapping):
                self._list(value)
            elif key.text == _INCLUDE and (paths := includes(self._parsed)):
                files = ", ".join(path.text for path in paths)
                self.original.add(Remark((f"include: {files}",)))
            elif not (key.text == _INCLUDE and isinstance(value, Sequence) and not value.items):
                reason = _NO_PLACE.get(key.text, "a task file has no place for it")
                self._unmapped(line, end, f"'{key.text}': {reason}")

    def _read_entries(self, entries: Sequence, end: int) -> None:
        starts = [node.at >> 24 for node in entries.items]
        for node, following in zip(entries.items, [*starts, end][1:], strict=True):
            line, last = node.at >> 24, max(self._end(following), (node.at >> 24) + 1)
            self._remark_until(last)
            if not isinstance(node, nodes.Mapping):
                self._unmapped(line, last, "it is not a mapping")
                continue
            self._list(node)
            try:
                keys = yacron_keys.read(merged(self.defaults, node))
            except NotATask as refused:
                self._unmapped(line, last, str(refused))
                continue
            for note in keys.notes:
                self.original.note(note)
            draft = Draft(
                line=line + 1,
                source="\n".join(self._lines[line:last]),
                names=keys.names,
                keys=keys.keys,
                reviews=tuple(keys.reviews),
            )
            self.original.add(draft)
            if keys.name:
                self.named.append((keys.name, draft))

    def _list(self, entry: nodes.Mapping) -> None:
        """Lists each key of an entry that has no place in a task, with all that is under it."""
        for at, name, reason in yacron_missing.without_place(entry):
            line, column = at >> 24, at & 0xFFFFFF
            end = line + 1
            while end < len(self._lines) and self._is_under(end, column):
                end += 1
            source = [self._lines[line][column:]]
            source += [each[column:] for each in self._lines[line + 1 : self._end(end)]]
            self.original.unmapped(line + 1, "\n".join(source), f"'{name}': {reason}")

    def _is_under(self, line: int, column: int) -> bool:
        text = self._lines[line]
        inset = len(text) - len(text.lstrip(" "))
        return line not in self._content or inset > column or text[column : column + 2] == "- "

    def _unmapped(self, line: int, end: int, reason: str) -> None:
        self.original.unmapped(line + 1, "\n".join(self._lines[line:end]), reason)

    def _end(self, before: int) -> int:
        """The line after the last content before `before`; comments go with what follows."""
        while before and before - 1 not in self._content:
            before -= 1
        return before

    def _remark_until(self, line: int) -> None:
        """Writes the comments that stand before this line and are not yet written."""
        group: list[str] = []
        last = -1
        for number in sorted(self._comments):
            if not self._told <= number < line:
                continue
            if group and number != last + 1:
                self.original.add(Remark(tuple(group)))
                group = []
            group.append(self._comments[number])
            last = number
        if group:
            self.original.add(Remark(tuple(group)))
        self._told = max(self._told, line)


def merged(below: nodes.Mapping, own: nodes.Mapping) -> nodes.Mapping:
    """Mappings merged key by key, lists joined; else the value of `own` holds."""
    entries = dict(below.entries)
    for name, (key, value) in own.entries.items():
        under = below.get(name)
        if isinstance(under, nodes.Mapping) and is_nothing(value):
            continue
        if isinstance(under, nodes.Mapping) and isinstance(value, nodes.Mapping):
            value = merged(under, value)
        elif isinstance(under, Sequence) and isinstance(value, Sequence):
            value = Sequence([*under.items, *value.items], value.at)
        entries[name] = (key, value)
    return nodes.Mapping(entries, own.at)
