"""Values of a configuration of yacron or cronstable, where every scalar is text.

Owns what both programs take for true, for a number, for nothing. Places are not told here: the
entry at fault is listed as a whole.
"""

from __future__ import annotations

from torch.taskfile import durations, nodes
from torch.taskfile.nodes import Mapping, Scalar

_TRUE = frozenset({"true", "yes", "on", "1", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "n"})


class NotATask(Exception):
    """An entry that cannot be a task, with the reason."""


def text_of(entry: Mapping, key: str) -> str | None:
    node = entry.get(key)
    return None if node is None else scalar_of(node, key)


def scalar_of(node: nodes.Node, key: str) -> str:
    if not isinstance(node, Scalar):
        raise NotATask(f"{key} is not a single value")
    return "" if is_nothing(node) else node.text


def is_nothing(node: nodes.Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in ("", "~", "null")


def truth_of(node: nodes.Node | None, key: str, *, default: bool = False) -> bool:
    if node is None:
        return default
    text = node.text.lower() if isinstance(node, Scalar) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise NotATask(f"{key} is neither true nor false")


def number_of(entry: Mapping, key: str, default: float) -> float:
    value = seconds_of(entry, key)
    return default if value is None else value


def says(node: nodes.Node, wanted: bool) -> bool:
    words = _TRUE if wanted else _FALSE
    return isinstance(node, Scalar) and node.text.lower() in words


def seconds_of(entry: Mapping, key: str, *, low: float = 0) -> float | None:
    text = text_of(entry, key)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= durations.LONGEST:
        raise NotATask(f"{key} '{text}' is not a number of seconds up to a year")
    return value
