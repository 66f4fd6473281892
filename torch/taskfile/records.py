"""Kinds of lists and mappings: lists of one kind, mappings with known keys.

Owns how a mapping's keys are looked up: unknown ones are named with the nearest known one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Map
from typing import Any

from torch.nearest import nearest
from torch.taskfile.kinds import Key, Kind, has_text, wrong
from torch.taskfile.nodes import Mapping, Node, Scalar, Sequence
from torch.taskfile.problems import SHOWN, Collector, quoted, visible


def entries(node: Node, out: Collector, key: str, wanted: str, hint: str = "") -> list[Node]:
    """The entries of a list that must have some; [] after a problem."""
    if not isinstance(node, Sequence) or not node.items:
        if isinstance(node, Scalar) and has_text(node) and not hint:
            hint = f"write it as a list: [{visible(node.text[:60])}]"
        wrong(node, out, key, wanted, hint)
        return []
    return node.items


def list_of(item: Kind, wanted: str, says: str) -> Kind:
    """A list with at least one entry -> tuple."""

    def check(node: Node, out: Collector, key: str) -> tuple[Any, ...]:
        return tuple(item.check(each, out, key) for each in entries(node, out, key, wanted))

    return Kind(
        says=says, schema={"type": "array", "items": item.schema, "minItems": 1}, check=check
    )


def record(
    keys: Iterable[Key], build: Callable[..., Any], verify: Callable[[Any], str] = lambda _: ""
) -> Kind:
    """A mapping with known keys -> `build(**values)`; `verify` says what is wrong between them."""
    table = {key.name: key for key in keys}

    def check(node: Node, out: Collector, key: str) -> Any:
        if not isinstance(node, Mapping):
            wrong(node, out, key, f"a mapping with {listed(table)}", _example(table))
            return None
        before = out.faults
        values = read_keys(node, table, out, inside=key)
        for each in table.values():
            if each.required and each.name not in node.entries:
                out.error(node.at, key, f"'{key}' needs '{each.name}'", each.doc)
        if out.faults > before:
            return None
        value = build(**values)
        if reason := verify(value):
            out.error(node.at, key, f"'{key}': {reason}")
        return value

    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: described(each) for name, each in table.items()},
        "additionalProperties": False,
    }
    if required := [name for name, each in table.items() if each.required]:
        schema["required"] = required
    return Kind(
        says="{" + ", ".join(table) + "}", schema=schema, check=check, keys=tuple(table.values())
    )


def read_keys(node: Mapping, table: Map[str, Key], out: Collector, inside: str) -> dict[str, Any]:
    """The checked values of a mapping; unknown keys are reported with the nearest known one."""
    values = {}
    for name, (key, value) in node.entries.items():
        known = table.get(name)
        if known is None:
            unknown_key(key, table, out, inside)
        else:
            values[name] = known.kind.check(value, out, name)
    return values


def unknown_key(key: Scalar, table: Map[str, Key], out: Collector, inside: str) -> str:
    """Reports the key; returns the known one that is probably meant, or ''."""
    near = nearest(key.text, table) if out.errors < SHOWN else ""
    where = f" in '{inside}'" if inside else ""
    meant = f", did you mean '{near}'?" if near else ""
    hint = "" if near else f"known keys are {listed(table)}"
    out.error(key.at, key.text, f"unknown key {quoted(key.text)}{where}{meant}", hint)
    return near


def described(key: Key) -> dict[str, Any]:
    """A key's JSON Schema with its line of doc."""
    return {"description": key.doc, **key.kind.schema}


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _example(table: Map[str, Key]) -> str:
    inner = ", ".join(f"{name}: {key.example}" for name, key in table.items() if key.example)
    return f"example: {{{inner}}}" if inner else ""
