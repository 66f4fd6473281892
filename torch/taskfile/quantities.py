"""Kinds of quantities: whole numbers, numbers, durations, sizes.

Owns how a number may be written: plain decimal, no quotes, no leading zero, no sign but minus.
Whatever two readers of YAML could read as two numbers (010, 0x10, 1_000, 60:00) is refused.
"""

from __future__ import annotations

from torch.taskfile import durations, scalars
from torch.taskfile.kinds import Kind, has_text, wrong
from torch.taskfile.nodes import Node, Scalar
from torch.taskfile.problems import Collector, spaced, visible


def whole(low: int, high: int) -> Kind:
    wanted = f"a whole number from {spaced(low)} to {spaced(high)}" if low < high else str(low)

    def check(node: Node, out: Collector, key: str) -> int | None:
        value = scalars.integer(node) if isinstance(node, Scalar) else None
        if value is None or not low <= value <= high:
            wrong(node, out, key, wanted, _number_hint(node, low, high) if value is None else "")
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Kind(says=wanted.removeprefix("a "), schema=schema, check=check)


def number(low: float, high: float) -> Kind:
    wanted = f"a number from {low:g} to {high:g}"

    def check(node: Node, out: Collector, key: str) -> float | None:
        value = scalars.decimal(node) if isinstance(node, Scalar) else None
        if value is None or not low <= value <= high:
            wrong(node, out, key, wanted, _number_hint(node, low, high) if value is None else "")
        return value

    schema = {"type": "number", "minimum": low, "maximum": high}
    return Kind(says=wanted.removeprefix("a "), schema=schema, check=check, write="{:g}".format)


def _number_hint(node: Node, low: float, high: float) -> str:
    """What to write instead: without quotes, or in plain decimal."""
    if not isinstance(node, Scalar) or scalars.kind(node) == "null":
        return ""
    plain = Scalar(node.text, True, node.at)
    value = scalars.decimal(plain)
    if not node.plain and value is not None and low <= value <= high:
        return f"write it without quotes: {node.text}"
    return "write it in plain decimal, such as 3"


def duration(low: float, most: float = durations.LONGEST) -> Kind:
    """A duration in seconds from `low` to `most`. 0 needs no unit where it is allowed."""
    wanted = "a duration such as 30s, 5m or 1h30m"

    def check(node: Node, out: Collector, key: str) -> float | None:
        value = durations.seconds(node.text) if isinstance(node, Scalar) else None
        if value is None:
            hint = "units are d, h, m, s and ms; whole numbers, larger units first"
            if isinstance(node, Scalar) and scalars.integer(Scalar(node.text, True, 0)) is not None:
                hint = f"a number needs a unit: {node.text[:20]}s"
            wrong(node, out, key, wanted, hint if has_text(node) else "")
        elif value < low:
            least = durations.write_seconds(low)
            out.error(node.at, key, f"'{key}' must be at least {least}, not {written(node)}")
        elif value > most:
            longest = durations.write_seconds(most)
            out.error(node.at, key, f"'{key}' must be at most {longest}, not {written(node)}")
        return value

    string = {"type": "string", "pattern": durations.DURATION_PATTERN}
    schema = {"anyOf": [string, {"const": 0}]} if low == 0 else string
    return Kind(says="duration", schema=schema, check=check, write=durations.write_seconds)


def size(low: int, high: int) -> Kind:
    def check(node: Node, out: Collector, key: str) -> int | None:
        value = durations.size(node.text) if isinstance(node, Scalar) else None
        if value is None:
            hint = "units are B, KiB, MiB, GiB, TiB (1024) and kB, MB, GB, TB (1000)"
            wrong(node, out, key, "a size such as 16MiB", hint if has_text(node) else "")
        elif not low <= value <= high:
            least, most = durations.write_size(low), durations.write_size(high)
            out.error(node.at, key, f"'{key}' must be from {least} to {most}, not {written(node)}")
        return value

    schema = {"type": "string", "pattern": durations.SIZE_PATTERN}
    return Kind(says="size", schema=schema, check=check, write=durations.write_size)


def written(node: Node) -> str:
    """What stands there, for a message about its value."""
    return visible(node.text[:40]) if isinstance(node, Scalar) else ""
