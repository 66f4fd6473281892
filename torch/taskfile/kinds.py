"""Kinds of values: what may stand at a key, how it is said, and its JSON Schema.

Owns `Kind`, `Key` and the kinds of text; numbers are in `quantities`, lists and mappings in
`records`, what only a task knows in `rules`. A check turns a node into a value or reports what
is wrong; it reports everything it finds and never raises for it, and what it returns after a
problem is not used.

Messages say the key, what is wanted and what stands there: "'max' must be a whole number from
1 to 10 000, not the text '3'", and the hint says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from torch.nearest import or_nearest
from torch.taskfile import scalars
from torch.taskfile.nodes import Node, Scalar
from torch.taskfile.problems import Collector, quoted, visible

VALUE_LIMIT = 128 * 1024
"""Bytes of one value, one less than the kernel lets an argument have (MAX_ARG_STRLEN)."""

Check = Callable[[Node, Collector, str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`says`: for people, "a duration"; `schema`: JSON Schema; `keys`: those of a record."""

    says: str
    schema: Map[str, Any]
    check: Check
    keys: tuple[Key, ...] = ()
    write: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: of a task, of the file, or of a record in a task.

    `default` is the value, `shown` how the docs say it where the value alone would not; `only`
    the task type it is for ('' for both).
    """

    name: str
    kind: Kind
    doc: str
    default: Any = None
    shown: str = ""
    required: bool = False
    only: str = ""
    example: str = ""


def wrong(node: Node, out: Collector, key: str, wanted: str, hint: str = "") -> None:
    """Reports that `wanted` should stand here."""
    if not hint and isinstance(node, Scalar) and scalars.kind(node) == "null":
        hint = "give it a value, or remove the key"
    part = key in ("the file", "a task")
    what = key if part else f"'{visible(key)}'"
    message = f"{what} must be {wanted}, not {scalars.describe(node)}"
    out.error(node.at, "" if part else top(key), message, hint)


def top(key: str) -> str:
    """'env' of 'env.PATH': the key that a problem belongs to."""
    return key.partition(".")[0]


_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_HIDDEN_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def read_text(
    node: Node,
    out: Collector,
    key: str,
    wanted: str = "a string",
    *,
    empty: bool = False,
    hint: str = "",
) -> str | None:
    """The text of a node that is text in every YAML; at most VALUE_LIMIT bytes, without NUL.

    `key` may be that of an entry, 'env.PATH'; `hint` replaces the advice to quote a number.
    """
    if type(node) is not Scalar:
        wrong(node, out, key, wanted)
        return None
    text = node.text
    if scalars.kind(node) != "text":
        if has_text(node):
            hint = hint or f'write it in quotes: "{visible(text[:40])}"'
        wrong(node, out, key, wanted, hint)
        return None
    if not text and not empty:
        wrong(node, out, key, wanted)
        return None
    if "\0" in text:
        message = f"'{visible(key)}' contains a NUL character, which no program can receive"
        out.error(node.at, top(key), message)
        return None
    if len(text) * 4 >= VALUE_LIMIT and len(text.encode()) >= VALUE_LIMIT:
        out.error(
            node.at,
            top(key),
            f"'{visible(key)}' is longer than {VALUE_LIMIT // 1024} KiB, "
            "the most that a program can receive",
            "put it in a file",
        )
        return None
    return text


def text(wanted: str = "a string", *, lines: bool = False, empty: bool = False) -> Kind:
    """Text for people: no control characters, and no line ends but with `lines`."""
    hidden = _HIDDEN_IN_LINES if lines else _HIDDEN

    def check(node: Node, out: Collector, key: str) -> str | None:
        value = read_text(node, out, key, wanted, empty=empty)
        if value and not value.isprintable() and (found := hidden.search(value)):
            out.error(
                node.at,
                key,
                f"'{key}' contains a control character, {visible(found.group())}",
                "remove it; this text is shown on terminals",
            )
        return value

    return Kind(says=wanted, schema={"type": "string"}, check=check)


def pattern(wanted: str, expression: str, hint: str, *, says: str = "") -> Kind:
    """Text that matches a regular expression as a whole."""
    match = re.compile(expression, re.ASCII).fullmatch

    def check(node: Node, out: Collector, key: str) -> str | None:
        value = read_text(node, out, key, wanted)
        if value is not None and not match(value):
            wrong(node, out, key, wanted, hint)
        return value

    return Kind(
        says=says or wanted, schema={"type": "string", "pattern": f"^{expression}$"}, check=check
    )


def choice(values: type[StrEnum]) -> Kind:
    known = {value.value: value for value in values}
    names = tuple(known)
    wanted = " or ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} or {names[-1]}"

    def check(node: Node, out: Collector, key: str) -> StrEnum | None:
        value = known.get(node.text) if isinstance(node, Scalar) else None
        if value is None:
            near = or_nearest(node.text, names) if isinstance(node, Scalar) and node.text else ""
            wrong(node, out, key, wanted, near.removeprefix(", "))
        return value

    return Kind(
        says=" \\| ".join(f"`{name}`" for name in names), schema={"enum": list(names)}, check=check
    )


def boolean() -> Kind:
    def check(node: Node, out: Collector, key: str) -> bool | None:
        value = scalars.boolean(node) if isinstance(node, Scalar) else None
        if value is None:
            wrong(node, out, key, "true or false", "write true or false, without quotes")
        return value

    return Kind(
        says="`true` \\| `false`",
        schema={"type": "boolean"},
        check=check,
        write=lambda v: str(v).lower(),
    )


def is_text(place: Scalar, out: Collector, key: str, name: str) -> bool:
    """Whether a name, good as a text, is one without quotes too; `name` is how it is shown."""
    found = scalars.kind(place)
    if found == "text":
        return True
    message = f"'{visible(key)}': the name {quoted(name)} without quotes is a {found}, not text"
    out.error(place.at, top(key), message, f'write it in quotes: "{visible(name)}"')
    return False


def has_text(node: Node) -> bool:
    """Whether something is written there that a hint may speak of."""
    return isinstance(node, Scalar) and scalars.kind(node) != "null"
