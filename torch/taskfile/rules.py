"""Kinds that only a task knows: its name, command, schedule, environment, users.

Owns what is safe for each. Names are file names, stand in terminals and in HTML; commands and
values must fit into an argument; environments must not load foreign code before privileges
are dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from torch.nearest import or_nearest
from torch.taskfile import scalars
from torch.taskfile.kinds import VALUE_LIMIT, Kind, is_text, pattern, read_text, wrong
from torch.taskfile.nodes import Mapping, Node, Scalar, Sequence
from torch.taskfile.problems import Collector, quoted, visible
from torch.taskfile.quantities import whole
from torch.taskfile.records import entries
from torch.zone import is_rule, is_zone, names

SCHEDULES = 50
"""Most expressions of one task."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

NAMES = "up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit"

STRINGS = {"type": "array", "items": {"type": "string"}, "minItems": 1}


def name() -> Kind:
    return pattern(
        "a name",
        NAME,
        NAMES,
    )


def command() -> Kind:
    """Text for the shell, or a list that is run as it is."""

    def check(node: Node, out: Collector, key: str) -> str | tuple[str, ...] | None:
        if not isinstance(node, Sequence):
            text = read_text(node, out, key, "a command")
            if text is not None and text.isspace():
                out.error(node.at, key, f"'{key}' is blank", "write /bin/true to do nothing")
            return text
        if not node.items:
            wrong(node, out, key, "a command")
            return None
        words = [
            read_text(each, out, key, "a list of strings", empty=position > 0)
            for position, each in enumerate(node.items)
        ]
        argv = tuple(word for word in words if word is not None)
        if argv and argv[0].isspace():
            out.error(node.items[0].at, key, f"'{key}' begins with a blank program name")
        if (
            sum(map(len, argv)) * 4 >= VALUE_LIMIT
            and sum(len(w.encode()) for w in argv) >= VALUE_LIMIT
        ):
            out.error(node.at, key, f"'{key}' is longer than {VALUE_LIMIT // 1024} KiB")
        return argv

    schema = {"anyOf": [{"type": "string", "minLength": 1}, STRINGS]}
    return Kind(says="string or list of strings", schema=schema, check=check)


def schedule() -> Kind:
    """Expressions with their places; they are parsed when name and zone of the task are known."""

    def check(node: Node, out: Collector, key: str) -> tuple[tuple[str, int], ...]:
        items = node.items if isinstance(node, Sequence) else [node]
        if not items:
            wrong(node, out, key, "an expression or a list of them")
        if len(items) > SCHEDULES:
            out.error(
                node.at, key, f"'{key}' has more than {SCHEDULES} expressions", "split the task"
            )
            return ()
        texts = ((read_text(each, out, key, "an expression"), each.at) for each in items)
        return tuple((text, at) for text, at in texts if text is not None)

    schema = {"anyOf": [{"type": "string", "minLength": 1}, {**STRINGS, "maxItems": SCHEDULES}]}
    return Kind(says="expression or list of them", schema=schema, check=check)


@lru_cache(maxsize=1024)
def _known_zone(name: str) -> bool:
    return is_zone(name)


def timezone() -> Kind:
    def check(node: Node, out: Collector, key: str) -> str | None:
        text = read_text(node, out, key, "an IANA time zone")
        if text is not None and not (len(text) <= 64 and _known_zone(text)):
            what, near, hint = "unknown time zone", "", "use a name such as Europe/Berlin or UTC"
            if text.startswith((":", "/")):
                what = "a name is needed, not the path"
                below = text.rpartition("zoneinfo/")[2].lstrip(":")
                hint = f"use {below}" if is_zone(below) else hint
            elif text in ("localtime", "posixrules"):
                what, hint = "a name is needed, not", f"remove '{key}' to use the host's zone"
            elif len(text) <= 64 and is_rule(text):
                what = "a name is needed, not the rule"
                hint += "; only TZ of the whole service can be a rule"
            elif out.errors < 10:
                near = or_nearest(text, tuple(names()))
                hint = "" if near else hint
            out.error(node.at, key, f"'{key}': {what} {quoted(text)}{near}", hint)
        return text

    return Kind(says="IANA name", schema={"type": "string"}, check=check)


def path() -> Kind:
    """An absolute path, whatever stands there on this host."""

    def check(node: Node, out: Collector, key: str) -> str | None:
        text = read_text(node, out, key, "an absolute path")
        if text is None:
            return None
        if text[0] != "/":
            hint = "~ and $NAME are not expanded; write the whole path, beginning with /"
            wrong(node, out, key, "an absolute path", hint)
        elif len(text.encode()) >= 4096:
            out.error(node.at, key, f"'{key}' is longer than a path can be (4095 bytes)")
        elif "\n" in text or not text.isprintable():
            out.error(node.at, key, f"'{key}' contains a control character: {quoted(text)}")
        return text

    return Kind(says="absolute path", schema={"type": "string", "pattern": "^/"}, check=check)


