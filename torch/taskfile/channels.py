"""Kinds of notification: the file's `notify`, and the keys of a task that name its channels.

Owns their shape. Their effect comes in a later release; `keys` says so in one flag each.
"""

from __future__ import annotations

import re
from typing import Any

from torch.task import Alert
from torch.taskfile import rules, scalars
from torch.taskfile.kinds import Key, Kind, read_text, wrong
from torch.taskfile.nodes import Mapping, Node, Scalar
from torch.taskfile.problems import Collector, nearest, quoted
from torch.taskfile.records import entries, list_of, record

_WAYS = ("webhook", "command", "apprise")


def channels() -> Kind:
    """The file's `notify`: name -> (way, URL or command). A plain string is an apprise URL."""
    ways = {way: {"type": "string"} for way in _WAYS} | {"command": rules.command().schema}
    one = {
        "type": "object",
        "properties": ways,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    schema = {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, one]}}
    return Kind(says="mapping of names to channels", schema=schema, check=_read_channels)


def _read_channels(node: Node, out: Collector, key: str) -> dict[str, tuple[str, Any]]:
    if not isinstance(node, Mapping):
        wrong(node, out, key, "a mapping of channel names to channels")
        return {}
    found = {}
    for name, (place, value) in node.entries.items():
        if not re.fullmatch(rules.NAME, name, re.ASCII) or scalars.kind(place) != "text":
            out.error(place.at, key, f"bad channel name {quoted(name)}")
        found[name] = _read_channel(value, out, f"notify.{name}")
    return found


def _read_channel(node: Node, out: Collector, name: str) -> tuple[str, Any]:
    if isinstance(node, Scalar):
        return "apprise", _url(node, out, name)
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        wrong(node, out, name, "an apprise URL, or one of {webhook: …} and {command: …}")
        return "", None
    way, (key, value) = next(iter(node.entries.items()))
    if way not in _WAYS:
        near = nearest(way, _WAYS)
        hint = "" if near else "known are webhook, command and apprise"
        out.error(key.at, way, f"unknown key {quoted(way)} in {quoted(name)}{near}", hint)
        return "", None
    check = rules.command().check if way == "command" else _url
    return way, check(value, out, way)


def _url(node: Node, out: Collector, key: str) -> str | None:
    text = read_text(node, out, key, "a URL")
    if text is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", text):
        wrong(node, out, key, "a URL", "example: https://chat.example/hook")
    return text


def names() -> Kind:
    """A list of names of `notify`."""

    def check(node: Node, out: Collector, key: str) -> tuple[str, ...]:
        found = []
        for each in entries(node, out, key, "a list of channels of 'notify'"):
            text = read_text(each, out, key, "a list of channels of 'notify'")
            if text is not None and text not in out.channels:
                near = nearest(text, tuple(out.channels)[:1000]) if out.errors < 100 else ""
                hint = "" if near else "define it under 'notify' at the top of the file"
                out.error(each.at, key, f"'{key}': unknown channel {quoted(text)}{near}", hint)
            found.append(text or "")
        return tuple(found)

    schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return Kind(says="list of channels", schema=schema, check=check)


def _regex() -> Kind:
    def check(node: Node, out: Collector, key: str) -> str | None:
        text = read_text(node, out, key, "a regular expression")
        if text is not None and len(text) > 1024:
            out.error(node.at, key, f"'{key}' is longer than 1 KiB")
        elif text is not None:
            try:
                re.compile(text)
            except (re.error, RecursionError, OverflowError) as error:
                out.error(node.at, key, f"'{key}' is no regular expression: {error}")
        return text

    return Kind(
        says="regular expression", schema={"type": "string", "format": "regex"}, check=check
    )


def alerts() -> Kind:
    keys = (
        Key(name="pattern", kind=_regex(), required=True, example='"ERROR|panic"',
            doc="A regular expression, searched in each line of output."),
        Key(name="notify", kind=names(), required=True, example="[ops]",
            doc="The channels that are told."),
    )  # fmt: skip
    item = record(keys, Alert)
    return list_of(item, "a list of {pattern, notify}", "list of {pattern, notify}")
