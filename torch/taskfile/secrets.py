"""Does a secret stand in a command? `ps` shows every command to every user.

A guess, so it only ever warns, and says what it took for one without repeating it. A value that
begins with $ is a variable, the right way; a path (--password-file /x) is one too.

Costs a bounded time whatever stands in the file: only the beginning of a command is looked at,
and only so much of a file. Each pattern begins at a fixed text or where a word begins, and runs
over a bounded number of characters from there, so none is quadratic.
"""

from __future__ import annotations

import re

HEAD = 2048
"""Characters of a command that are looked at; what is longer is a script."""

BUDGET = 2**20
"""Characters of a file on which patterns are tried; it is a warning, and 20 000 help nobody."""

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
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "-p",
)
"""One of these stands in every command that the patterns below can match."""

_VALUE = r"""["']?(?![$"'`{<*/~-])[^\s"'$&;|]{3}"""
_PHRASES = r"(?:password|passwd|passphrase|pwd)"
_KEYS = r"(?:token|secret|api[_-]?key|secret[_-]?key|access[_-]?key(?:[_-]?id)?)"
_OPTION = r"(?i)(?<![\w-])--?(?:[\w-]{0,64}?[_-])?"
_WORD = r"(?i)(?<![\w.$-])[\w.-]{0,64}?"
_PATTERNS = tuple(
    (name, re.compile(expression, re.ASCII))
    for name, expression in (
        ("--password", rf"{_OPTION}(?:{_PHRASES}|pass)(?:=|\s{{1,8}}){_VALUE}"),
        ("--token", rf"{_OPTION}{_KEYS}(?:=|\s{{1,8}}){_VALUE}"),
        ("password=", rf"{_WORD}{_PHRASES}\s?[=:]\s?{_VALUE}"),
        ("token=", rf"{_WORD}{_KEYS}\s?[=:]\s?{_VALUE}"),
        ("an AWS key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{20}"),
        ("a bearer token", r"(?i)\bbearer\s{1,8}(?![$\"'{<])[\w.~+/-]{8}"),
        ("a password in a URL", r"://[^\s/:@$]{1,64}:(?!\$)[^\s/@$]{1,256}@"),
        (
            "-u user:password",  # -u 1000:1000 is a user and a group, of docker and others
            r"(?<!\S)-u\s{0,8}(?!\d+:\d+\b)[\"']?[^\s:$\"'-][^\s:$\"']{0,64}:(?!\$)[^\s$\"']",
        ),
        ("-p with a password", r"\bmysql\w{0,16}\s(?:[^\n;|]{0,128}?\s)?-p[\"']?[^\s$\"'`=-]{2}"),
    )
)


class Search:
    """Looks into the commands of one file."""

    def __init__(self) -> None:
        self._left = BUDGET

    def find(self, command: str | tuple[str, ...]) -> str:
        """What looks like a secret: '--password', 'an AWS key'; '' when nothing does."""
        text = command if isinstance(command, str) else " ".join(command[:HEAD])
        text = text[:HEAD]
        low = text.lower()
        for word in _WORDS:  # not any(): this runs for every command of the file
            if word in low:
                break
        else:
            return ""
        self._left -= len(text)
        if self._left < 0:
            return ""
        return next((name for name, expression in _PATTERNS if expression.search(text)), "")
