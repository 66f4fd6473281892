"""A pattern of `alert_on` and of `torch logs --grep`: what is allowed in one, and where it matches.

Owns the dialect, which is RE2's: no reference to a group, no look-around, and in return a time
that is linear in the text, whatever the pattern; and what a line is: it ends at LF, CR or CR LF,
so that each state of a progress bar is one. Must not know files. The engine is imported when the
first pattern is compiled: a file without patterns does not pay for it.
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
        """Whether a line matches, or one of those that carriage returns make of it."""
        return any(self._line.search(_text(each)) for each in line.splitlines() or (line,))

    def lines(self, piece: bytes) -> list[tuple[int, bytes]]:
        """The lines of `piece` that it matches, each with the offset behind the first byte of its
        end, which is the same whether or not the LF of CR LF is there yet. A piece in which
        nothing matches, which is nearly every one, costs a single search."""
        if self._piece is not None:
            plain = piece
            if b"\r" in piece:
                plain = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if self._piece.search(_text(plain)) is None:
                return []
        found, at = [], 0
        for whole in piece.splitlines(keepends=True):  # of bytes: at \n, \r and \r\n alone
            line = whole.removesuffix(b"\n").removesuffix(b"\r")
            if self._line.search(_text(line)) is not None:
                found.append((min(at + len(line) + 1, len(piece)), line))
            at += len(whole)
        return found


def _text(line: bytes) -> bytes:
    """What is looked through: the engine stops at a byte that is not UTF-8, so such a byte is an
    unknown character. Its Latin-1 mode would take a letter of a pattern for several."""
    if line.isascii():
        return line
    try:
        line.decode()
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace").encode()
    return line


def _say(text: str, error: Exception) -> str:
    for form, why in _FOREIGN:
        if re.search(form, text):
            return f"{why} (it is RE2's: no pattern can take long)"
    said = error.args[0] if error.args else str(error)
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
