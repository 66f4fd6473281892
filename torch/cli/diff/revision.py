"""An older task file, as git has it: `git cat-file` and nothing that a repository can steer.

Owns the one place outside the service that starts a process. git is run as the person who asked,
never by the service (`taskfile/commit.py` says why), and reads objects only: no hook, no pager,
no filter, no fetch, no answer to a prompt. What git itself refuses (a repository of another
user) stays refused, with its reason.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

from torch.errors import NotPermitted, SettingsError, TorchError, TryAgain, UsageError
from torch.taskfile.text import LIMIT

DEADLINE = 20.0
"""Seconds that one question to git may take."""

_SAFE = (
    "git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null", "-c", "core.alternateRefsCommand=",
)  # fmt: skip
_KEPT = ("PATH", "HOME", "XDG_CONFIG_HOME")
_MORE = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # a clone without its objects: git would run ssh to get them …
    "GIT_ALLOW_PROTOCOL": "none",  # … and before 2.45 it knows only this to forbid it
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The bytes of the file in a commit; `name` is for messages: 'HEAD:tasks.yaml'."""

    name: str
    commit: str
    data: bytes


def read_revision(path: str, revision: str) -> Revision:
    """The file at `path` as it was in a revision. Raises the TorchError that says why not."""
    if not revision or revision.startswith("-") or "\0" in revision:
        raise _unknown(revision)
    real = os.path.realpath(path)
    folder, name = os.path.split(real)
    if not os.path.isdir(folder):
        raise UsageError(f"there is no directory {folder}", hint="choose another file with -f")
    commit = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", "--")
    if commit is None:
        raise _unknown(revision)
    commit_id = commit.decode("ascii", "replace").strip()
    if re.fullmatch(r"[0-9a-f]{40,64}", commit_id) is None:
        raise _unknown(revision)
    # By the path from here, not from the top: `./` also works where a work tree is linked.
    thing = f"{commit_id}:./{name}"
    size = _git(folder, "cat-file", "-s", thing)
    kind = _git(folder, "cat-file", "-t", thing)
    if size is None or kind is None or kind.strip() != b"blob":
        raise UsageError(
            f"{name} is not a file in {revision} ({commit_id[:12]})",
            hint="it may be new or renamed; to compare two files: torch diff --from OLD -f NEW",
        )
    if int(size) > LIMIT:
        raise UsageError(f"{name} in {revision} is larger than {LIMIT // 2**20} MiB")
    data = _git(folder, "cat-file", "blob", thing)
    if data is None:
        raise TryAgain(f"git could not read {name} in {revision}", hint="try: git fsck")
    return Revision(name=f"{revision}:{name}", commit=commit_id, data=data)


def _unknown(revision: str) -> UsageError:
    return UsageError(
        f"git knows no revision '{revision}' here",
        hint="use a commit, a branch or a tag: torch diff HEAD~1, torch diff origin/main",
    )


def _git(folder: str, *words: str) -> bytes | None:
    """What git says; None when it has no such thing. Raises where git cannot work at all."""
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ} | _MORE
    try:
        done = subprocess.run(
            [*_SAFE, "-C", folder, *words],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, env=environ,
            check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SettingsError(
            "git is not installed here", hint="install it, or compare two files with --from"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise TryAgain(f"git did not answer within {DEADLINE:g} s") from error
    except ValueError as error:  # half a character in a name
        raise UsageError("a revision or a path is not valid text") from error
    if done.returncode == 0:
        return done.stdout
    if refused := _refusal(folder, done.stderr.decode("utf-8", "replace")):
        raise refused
    return None


def _refusal(folder: str, said: str) -> TorchError | None:
    """The failures that are not "no such thing"."""
    if "not a git repository" in said:
        return UsageError(
            f"{folder} is not in a git repository",
            hint="run this in the git repository of the file, or compare two files with --from",
        )
    if "dubious ownership" in said:
        return NotPermitted(
            f"git refuses the repository around {folder}: it belongs to another user",
            hint=f"run this as its owner, or: git config --global --add safe.directory {folder}",
        )
    if "Permission denied" in said:
        return NotPermitted(f"git has no permission to read the repository around {folder}")
    return None
