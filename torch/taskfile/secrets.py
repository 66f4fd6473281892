"""Does a secret stand in a command? `ps` shows every command to every user.

A guess, so it only ever warns, and says what it took for one without repeating it. A value that
begins with $ is a variable, the right way; a path (--password-file /x) is one too.
"""

from __future__ import annotations

import re

_WORDS = (
    "pass",
    "pwd",
    "token",
    "secret",
    "key",
    "akia",
    "asia",
    "bearer",
    "://",
    "-u",
    "ghp_",
    "-p",
)
"""One of these stands in every command that the patterns below can match."""

_VALUE = r"""["']?(?![$"'`{<*/~-])[^\s"'$&;|]{3,}"""
_PATTERNS = tuple(
    (name, re.compile(expression, re.ASCII))
    for name, expression in (
        (
            "--password",
            r"(?i)--?(?:[\w-]*[_-])?(?:password|passwd|passphrase|pass|pwd)(?:=|\s+)" + _VALUE,
        ),
        (
            "--token",
            r"(?i)--?(?:[\w-]*[_-])?(?:token|secret|api[_-]?key|secret[_-]?key)(?:=|\s+)" + _VALUE,
        ),
        (
            "password=",
            r"(?i)(?<![\w$-])[\w.-]*(?:password|passwd|passphrase|pwd)\s?[=:]\s?" + _VALUE,
        ),
        (
            "token=",
            r"(?i)(?<![\w$-])[\w.-]*(?:token|secret|api[_-]?key|access[_-]?key(?:[_-]?id)?)\s?[=:]\s?"
            + _VALUE,
        ),
        ("an AWS key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
        ("a bearer token", r"(?i)\bbearer\s+(?![$\"'{<])[\w.~+/-]{8,}"),
        ("a password in a URL", r"://[^\s/:@$]+:(?!\$)[^\s/@$]+@"),
        ("-u user:password", r"(?<!\S)-u\s*[^\s:$'\"-][^\s:$]*:(?!\$)[^\s$]+"),
        ("-p with a password", r"\bmysql\w*\s(?:.*\s)?-p(?!\$)[^\s$=-]\S+"),
    )
)
_LONGEST = 16 * 1024
"""Beyond it a command is a script, and patterns over it cost more than the warning is worth."""


def find(command: str | tuple[str, ...]) -> str:
    """What looks like a secret: '--password', 'an AWS key'; '' when nothing does."""
    text = command if isinstance(command, str) else " ".join(command)
    if len(text) > _LONGEST:
        return ""
    low = text.lower()
    for word in _WORDS:  # not any(): this runs for every command of the file
        if word in low:
            return next((name for name, expression in _PATTERNS if expression.search(text)), "")
    return ""
