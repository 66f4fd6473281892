"""Small pieces of wording: durations, sizes, and text made harmless for terminals and log lines."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable

_encode = json.JSONEncoder(default=str).encode  # json.dumps would make one for each line
_PLAIN = re.compile(r"[A-Za-z0-9_./:+@%,-]+\Z")


def harmless(text: str) -> str:
    """Text with every control and direction-changing character shown as an escape; tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\t" or _shown(c) else ascii(c)[1:-1] for c in text)


def _shown(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def last_lines(output: bytes, most: int) -> tuple[str, ...]:
    """At most so many of the last lines, each as `last_written`. Only LF begins a new one: a form
    feed or a line separator of Unicode is text. Their control characters are still in them."""
    lines = output.removesuffix(b"\n").split(b"\n") if output and most else []
    return tuple(last_written(line.decode("utf-8", "replace")) for line in lines[-most:])


def last_written(line: str, wanted: Callable[[str], bool] = bool) -> str:
    """What a line says in the end: the last text in it that is not overwritten, as a terminal
    shows it. A progress bar writes its line again and again, with a carriage return between. Of
    several texts the last one that is `wanted`."""
    texts = [text for text in line.split("\r") if text.strip()]
    return next(filter(wanted, reversed(texts)), "")


def duration(seconds: float) -> str:
    """'3 ms', '1.2 s', '4m05s', '2h10m', '3d4h': two units at the most."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def size(number: float) -> str:
    """'812 KiB', '3.1 MiB', '23.4 GiB'."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit in ("B", "KiB") else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def count(number: int, noun: str) -> str:
    """'1 run', '3 runs'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def logfmt_value(value: object) -> str:
    """A value as logfmt writes it: bare where it is plain, else a quoted JSON string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, (list, tuple)):
        value = "\n".join(map(str, value))
    text = str(value)
    return text if _PLAIN.match(text) else json_line(text)


def json_line(value: object) -> str:
    """One line of pure, printable ASCII. JSON itself would let DEL through."""
    return _encode(value).replace("\x7f", "\\u007f")
