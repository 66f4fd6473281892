"""Whether a crontab has a column for the user, as /etc/crontab and /etc/cron.d have.

Owns the guess: the place of the file first; else the sixth words of its lines, all of which must
be names of users, and not all of them words that are programs too (`backup`, `mail`, `sync`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

_USUAL = frozenset({"root", "www-data", "nobody", "munin", "postgres", "mysql", "smmsp", "amavis"})
_PROGRAMS_TOO = frozenset(
    "backup bin games irc list lp mail man news proxy sync sys uucp at daemon".split()
)
_SPOOLS = ("crontabs", "cron", "tabs")


@dataclass(frozen=True, slots=True)
class Layout:
    """`column`: there is a column for the user. `owner`: whose crontab it is, '' unknown."""

    column: bool
    owner: str = ""


def of_path(path: str) -> Layout | None:
    """What the place of a file says, or None."""
    parts = path.split("/")
    name, folder = parts[-1], parts[-2] if len(parts) > 1 else ""
    if folder == "cron.d" or (folder == "etc" and name == "crontab"):
        return Layout(True)
    if folder in _SPOOLS and "spool" in parts[:-2]:
        return Layout(False, owner=name)
    return None


def of_lines(sixth_words: Sequence[str], users: Collection[str]) -> bool:
    """What the lines say: their sixth words, '' where nothing follows it on the line."""
    known = _USUAL.union(users)
    return (
        bool(sixth_words)
        and all(word in known for word in sixth_words)
        and any(word not in _PROGRAMS_TOO for word in sixth_words)
    )
