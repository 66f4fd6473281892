"""Durations and sizes: `1h30m` -> seconds, `16MiB` -> bytes, and back.

Rules: whole numbers with a unit each, larger units first, nothing between them. No bare
numbers but 0: whoever reads `timeout: 90` cannot know what the writer took the unit for.
"""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 366 * 86_400.0
"""Longest duration in seconds; what is longer is a mistake in the unit."""

_DURATION = re.compile(
    r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?",
    re.ASCII,
)
DURATION_PATTERN = r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
"""The same for a JSON Schema."""

_MILLISECONDS = (86_400_000, 3_600_000, 60_000, 1_000, 1)
_NAMES = ("d", "h", "m", "s", "ms")

_SIZE = re.compile(r"([0-9]{1,15})(B|[KMGT]iB|[kMGT]B|KB)", re.ASCII)
SIZE_PATTERN = r"^[0-9]+(B|KB|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
_POWERS = {"B": 0, "K": 1, "k": 1, "M": 2, "G": 3, "T": 4}


@lru_cache(maxsize=1024)
def seconds(text: str) -> float | None:
    """'1h30m' -> 5400.0, '500ms' -> 0.5, '0' -> 0.0; None for what is no duration."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    parts = zip(match.groups(), _MILLISECONDS, strict=True)
    return sum(int(number or 0) * unit for number, unit in parts) / 1000


def parse_duration(text: str) -> float:
    """The same for who wants an error: ValueError says what a duration looks like."""
    value = seconds(text)
    if value is None:
        raise ValueError(f"'{text[:40]}' is not a duration such as 30s, 5m or 1h30m")
    if value > LONGEST:
        raise ValueError(f"'{text[:40]}' is more than {write_seconds(LONGEST)}, the longest")
    return value


def size(text: str) -> int | None:
    """'16MiB' -> 16777216, '1GB' -> 1000000000; None for what is no size."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    base = 1024 if "i" in match[2] else 1000
    return int(match[1]) * int(base ** _POWERS[match[2][0]])


def write_seconds(value: float) -> str:
    """5400.0 -> '1h30m'; what `seconds` reads back."""
    rest, written = round(value * 1000), ""
    for unit, name in zip(_MILLISECONDS, _NAMES, strict=True):
        count, rest = divmod(rest, unit)
        written += f"{count}{name}" if count else ""
    return written or "0"


def write_size(value: int) -> str:
    """16777216 -> '16MiB'; what `size` reads back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        count, rest = divmod(value, int(1024 ** _POWERS[unit[0]]))
        if count and not rest:
            return f"{count}{unit}"
    return f"{value}B"
