"""Kinds of notification: the file's `notify`, and the keys of a task that name its channels.

Owns their shape. Must not know apprise: whether it can read a URL is asked by `torch check`
alone, so that a channel that cannot be sent by never keeps tasks from running. No problem
repeats a URL, for it is a secret more often than not.
"""

from __future__ import annotations

import re

from torch.channel import Channel, Way, masked, why_no_webhook
from torch.nearest import or_nearest
from torch.task import Alert
from torch.taskfile import rules
from torch.taskfile.kinds import Key, Kind, is_text, read_text, wrong
from torch.taskfile.nodes import Mapping, Node, Scalar, Sequence
from torch.taskfile.problems import Collector, quoted
from torch.taskfile.records import entries, list_of, record
from torch.taskfile.secrets import Search

_WAYS = tuple(way.value for way in Way)
_WANTED = "an apprise URL, or one of {webhook: …}, {exec: …} and {apprise: …}"


def channels() -> Kind:
    """The file's `notify`: name -> Channel. A plain string is an apprise URL."""
    file = {
        "type": "object",
        "properties": {"file": rules.path().schema},
        "required": ["file"],
        "additionalProperties": False,
    }
    url = {"anyOf": [{"type": "string", "format": "uri"}, file]}
    web = {"anyOf": [{"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}, file]}
    one = {
        "type": "object",
        "properties": {"webhook": web, "exec": rules.command().schema, "apprise": url},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    schema = {
        "type": "object",
        "propertyNames": {"pattern": f"^{rules.NAME}$"},
        "additionalProperties": {"anyOf": [{"type": "string", "format": "uri"}, one]},
    }
    return Kind(says="mapping of names to channels", schema=schema, check=_read_channels)


def _read_channels(node: Node, out: Collector, key: str) -> dict[str, Channel]:
    if not isinstance(node, Mapping):
        wrong(node, out, key, "a mapping of channel names to channels")
        return {}
    found = {}
    for name, (place, value) in node.entries.items():
        out.secret_places |= _secret_places(value)
        if not re.fullmatch(rules.NAME, name, re.ASCII):
            out.error(place.at, key, f"bad channel name {quoted(masked(name))}", rules.NAMES)
            continue
        is_text(place, out, key, name)
        out.channel_places[name] = value.at
        # A channel with a problem is known by its name all the same: one mistake, one problem.
        found[name] = _read_channel(value, out, name) or Channel(name=name, way=Way.EXEC)
    return found


def _secret_places(node: Node, key: str = "") -> set[int]:
    """Where values stand that no problem may quote: all but commands and paths."""
    if isinstance(node, Mapping):
        inner = [_secret_places(value, name) for name, (_, value) in node.entries.items()]
        return set().union(*inner)
    if isinstance(node, Sequence):
        return set() if key == Way.EXEC else {node.at}
    shown = key == Way.EXEC or (key == "file" and node.text.startswith("/"))
    return set() if shown else {node.at}


def _read_channel(node: Node, out: Collector, name: str) -> Channel | None:
    key = f"notify.{name}"
    if isinstance(node, Scalar):
        return _reached(Way.APPRISE, node, out, name, key)
    if not isinstance(node, Mapping) or len(node.entries) != 1:
        wrong(node, out, key, _WANTED)
        return None
    written, (place, value) = next(iter(node.entries.items()))
    if written in _WAYS:
        return _reached(Way(written), value, out, name, written)
    # 'command' is what a task has, so it is what people write here; no likeness would find it.
    near = ", did you mean 'exec'?" if written == "command" else or_nearest(written, _WAYS)
    hint = "" if near else "known keys are webhook, exec, apprise"
    message = f"unknown key {quoted(masked(written))} in {quoted(key)}{near}"
    out.error(place.at, written if near else key, message, hint)
    return None


def _reached(way: Way, node: Node, out: Collector, name: str, key: str) -> Channel | None:
    if way is Way.EXEC:
        command = rules.command().check(node, out, key)
        if command and (found := Search().find(command)):
            out.warn(
                node.at, key,
                f"'{key}' seems to contain a secret ({found}), which ps shows to every user",
                "let the command read it from a file that only its owner can read",
            )  # fmt: skip
        return Channel(name=name, way=way, target=command) if command else None
    if isinstance(node, Mapping):
        path = _file().check(node, out, key)
        return Channel(name=name, way=way, file=path) if path else None
    url = read_text(node, out, key, "a URL, or {file: PATH} of one")
    if url is None:
        return None
    if reason := (why_no_webhook if way is Way.WEBHOOK else _why_no_url)(url):
        message, hint = reason
        out.error(node.at, key, f"'{key}' {message}", hint)
    return Channel(name=name, way=way, target=url)


def _file() -> Kind:
    def check(node: Node, out: Collector, key: str) -> str | None:
        text = node.text if isinstance(node, Scalar) else "/"
        if not text.startswith("/"):  # not quoted: it may be the URL itself
            out.error(node.at, key, f"'{key}' must be an absolute path, beginning with /")
            return None
        path: str | None = rules.path().check(node, out, key)
        return path

    kind = Kind(says="absolute path", schema=rules.path().schema, check=check)
    keys = (
        Key(name="file", kind=kind, required=True, example="/etc/torch/ops.url",
            doc="Path of a file that contains the URL and that only its owner can read."),
    )  # fmt: skip
    return record(keys, lambda file: file)


def _why_no_url(url: str) -> tuple[str, str] | None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", url):
        return "is not a valid URL", "example: mailto://user:password@example.net"
    return None


def names(least: int = 1) -> Kind:
    """A list of names of `notify`; of none where `least` is 0: nobody is told."""

    def check(node: Node, out: Collector, key: str) -> tuple[str, ...]:
        found: list[str] = []
        if not least and isinstance(node, Sequence) and not node.items:
            return ()
        for each in entries(node, out, key, "a list of channels of 'notify'"):
            text = read_text(each, out, key, "a list of channels of 'notify'")
            if text is not None and text not in out.channels:
                near = or_nearest(text, tuple(out.channels)[:1000]) if out.errors < 100 else ""
                hint = "" if near else "define it under 'notify' at the top of the file"
                out.error(each.at, key, f"'{key}': unknown channel {quoted(text)}{near}", hint)
            found.append(text or "")
        return tuple(found)

    schema = {"type": "array", "items": {"type": "string"}, "minItems": least}
    return Kind(says="list of channels", schema=schema, check=check)


def _regex() -> Kind:
    def check(node: Node, out: Collector, key: str) -> str | None:
        text = read_text(node, out, key, "a regular expression")
        if text is not None and len(text) > 1024:
            out.error(node.at, key, f"'{key}' is longer than 1 KiB")
        elif text is not None:
            from torch.matching.patterns import BadPattern, Pattern  # only who has one pays

            try:
                Pattern(text)
            except BadPattern as error:
                out.error(node.at, key, f"'{key}' is not a valid regular expression: {error}")
        return text

    return Kind(
        says="regular expression", schema={"type": "string", "format": "regex"}, check=check
    )


def alerts() -> Kind:
    keys = (
        Key(name="pattern", kind=_regex(), required=True, example='"ERROR|panic"',
            doc="A regular expression, searched in each line of output."),
        Key(name="notify", kind=names(), required=True, example="[ops]",
            doc="The channels to notify."),
    )  # fmt: skip
    item = record(keys, Alert)
    return list_of(item, "a list of {pattern, notify}", "list of {pattern, notify}")
