"""YAML text -> a tree of nodes with places, read from the events of PyYAML's C parser.

Owns structure: depth, size, keys, anchors, merges. Must not know what any key means.
Never composes or constructs: `safe_load` keeps the last of two equal keys without a word,
expands bombs, resolves YAML 1.1 and turns tags into objects.

Rules:
- One document, its root anything. No tags, no keys that are not scalars, no key twice.
- An alias means the node itself, shared and not copied. What it stands for counts towards the
  budget each time, so that a small file cannot become a large one.
- A merge (`<<`) takes mappings; a mapping's own key wins, then the earlier of the merged ones.
  An anchor may be set again; an alias means the last one before it, as YAML says.

Invariant: no cycles, and at most BUDGET nodes when fully expanded."""

from __future__ import annotations

from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from torch.nearest import or_nearest
from torch.taskfile import syntax
from torch.taskfile.problems import SHOWN, Collector, quoted, spaced

DEPTH = 20
"""Deepest nesting of lists and mappings."""
BUDGET = 1_000_000
"""Most nodes of a file, aliases expanded: 20 000 tasks of every key there is."""

ENTRIES = 20_000
"""Most entries of one list or mapping; so it is also the most tasks of a file."""


class Scalar:
    """A single value as written. `plain`: without quotes, so its look decides its type."""

    __slots__ = ("at", "plain", "text")

    def __init__(self, text: str, plain: bool, at: int) -> None:
        self.text = text
        self.plain = plain
        self.at = at


class Sequence:
    __slots__ = ("at", "items")

    def __init__(self, items: list[Node], at: int) -> None:
        self.items = items
        self.at = at


class Mapping:
    """`entries` maps a key's text to (key, value), merged ones after the mapping's own."""

    __slots__ = ("at", "entries")

    def __init__(self, entries: dict[str, tuple[Scalar, Node]], at: int) -> None:
        self.entries = entries
        self.at = at

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry[1] if entry else None


Node = Scalar | Sequence | Mapping


def weight(node: Node) -> int:
    """What a node counts for in a budget: one for each node in it, more where texts are long."""
    if isinstance(node, Scalar):
        return 1 + (len(node.text) >> 8)
    if isinstance(node, Sequence):
        return 1 + sum(map(weight, node.items))
    return 1 + sum(weight(key) + weight(value) for key, value in node.entries.values())


class Unreadable(Exception):
    """The text is no YAML, or not one that may be read on; the collector has the reason."""


def read_nodes(out: Collector) -> Node | None:
    """The tree of `out.text`; None for a text without any document. Raises Unreadable.

    Problems that leave a tree (a tag, a key twice) are collected and the reading goes on.
    """
    builder = _Builder(out)
    try:
        return builder.document()
    except yaml.YAMLError as error:
        at, message, hint = syntax.explain(error, out.text, builder.quoted)
        out.error(at, builder.key, message, hint)
        raise Unreadable from error


def _at(event: Any) -> int:
    return int(event.start_mark.line << 24 | event.start_mark.column)


