"""The mark that every process of a run carries, even if it changes its environment or session.

Owns the mark: a number in the soft limit on processor time of real-time processes (RLIMIT_RTTIME,
microseconds), which Linux passes on to every child and which no program that we know sets. The
numbers mean more than a hundred thousand years, so they limit nothing. `env -i`, setsid, double
forks and closed descriptors do not change it. PAM (su, login) resets it; such processes are found
by ancestry. docs/decisions/023 has the alternatives.
"""

from __future__ import annotations

import os
import resource

RTTIME = 15
"""RLIMIT_RTTIME, for which Python has no name. Source: asm-generic/resource.h."""

_BASE = 1 << 62
_LINE = b"Max realtime timeout"


class Marks:
    """One number after the other, none of them any other reaper's on this host."""

    __slots__ = ("_hard", "_next")

    def __init__(self) -> None:
        self._next = _BASE | int.from_bytes(os.urandom(4), "big") << 28
        _, self._hard = resource.getrlimit(RTTIME)

    def take(self) -> int:
        """0 where the limit is in use, and so cannot be a mark."""
        if self._hard != resource.RLIM_INFINITY:
            return 0
        self._next += 1
        return self._next

    def wear(self, mark: int) -> None:
        """What is spawned from now on carries it."""
        if mark:
            resource.setrlimit(RTTIME, (mark, self._hard))


def of(pid: int) -> int:
    """The mark of a process; 0: none, or it cannot be seen."""
    try:
        with open(f"/proc/{pid}/limits", "rb") as file:
            text = file.read()
    except OSError:
        return 0
    at = text.find(_LINE)
    if at < 0:
        return 0
    word = text[at + len(_LINE) :].split(None, 1)[0]
    return int(word) if word.isdigit() and int(word) >= _BASE else 0
