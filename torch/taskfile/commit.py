"""The git commit that a task file belongs to, read from .git by hand.

Owns finding HEAD. Never runs git: a foreign repository's config can name programs that git
then runs, as root (core.fsmonitor; CVE-2022-24765). Reads small regular files only, never
raises; None where there is no repository or anything looks odd.
"""

from __future__ import annotations

import os
import re
import stat

_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_REF = re.compile(r"refs/[A-Za-z0-9._/+@=-]{1,200}", re.ASCII)
_SMALL = 4096
_PACKED = 4 * 1024 * 1024


def find_commit(path: str) -> str | None:
    """The first 12 hex digits of HEAD of the repository that holds `path`, or None."""
    try:
        git = _git_directory(os.path.dirname(os.path.realpath(path)))
        commit = _head(git) if git else None
    except (OSError, ValueError):  # ValueError: not ASCII, a NUL in a name
        return None
    return commit[:12] if commit else None


def _git_directory(directory: str) -> str | None:
    """`.git` of this directory or one above it; a `.git` file names another (worktrees)."""
    while True:
        git = os.path.join(directory, ".git")
        if os.path.isdir(git):
            return git
        if (text := _read(git, _SMALL)) is not None:
            key, _, target = text.partition(": ")
            return os.path.join(directory, target.strip()) if key == "gitdir" else None
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def _head(git: str) -> str | None:
    head = (_read(os.path.join(git, "HEAD"), _SMALL) or "").strip()
    for _ in range(5):  # a ref may name another one
        if _HASH.fullmatch(head):
            return head
        ref = head.removeprefix("ref: ")
        if not _REF.fullmatch(ref) or ".." in ref:
            return None
        head = _ref(git, ref)
    return None


def _ref(git: str, ref: str) -> str:
    """What a ref says: in this work tree, else in the repository it shares, else packed."""
    shared = (_read(os.path.join(git, "commondir"), _SMALL) or "").strip()
    roots = (git, os.path.join(git, shared)) if shared else (git,)
    for root in roots:
        if text := (_read(os.path.join(root, ref), _SMALL) or "").strip():
            return text
    for root in roots:
        for line in (_read(os.path.join(root, "packed-refs"), _PACKED) or "").splitlines():
            commit, _, name = line.partition(" ")
            if name == ref:
                return commit
    return ""


def _read(path: str, limit: int) -> str | None:
    """The text of a regular file of at most `limit` bytes, or None."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
            return None
        return os.read(fd, limit).decode("ascii")
    finally:
        os.close(fd)
