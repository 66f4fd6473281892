"""Commands that begin with a question: `[ -x PROGRAM ] && PROGRAM`.

Owns finding the guard, and what to write so that "there is nothing to do" is no failure. A guard
that says no makes the command exit with an error, which cron ignores and Torch counts. To accept
its exit code would hide the program's own failures (1), or a missing program (127).
"""

from __future__ import annotations

import re

_GUARD = re.compile(r"\s*((?:\[\s|test\s|command\s+-v\s|which\s|type\s)[^|;{}\n]*?)\s*&&")
_LONGEST = 120  # characters of a guard that is quoted


def of(command: str) -> str:
    """What the command asks before its work: `[ -x a ]`, or `[ -x a ] && [ -f b ]`; '' if not."""
    guards, at = [], 0
    while found := _GUARD.match(command, at):
        guards.append(found[1])
        at = found.end()
    return " && ".join(guards)


def review(command: str) -> list[str]:
    """One review or none: the command as Torch should have it."""
    guard = of(command)
    if not guard:
        return []
    shown = guard if len(guard) <= _LONGEST else "GUARD"
    return [
        f"if its guard '{shown}' is false, the command exits with an error: cron ignores that, "
        f"Torch records a failure. Use a block (command: |) with '{shown} || exit 0' as its first "
        "line and the rest below it; then only failures of the program itself count"
    ]
