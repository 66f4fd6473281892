"""What is said of `privileges: keep`.

Owns the words. It is never refused: whoever writes the file may run everything as root anyway.
"""

from __future__ import annotations

from torch.task import Privileges


def doubt(user: str | None, privileges: Privileges | None) -> tuple[str, str] | None:
    """A warning and what to do about it; None where there is nothing to say."""
    if privileges is not Privileges.KEEP:
        return None
    if user is None:
        return "'privileges: keep' has no effect without 'user'", "remove it, or add 'user'"
    return (
        f"'privileges: keep' lets set-uid programs run by {user!r} gain root",
        "only sudo and some mailers need it; otherwise remove it",
    )
