"""A path as the kernel walks it.

Owns the order of its steps: symlinks are followed one by one, so that each can be looked at.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

_LINKS = 40
"""Most symlinks that a path may contain, as in the kernel."""


def walk(path: str, look: Callable[[str, os.stat_result, bool], None]) -> str:
    """The path without symlinks.

    `look` gets each step before it is taken: its path, its `lstat`, and whether it is the last.
    It raises where the walk must not go on. Raises OSError where there is no way.
    """
    todo = [part for part in reversed(os.path.abspath(path).split("/")) if part]
    above, links = "", 0
    while todo:
        part = todo.pop()
        if part == "..":  # of a link's target; `above` has no links in it
            above = above.rpartition("/")[0]
            continue
        here = f"{above}/{part}"
        found = os.lstat(here)
        look(here, found, not todo)
        if not stat.S_ISLNK(found.st_mode):
            above = here
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(here)
        if target.startswith("/"):
            above = ""
        todo += [each for each in reversed(target.split("/")) if each not in ("", ".")]
    return above or "/"
