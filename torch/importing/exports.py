"""Variables that a task for another user may not have as `env`, set inside the command instead.

Owns the way out that the refusal of such a variable names: root's part of the start of a task
must not load code by it, the user's own shell may.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch.taskfile.environment import loads_foreign_code

REVIEW = "variables are set in the command: in 'env' they could make root's programs load code"


def split(env: Mapping[str, str], user: str) -> tuple[dict[str, str], str]:
    """(what may stand in `env`, lines of sh that export the rest)."""
    if not user:
        return dict(env), ""
    kept = {name: value for name, value in env.items() if not loads_foreign_code(name)}
    lines = (f"export {name}={quoted(value)}\n" for name, value in env.items() if name not in kept)
    return kept, "".join(lines)


def quoted(text: str) -> str:
    """A word of sh."""
    return "'" + text.replace("'", "'\\''") + "'"