class _Builder:
    """Reads the events of one document. `key` is the mapping key being read, for messages."""

    def __init__(self, out: Collector) -> None:
        self._out = out
        self._next: Any = yaml.CSafeLoader(out.text).get_event  # a method of the C parser
        self._count = 0
        # name -> (node, nodes it stands for); None while the node is still being read.
        self._anchors: dict[str, tuple[Node, int] | None] = {}
        self.key = ""
        self.quoted: Any = None  # the newest scalar that is not plain, for messages

    def document(self) -> Node | None:
        self._next()  # the stream's start
        event = self._next()
        if type(event) is StreamEndEvent:
            return None
        root = self._node(self._next(), 0)
        self._next()  # the document's end
        event = self._next()
        if type(event) is DocumentStartEvent:
            self.key = ""
            self._stop(
                _at(event),
                "a second document begins here; a task file must be one document",
                "remove the line ---, or everything after it",
            )
        return root

    def _stop(self, at: int, message: str, hint: str = "") -> NoReturn:
        self._out.error(at, self.key, message, hint)
        raise Unreadable

    def _node(self, event: Any, depth: int) -> Node:
        """The node that begins with `event`."""
        kind = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event)
        if depth >= DEPTH:
            self._stop(_at(event), f"nested deeper than {DEPTH} levels")
        anchor: str | None = event.anchor
        before = self._count
        if anchor is not None:
            self._anchors[anchor] = None
        node: Node
        if kind is SequenceStartEvent:
            node = self._sequence(event, depth + 1)
        elif kind is MappingStartEvent:
            node = self._mapping(event, depth + 1)
        else:  # pragma: no cover - libyaml sends nothing else here
            raise AssertionError(f"unexpected {event}")
        if event.tag is not None:
            self._refuse_tag(event.tag, "", node.at)
        if anchor is not None:
            self._anchors[anchor] = (node, self._count - before)
        return node

    def _scalar(self, event: Any) -> Scalar:
        mark = event.start_mark
        node = Scalar(event.value, event.implicit[0], mark.line << 24 | mark.column)
        self._count += 1 + (len(node.text) >> 8)
        if self._count > BUDGET:
            self._over_budget(node.at)
        self.quoted = self.quoted if node.plain else event
        if event.tag is not None:
            self._refuse_tag(event.tag, event.value, node.at)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, weight(node))
        return node

    def _sequence(self, event: Any, depth: int) -> Sequence:
        node = Sequence([], _at(event))
        self._spend(1, node.at)
        items, read, one = node.items, self._next, self._scalar
        event = read()
        while type(event) is not SequenceEndEvent:
            if len(items) >= ENTRIES:
                self._too_many(_at(event))
            items.append(one(event) if type(event) is ScalarEvent else self._node(event, depth))
            event = read()
        return node

    def _mapping(self, event: Any, depth: int) -> Mapping:
        node = Mapping({}, _at(event))
        self._spend(1, node.at)
        entries, read, outer = node.entries, self._next, self.key
        one = self._scalar
        merges: list[tuple[Scalar, Node]] = []
        event = read()
        while type(event) is not MappingEndEvent:
            key = one(event) if type(event) is ScalarEvent else self._key(event, depth, node.at)
            if key is None:  # already reported; what belongs to it is read and dropped
                self._node(read(), depth)
                event = read()
                continue
            name = self.key = key.text
            event = read()
            value = one(event) if type(event) is ScalarEvent else self._node(event, depth)
            if name == "<<" and key.plain:
                merges.append((key, value))
            elif name in entries:
                first = (entries[name][0].at >> 24) + 1
                self._out.error(
                    key.at,
                    name,
                    f"the key {quoted(name)} is set twice, first in line {first}",
                    "keep one of them",
                )
            elif len(entries) >= ENTRIES:
                self.key = outer
                self._too_many(key.at)
            else:
                entries[name] = (key, value)
            event = read()
        for key, value in merges:
            self._merge(node, key, value)
        self.key = outer
        return node

    def _key(self, event: Any, depth: int, at: int) -> Scalar | None:
        node = self._node(event, depth)
        if isinstance(node, Scalar):  # an alias of a scalar
            return Scalar(node.text, node.plain, _at(event))
        what = "a list" if isinstance(node, Sequence) else "a mapping"
        self._out.spoiled.add(at)  # what the mapping lacks may be what stands in this key
        self._out.spoil(_at(event), self.key, f"{what} cannot be a key", "a key is plain text")
        return None

    def _merge(self, node: Mapping, key: Scalar, value: Node) -> None:
        sources = value.items if isinstance(value, Sequence) else [value]
        for source in sources:
            if isinstance(source, Mapping):
                self._spend(len(source.entries), key.at)
                for name, entry in source.entries.items():
                    node.entries.setdefault(name, entry)
            else:
                self._out.error(
                    key.at, "<<", "the value of '<<' must be a mapping", "write <<: *anchor"
                )

    def _alias(self, event: Any) -> Node:
        name, at = event.anchor, _at(event)
        if name not in self._anchors:
            near = or_nearest(name, tuple(self._anchors)[:200]) if self._out.errors < SHOWN else ""
            self._out.spoil(
                at,
                self.key,
                f"there is no anchor {quoted('&' + name)} before this alias{near}",
                f'if it is meant as text, put it in quotes: "*{name[:40]}"',
            )
            return Scalar("", False, at)
        known = self._anchors[name]
        if known is None:
            inside = f" ({quoted(self.key)})" if self.key else ""
            self._stop(at, f"the alias *{name[:40]} is used inside its own anchor{inside}")
        self._spend(known[1], at)
        return known[0]

    def _refuse_tag(self, tag: str, text: str, at: int) -> None:
        standard = tag.startswith("tag:yaml.org,2002:")
        written = "!!" + tag.removeprefix("tag:yaml.org,2002:") if standard else tag
        if not standard and not tag.startswith("!"):
            written = f"!<{tag}>"
        as_text = f"{written} {text}".strip()[:60]
        self._out.spoil(
            at,
            self.key,
            f"the tag {quoted(written)} is not allowed; a task file must not have tags",
            "remove it" if standard else f'if it is meant as text, put it in quotes: "{as_text}"',
        )

    def _spend(self, nodes: int, at: int) -> None:
        self._count += nodes
        if self._count > BUDGET:
            self._over_budget(at)

    def _over_budget(self, at: int) -> NoReturn:
        self._stop(
            at,
            f"the file has more than {spaced(BUDGET)} values, with aliases expanded",
            "split the file, or use fewer aliases",
        )

    def _too_many(self, at: int) -> NoReturn:
        of_key = "tasks" if self.key == "tasks" else f"entries in {quoted(self.key)}"
        what = of_key if self.key else "keys"
        self._stop(at, f"more than {spaced(ENTRIES)} {what}", "split the file")
