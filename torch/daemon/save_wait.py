"""How long a task file that is being saved is waited for, and what is said meanwhile.

Owns the waits and their bounds; the rule is `torch/taskfile/settling.py`. A file that is still in
doubt after the bound is refused, never taken, and looked at until it can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from torch.clock import Clock, rfc3339
from torch.errors import Problem
from torch.event import Event, ReloadWaiting
from torch.taskfile.settling import CUT_FOR, Doubt, Save, doubt, is_continued

START_LIMIT = 5.0
"""Seconds that a start waits: half of what `torch start` waits for the service."""

PERSON_LIMIT = 5.0
"""Seconds that `torch reload` waits before it says why nothing was loaded."""

SOON = 0.25
"""Seconds between two looks while somebody waits."""

LIMIT = 60.0
"""Seconds after which a file that is still being saved is called a problem."""

_PAUSES = (0.25, 0.25, 0.5, 0.5, 1.0, 1.0, 1.0, 2.0)
_LAST_PAUSE = 5.0


class Settling:
    def __init__(self, *, clock: Clock, tell: Callable[[Event], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._before: Save | None = None  # of the file in force
        self._seen: Save | None = None  # as it was last seen
        self._seen_at = 0.0  # and since when (mono)
        self._grew = False  # by appends, into what was seen
        self._since: tuple[float, float] | None = None  # mono, wall; None: nothing is waited for
        self._reason = ""
        self._looks = 0
        self._is_overdue = False

    def judge(self, save: Save | None, *, asked: bool = False) -> Doubt | None:
        """What is against taking the file that was read, None for nothing. The first doubt of a
        save is told. `asked`: a person wants it loaded."""
        if save is None:  # not read at all: that is the reader's problem
            self.settle()
            return None
        now = self._clock.now()
        if self._seen is None or save.identity != self._seen.identity:
            self._grew = self._seen is not None and _appended(save, self._seen)
            self._seen_at = now.mono
        self._seen = save
        still = now.mono - self._seen_at
        found = doubt(save, self._before, still, grew=self._grew, asked=asked)
        if found is None or not found.for_now:
            self.settle()
            return found
        if self._since is None:
            self._since, self._looks, self._is_overdue = (now.mono, now.wall), 0, False
            self._tell(ReloadWaiting(reason=found.message))
        self._reason = found.message
        return found

    def rehearse(self, save: Save | None, *, is_ours: bool) -> Doubt | None:
        """The same of a file that is read to see what it would change, if waiting a while would not
        help; nothing is told or kept. A file that lost its end passes when `judge` would take it
        if a person asked."""
        if save is None:
            return None
        seen = self._seen is not None and self._seen.identity == save.identity
        asked = seen and self._clock.now().mono - self._seen_at >= CUT_FOR
        return doubt(save, self._before if is_ours else None, inf, asked=asked)

    def take(self, save: Save | None) -> None:
        """This file is the one in force."""
        self._before = save

    def settle(self) -> None:
        """Nothing is waited for."""
        self._since = None

    def pause(self) -> float:
        """Seconds until the next look."""
        self._looks += 1
        return _PAUSES[self._looks - 1] if self._looks <= len(_PAUSES) else _LAST_PAUSE

    def is_over(self, limit: float) -> bool:
        """Whether the save has been waited for as long as this."""
        return self._since is not None and self._clock.now().mono - self._since[0] >= limit

    def gets_overdue(self) -> bool:
        """Whether it is time to call it a problem, which is said once."""
        if self._is_overdue or not self.is_over(LIMIT):
            return False
        self._is_overdue = True
        return True

    def waiting(self) -> dict[str, Any] | None:
        """Since when and why a file is waited for; None: it is not."""
        if self._since is None:
            return None
        return {"since": rfc3339(self._since[1]), "reason": self._reason}


def _appended(save: Save, seen: Save) -> bool:
    return save.identity[:2] == seen.identity[:2] and is_continued(save, seen)


def problem(found: Doubt, file: str) -> Problem:
    """A doubt as what `torch reload` shows."""
    return Problem(
        file=file, line=0, column=0, key="", message=found.message,
        hint=found.hint.replace("FILE", file),
    )  # fmt: skip
