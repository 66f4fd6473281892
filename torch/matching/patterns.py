"""A pattern of `alert_on` and of `torch logs --grep`: what is allowed in one, and where it matches.

Owns the dialect, which is RE2's: no reference to a group, no look-around, and in return a time
that is linear in the text, whatever the pattern. Must not know files. The engine is imported when
the first pattern is compiled: a file without patterns does not pay for it.
"""

from __future__ import annotations

import re
from typing import Any

MEMORY = 8 * 1024 * 1024
"""Bytes that one compiled pattern may take."""

_FOREIGN = (
    (r"\(\?[=!]|\(\?<[=!]", "look-ahead and look-behind (?=…) are not in the dialect"),
    (r"\\[1-9]|\(\?P=", "references to a group are not in the dialect"),
    (r"\(\?>|[*+?}]\+", "possessive and atomic groups are not in the dialect"),
)
_OF_THE_TEXT = re.compile(r"\\[AzZ]|\(\?[a-zA-Z]*-[a-zA-Z]*m")


class BadPattern(ValueError):
    """The text says what is wrong with it."""


class Pattern:
    def __init__(self, text: str) -> None:
        """Raises BadPattern."""
        import re2  # 10 ms and some MiB

        options = re2.Options()
        options.log_errors = False
        options.max_mem = MEMORY
        try:
            self._line: Any = re2.compile(text.encode(), options)
            # `^` and `$` are those of a line in a piece of many lines too.
            whole = None if _OF_THE_TEXT.search(text) else f"(?m:{text})"
            self._piece: Any = re2.compile(whole.encode(), options) if whole else None
        except (re2.error, UnicodeEncodeError) as error:
            raise BadPattern(_say(text, error)) from error
        self.text = text

    def is_in(self, line: bytes) -> bool:
        return self._line.search(line) is not None

    def lines(self, piece: bytes) -> list[tuple[int, bytes]]:
        """The lines of `piece` that it matches, each with the offset behind it. A piece in which
        nothing matches, which is nearly every one, costs a single search."""
        if self._piece is not None:
            plain = piece.replace(b"\r\n", b"\n") if b"\r" in piece else piece
            if self._piece.search(plain) is None:
                return []
        found, at = [], 0
        lines = piece.split(b"\n")
        if not lines[-1]:
            lines.pop()  # behind the last end of a line there is no line
        for line in lines:
            at += len(line) + 1
            if self._line.search(line.removesuffix(b"\r")) is not None:
                found.append((min(at, len(piece)), line))
        return found


def _say(text: str, error: Exception) -> str:
    for form, why in _FOREIGN:
        if re.search(form, text):
            return f"{why} (it is RE2's: no pattern can take long)"
    said = error.args[0] if error.args else str(error)
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
