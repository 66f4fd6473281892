"""Commands that may want more rights than a task with `user` can get.

Owns the guess. Such a task is started with no_new_privs (docs/security.md), so what is setuid or
setgid has no effect: sudo, and the programs that hand mail to a local server.
"""

from __future__ import annotations

import re

_WANTING = re.compile(
    r"(?:^|[;&|(){}\n]|\b(?:then|else|do|exec)\b)\s*(?:[\w./-]*/)?"
    r"(sudo|su|doas|pkexec|mail|mailx|sendmail|at|batch|crontab|newgrp|ping)(?=$|[\s;&|)])"
)
_LOOK = 4000


def review(command: str | tuple[str, ...], user: str) -> list[str]:
    """One review or none, of a command that is to run as `user` ('' for the service's)."""
    text = command if isinstance(command, str) else command[0]
    found = _WANTING.search(text[:_LOOK]) if user else None
    if found is None:
        return []
    return [
        f"a task with 'user' cannot gain privileges, which '{found[1]}' may need;"
        " 'privileges: keep' allows it"
    ]