_ACCOUNT = re.compile(r"[^\s:/,+~\x00-\x20\x7f-][^\s:/,\x00-\x20\x7f]{0,255}")
_NO_ID = 2**32 - 1  # (uid_t)-1, which setreuid takes for "leave it"


def account(what: str) -> Kind:
    """A user's or group's name, or its number in quotes; that it exists is checked on its hosts."""

    def check(node: Node, out: Collector, key: str) -> str | None:
        number = isinstance(node, Scalar) and scalars.kind(node) == "number"
        hint = f"write the name as in the host's list of {what}s" if number else ""
        text = read_text(node, out, key, f"the name of a {what}", hint=hint)
        if text is None:
            return None
        if not _ACCOUNT.fullmatch(text) or not text.isprintable():
            wrong(
                node,
                out,
                key,
                f"the name of a {what}",
                f"write it as in the host's list of {what}s",
            )
        elif text.isdecimal() and not (text.isascii() and len(text) <= 10 and int(text) < _NO_ID):
            out.error(node.at, key, f"'{key}': no {what} has the number {quoted(text)}")
        return text

    return Kind(says=f"{what} name", schema={"type": "string", "minLength": 1}, check=check)


def umask() -> Kind:
    octal = re.compile(r"0?[0-7]{3}", re.ASCII)

    def check(node: Node, out: Collector, key: str) -> int | None:
        digits = node.text if isinstance(node, Scalar) else ""
        if isinstance(node, Scalar) and not node.plain and octal.fullmatch(digits):
            return int(digits, 8)
        good = octal.fullmatch(digits)
        hint = f'write it in quotes: "{digits}"' if good else 'three octal digits, such as "027"'
        wrong(node, out, key, "three octal digits in quotes", hint)
        return None

    schema = {"type": "string", "pattern": "^0?[0-7]{3}$"}
    return Kind(says="octal digits in quotes", schema=schema, check=check, write="{:03o}".format)


def exit_codes() -> Kind:
    """Exit codes -> tuple, sorted and each once."""
    wanted = "a list of exit codes from 0 to 255"
    one = whole(0, 255)

    def check(node: Node, out: Collector, key: str) -> tuple[int, ...]:
        items = entries(node, out, key, wanted, "example: [0, 1]")
        codes = [one.check(each, out, key) for each in items]
        return tuple(sorted({code for code in codes if code is not None}))

    schema = {"type": "array", "items": one.schema, "minItems": 1}
    return Kind(
        says="list of numbers from 0 to 255",
        schema=schema,
        check=check,
        write=lambda codes: str([*codes]),
    )


_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}", re.ASCII)


def environment() -> Kind:
    def bad(name: str) -> str:
        if not _ENV_NAME.fullmatch(name) or len(name) > 255:
            return "is not a valid variable name: letters, digits and _, but not a digit first"
        return "is reserved: Torch sets all TORCH_… variables" if name.startswith("TORCH_") else ""

    return _string_map("variables", bad, r"^(?!TORCH_)[A-Za-z_][A-Za-z0-9_]*$", lines=True)


def labels() -> Kind:
    def bad(name: str) -> str:
        if _LABEL.fullmatch(name):
            return ""
        return "is not a valid label name: up to 63 letters, digits, '.', '_', '/' and '-'"

    return _string_map("labels", bad, r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$", lines=False)


def _string_map(what: str, bad: Any, names: str, *, lines: bool) -> Kind:
    """A mapping of strings -> pairs in the order of the file."""
    wanted = f"a mapping of {what} to strings"

    def check(node: Node, out: Collector, key: str) -> tuple[tuple[str, str], ...]:
        if not isinstance(node, Mapping):
            wrong(node, out, key, wanted)
            return ()
        pairs = []
        for name, (place, value) in node.entries.items():
            if reason := bad(name):
                out.error(place.at, key, f"'{key}': {quoted(name)} {reason}")
            else:
                is_text(place, out, key, name)
            text = read_text(value, out, f"{key}.{name}"[:80], empty=True)
            if text and not lines and not text.isprintable():
                out.error(value.at, key, f"'{key}.{visible(name)}' contains a control character")
            pairs.append((name, text or ""))
        return tuple(pairs)

    schema = {
        "type": "object",
        "propertyNames": {"pattern": names},
        "additionalProperties": {"type": "string"},
    }
    return Kind(says="mapping of strings", schema=schema, check=check)
