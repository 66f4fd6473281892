"""A configuration of yacron or cronstable -> drafts of tasks.

Owns the file: its parts, `defaults` under each entry of `jobs`, comments. What a key becomes is
`yacron_keys`'. Read by the reader of task files, so that a hostile file gets a clear problem:
both programs take the strict part of YAML that it takes (no tags, no key twice).

Rules:
- Every key that has no place in a task is listed by name and stays as a comment; what stands in
  `defaults` is listed once.
- As both programs do, mappings of `defaults` are merged under a task's, and lists are joined.
"""

from __future__ import annotations

from torch.errors import TaskFileError
from torch.importing import yacron_keys, yacron_missing, yaml_comments
from torch.importing.draft import Draft, Original, Remark
from torch.importing.yacron_values import NotATask
from torch.taskfile import nodes
from torch.taskfile.nodes import Node, Sequence
from torch.taskfile.problems import Collector, TooManyProblems
from torch.taskfile.text import read_text

_ENTRIES = "jobs"
_NO_PLACE = {
    "include": "other files are not read; import them in the same call",
    "web": "Torch has no web interface; its commands ask it",
    "logging": "the log's form is --log-format",
    "dags": "Torch has no tasks that depend on each other",
}


def read(data: bytes, *, file: str) -> Original:
    """The pieces of a configuration. Raises TaskFileError when it is no YAML mapping."""
    out = Collector(file=file, text="")
    root: Node | None = None
    try:
        if read_text(data, out):
            out.text = out.text.replace("\r\n", "\n").replace("\r", "\n")
            root = nodes.read_nodes(out)
    except (nodes.Unreadable, TooManyProblems):
        pass  # the collector knows why
    if root is not None and not isinstance(root, nodes.Mapping):
        out.error(root.at, "", "it is no mapping", "its tasks are a list under the key 'jobs'")
    if out.errors:
        raise TaskFileError(out.problems())
    reader = _Reader(file, out.text)
    if isinstance(root, nodes.Mapping):
        reader.read(root)
    reader.remark_until(1 << 30)
    return reader.original


class _Reader:
    def __init__(self, file: str, text: str) -> None:
        self.original = Original(file)
        self._lines = text.split("\n")
        self._comments, self._content = yaml_comments.find(text)
        self._told = 0  # comments before this line are written
        self._defaults = nodes.Mapping({}, 0)

    def read(self, root: nodes.Mapping) -> None:
        defaults = root.get("defaults")
        if isinstance(defaults, nodes.Mapping):
            self._defaults = defaults
        starts = sorted(key.at >> 24 for key, _ in root.entries.values())
        for key, value in root.entries.values():
            line = key.at >> 24
            following = [start for start in starts if start > line]
            end = self._end(following[0] if following else len(self._lines))
            if key.text == _ENTRIES and isinstance(value, Sequence):
                self._read_entries(value, end)
            elif key.text == "defaults" and value is self._defaults:
                self.remark_until(end)
                self._list(self._defaults)
            else:
                self.remark_until(end)
                reason = _NO_PLACE.get(key.text, "a task file has no place for it")
                self._unmapped(line, end, f"'{key.text}': {reason}")

    def _read_entries(self, entries: Sequence, end: int) -> None:
        starts = [node.at >> 24 for node in entries.items]
        for node, following in zip(entries.items, [*starts, end][1:], strict=True):
            line, last = node.at >> 24, max(self._end(following), (node.at >> 24) + 1)
            self.remark_until(last)
            if not isinstance(node, nodes.Mapping):
                self._unmapped(line, last, "it is no mapping")
                continue
            self._list(node)
            try:
                keys = yacron_keys.read(merged(self._defaults, node))
            except NotATask as refused:
                self._unmapped(line, last, str(refused))
                continue
            for note in keys.notes:
                self.original.note(note)
            self.original.add(
                Draft(
                    line=line + 1,
                    source="\n".join(self._lines[line:last]),
                    names=keys.names,
                    keys=keys.keys,
                    reviews=tuple(keys.reviews),
                )
            )

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

    def remark_until(self, line: int) -> None:
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
    """Mappings merged key by key, lists joined; else the entry's own value holds."""
    entries = dict(below.entries)
    for name, (key, value) in own.entries.items():
        under = below.get(name)
        if isinstance(under, nodes.Mapping) and isinstance(value, nodes.Mapping):
            value = merged(under, value)
        elif isinstance(under, Sequence) and isinstance(value, Sequence):
            value = Sequence([*under.items, *value.items], value.at)
        entries[name] = (key, value)
    return nodes.Mapping(entries, own.at)
