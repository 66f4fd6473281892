"""Configurations of yacron that include others, and directories of them.

Owns `include` as yacron resolves it (gjcarneiro/yacron, config.py): a path is relative to the
file that names it; entries of included files come first, each under the defaults of its own file;
the defaults of included files lie under those of the file that includes them. Reads nothing
itself: the caller gives the bytes of a path.

Rules:
- An included file's defaults are complete: what it does not set has yacron's own value again, so
  a later include undoes what an earlier one set. cronstable keeps it; a review says so.
- Of entries of one name only the last runs, as in yacron; cronstable refuses them.
- A file that is included twice has its entries once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch.errors import Problem, TaskFileError
from torch.importing import yacron
from torch.importing.draft import Original, Unmapped
from torch.taskfile.nodes import Mapping, Scalar

Load = Callable[[str], bytes | str]
"""The bytes of the file at a path, or why they cannot be read."""

_MOST = 1000  # files of one configuration
_DEEPEST = 50

_RESET = frozenset(
    "shell concurrencyPolicy captureStderr captureStdout saveLimit maxLineLength utc timezone "
    "env_file executionTimeout killTimeout streamPrefix enabled".split()
)
"""Keys with a single value in yacron's own defaults."""

_RESET_WHOLE = ("failsWhen", "onFailure", "onPermanentFailure", "onSuccess")
"""Mappings that its own defaults hold in full."""


def read(sources: Sequence[tuple[str, bytes]], load: Load) -> list[Original]:
    """The pieces of one configuration: a file, or the files of a directory in yacron's order.

    Raises TaskFileError for a file that is no configuration, cannot be read or includes itself.
    """
    tree = _Tree(load)
    for file, data in sources:
        tree.add(file, data)
    _drop_earlier(_by_last([tree.order[posixpath.normpath(file)] for file, _ in sources]))
    return [reader.original for reader in tree.readers]


@dataclass(slots=True)
class _Tree:
    load: Load
    readers: list[yacron.Reader] = field(default_factory=list)
    defaults: dict[str, Mapping] = field(default_factory=dict)  # complete, by path
    order: dict[str, list[yacron.Reader]] = field(default_factory=dict)
    """By path: all files that it brings with it, in the order in which each is read last."""
    open: list[str] = field(default_factory=list)  # from the first file to the one being read

    def add(self, file: str, data: bytes) -> Mapping:
        """Reads a file with all that it includes; its complete defaults."""
        path = posixpath.normpath(file)
        if path in self.defaults:
            return self.defaults[path]
        if len(self.defaults) >= _MOST:
            raise _problem(file, None, f"more than {_MOST} files are included")
        parsed = yacron.parse(data, file)
        self.open.append(path)
        below, undone = self._included(parsed)
        self.open.pop()
        reader = yacron.Reader(parsed, below)
        reader.read()
        for note in undone:
            reader.original.note(note)
        self.readers.append(reader)
        inner = [self.order[posixpath.normpath(_beside(parsed, node))]
                 for node in yacron.includes(parsed)]  # fmt: skip
        self.order[path] = _by_last([*inner, [reader]])
        self.defaults[path] = reader.defaults
        return reader.defaults

    def _included(self, parsed: yacron.Parsed) -> tuple[Mapping, list[str]]:
        """The defaults of all files that this one includes, and what is to be reviewed of them."""
        merged = Mapping({}, 0)
        undone: list[str] = []
        for node in yacron.includes(parsed):
            defaults = self._include(parsed, node)
            if lost := _lost(merged, defaults):
                undone.append(
                    f"{parsed.file}: the defaults of '{node.text}' reset {', '.join(lost)} to "
                    "yacron's own value, as in yacron; cronstable keeps the value of an earlier "
                    "include"
                )
            merged = yacron.merged(_without(merged, lost), defaults)
        return merged, undone

    def _include(self, parsed: yacron.Parsed, node: Scalar) -> Mapping:
        path = _beside(parsed, node)
        known = posixpath.normpath(path)
        if known in self.open:
            circle = " → ".join([*self.open[self.open.index(known) :], known])
            raise _problem(parsed.file, node, f"it includes itself: {circle}")
        if len(self.open) > _DEEPEST:
            raise _problem(parsed.file, node, f"includes are nested deeper than {_DEEPEST}")
        if known in self.defaults:
            return self.defaults[known]
        data = self.load(path)
        if isinstance(data, str):
            raise _problem(
                parsed.file,
                node,
                f"{path} cannot be read: {data}",
                "put the file there, or remove the line; the path is relative to the file that "
                "includes it",
            )
        return self.add(path, data)


def _beside(parsed: yacron.Parsed, node: Scalar) -> str:
    return posixpath.join(posixpath.dirname(parsed.file), node.text)


def _by_last(parts: Sequence[list[yacron.Reader]]) -> list[yacron.Reader]:
    """The parts one after the other, of a file that is in several only the last time."""
    last = {id(reader): reader for part in reversed(parts) for reader in reversed(part)}
    return list(reversed(last.values()))


def _problem(file: str, node: Scalar | None, message: str, hint: str = "") -> TaskFileError:
    line, column = (0, 0) if node is None else ((node.at >> 24) + 1, (node.at & 0xFFFFFF) + 1)
    return TaskFileError((
        Problem(file=file, line=line, column=column, key="include", message=message, hint=hint),
    ))  # fmt: skip


def _lost(earlier: Mapping, later: Mapping) -> list[str]:
    """Keys that the defaults of a later include set back, though it does not name them."""
    lost = [
        name for name in earlier.entries if name in _RESET and name not in later.entries
    ]  # fmt: skip
    return lost + [name for name in _RESET_WHOLE if name in earlier.entries]


def _without(earlier: Mapping, lost: list[str]) -> Mapping:
    kept = {name: entry for name, entry in earlier.entries.items() if name not in lost}
    return Mapping(kept, earlier.at)


def _drop_earlier(readers: Sequence[yacron.Reader]) -> None:
    """Of entries with one name only the last stays a task; the others are listed."""
    seen: set[str] = set()
    for reader in reversed(readers):
        for name, draft in reversed(reader.named):
            if name in seen:
                at = next(i for i, piece in enumerate(reader.original.pieces) if piece is draft)
                reader.original.pieces[at] = Unmapped(
                    file=reader.original.file,
                    line=draft.line,
                    source=draft.source,
                    reason=f"a later entry has the same name '{name}'; yacron runs only the last",
                )
            seen.add(name)
