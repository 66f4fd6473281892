"""What an unquoted value looks like: text, or something YAML turns into something else.

Owns the types of scalars. Source: YAML 1.2.2 section 10.3.2 (core schema) for what a value is,
and YAML 1.1's type repository for what other readers make of it: `yes`, `010`, `0x10`, `1_000`,
`12:30:45`, `2026-11-21` are text in 1.2 and a boolean, numbers and a date in 1.1. A value that
only one of them reads as text is never taken as text, and never as the other either.
"""

from __future__ import annotations

import re
from functools import lru_cache

from torch.taskfile.nodes import Mapping, Node, Scalar, Sequence
from torch.taskfile.problems import quoted

_FIRST = frozenset("0123456789+-.~=<nNyYtToOfF")
"""What a value that is not text in every YAML can begin with."""

_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?", re.ASCII)
_BOOLEANS = frozenset(
    variant
    for word in ("y", "n", "yes", "no", "on", "off", "true", "false")
    for variant in (word, word.capitalize(), word.upper())
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_NUMBER = re.compile(
    r"""[-+]?(?: 0b[01_]+ | 0o[0-7]+ | 0x[0-9a-fA-F_]+
      | (?:\.[0-9][0-9_]* | [0-9][0-9_]*(?:\.[0-9_]*)?) (?:[eE][-+]?[0-9]+)?
      | [0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
      | \.(?:inf|Inf|INF) )
    | \.(?:nan|NaN|NAN)""",
    re.VERBOSE | re.ASCII,
)
_DATE = re.compile(
    r"""[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}
    (?: (?:[Tt]|[ \t]+) [0-9]{1,2}:[0-9]{2}:[0-9]{2} (?:\.[0-9]*)?
        (?: [ \t]*(?:Z|[-+][0-9]{1,2}(?::?[0-9]{2})?) )? )?""",
    re.VERBOSE | re.ASCII,
)


def kind(node: Scalar) -> str:
    """'text', 'number', 'boolean', 'date' or 'null': what some YAML reads here."""
    text = node.text
    if not node.plain or (text and text[0] not in _FIRST):
        return "text"
    return _kind(text)


@lru_cache(maxsize=1024)
def _kind(text: str) -> str:
    if text in _NULLS:
        return "null"
    if text in _BOOLEANS:
        return "boolean"
    if len(text) > 64:
        return "number" if _INTEGER.fullmatch(text) else "text"
    if _NUMBER.fullmatch(text):
        return "number"
    return "date" if _DATE.fullmatch(text) else "text"


def integer(node: Scalar) -> int | None:
    """The value of a plain decimal number without leading zeros, or None. Never a huge one."""
    if node.plain and _DECIMAL.fullmatch(node.text):
        return int(node.text)
    return None


def decimal(node: Scalar) -> float | None:
    """The value of a plain number such as 2 or 1.5, or None. Never infinite, never NaN."""
    if node.plain and _FLOAT.fullmatch(node.text):
        return float(node.text)
    return None


def boolean(node: Scalar) -> bool | None:
    """True and False for true and false, in the three ways YAML 1.2 writes them, or None."""
    if not node.plain:
        return None
    return {"true": True, "false": False}.get(node.text.lower()) if _is_word(node.text) else None


def _is_word(text: str) -> bool:
    return text in (text.lower(), text.capitalize(), text.upper())


def describe(node: Node) -> str:
    """What stands there, for "…, not <this>": "a list", "the number 010", "the text 'x'"."""
    if isinstance(node, Sequence):
        return "a list" if node.items else "an empty list"
    if isinstance(node, Mapping):
        return "a mapping" if node.entries else "an empty mapping"
    what = kind(node)
    if what == "null":
        return "null" if node.text else "nothing"
    if what == "text" and not node.text:
        return "an empty text"
    shown = quoted(node.text)
    return f"the {what} {shown if what == 'text' else shown.strip(chr(39))}"
