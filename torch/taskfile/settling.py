"""Whether a task file that was read is whole, or a save of it is under way.

Owns the rule; pure. A save in place passes through halves that are valid task files: of
`rm -rf /srv/nowhere/cache` the first half is `rm -rf /srv`. What replaces the file whole (a rename,
a symlink) has no such moment. What is known of a save is told by `torch/taskfile/writers.py`.

- A file that a process has open for writing is not taken, however long that lasts.
- Where the kernel does not say whether one has (another user's file, a network file system), a
  file that was changed in place is taken when it has been still for a while.
- A last line without its end is where a text was cut off, or the style of an editor. It is taken
  after a while without a change, unless it was written in place over a file whose last line had its
  end: Debian's cron refuses such a crontab always, which here would refuse many a sound file.
"""

from __future__ import annotations

from dataclasses import dataclass

ENDLESS_FOR = 2.0
"""Seconds without a change after which a last line may be without its end."""

UNKNOWN_FOR = 10.0
"""The same for a file of which nobody says whether it is being written."""

WRITTEN = "the task file is being written: {writer} has it open for writing"

Identity = tuple[int, int, int, int]
"""Device, inode, time of the last change in nanoseconds, size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """How a file was found. `writer`: who has it open for writing, in words, '' for no process;
    `is_known`: whether '' is certain; `ends`: whether its last line has its end."""

    identity: Identity
    writer: str = ""
    is_known: bool = True
    ends: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a file is not taken. `for_now`: waiting helps."""

    message: str
    hint: str = ""
    for_now: bool = True


def doubt(found: Save, before: Save | None, still: float) -> Doubt | None:
    """What is against taking a file into force now; None: nothing.

    `before`: the file in force, None at the start; `still`: for how many seconds it has been seen
    as it is.
    """
    if found.writer:
        return Doubt(
            message=WRITTEN.format(writer=found.writer),
            hint="it will be loaded when it is closed; to list who has it open: fuser -v FILE",
        )
    if before is None or found.identity == before.identity:
        return None
    in_place = found.identity[:2] == before.identity[:2]
    if in_place and not found.is_known and still < UNKNOWN_FOR:
        return Doubt(
            message="the task file was changed in place, and it cannot be known who has it open",
            hint=f"it will be loaded when it has not changed for {UNKNOWN_FOR:g} s",
        )
    if found.ends or (still >= ENDLESS_FOR and not (in_place and before.ends)):
        return None
    message = "the task file was changed in place, and its last line has no line end"
    if not in_place:
        message = "the last line of the task file has no line end"
    return Doubt(
        message=f"{message}: it may be cut off",
        hint="complete it, and add a line end to its last line",
        for_now=still < ENDLESS_FOR,
    )


def is_ended(data: bytes) -> bool:
    """Whether the last line of a file has its end, or needs none: blank, or the closing brace of a
    file that is one JSON object."""
    last = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    if not data[last:].strip():
        return True
    return data.lstrip().startswith(b"{") and data.rstrip().endswith(b"}")
