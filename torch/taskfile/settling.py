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
- A writer may close the file between its pieces, or end just after a line end. So a file that was
  changed in place and became shorter, or that grows by appends, is taken when it has been still
  for a while; one that lost its end only if a person asks for it then.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from zlib import crc32

ENDLESS_FOR = 2.0
"""Seconds without a change after which a last line may be without its end."""

UNKNOWN_FOR = 10.0
"""The same for a file of which nobody says whether it is being written."""

PIECES_FOR = 2.0
"""Seconds without a change after which no next piece of a file is expected."""

CUT_FOR = 10.0
"""The same for a file that lost its end; a person may then have it loaded."""

WRITTEN = "the task file is being written: {writer} has it open for writing"

Identity = tuple[int, int, int, int]
"""Device, inode, time of the last change in nanoseconds, size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """How a file was found. `writer`: who has it open for writing, in words, '' for no process;
    `is_known`: whether '' is certain; `ends`: whether its last line has its end; `lines`: see
    `marks`; `tasks`: how many there are in it, None if it is refused, so not taken anyway."""

    identity: Identity
    writer: str = ""
    is_known: bool = True
    ends: bool = True
    lines: bytes = b""
    tasks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a file is not taken. `for_now`: waiting helps."""

    message: str
    hint: str = ""
    for_now: bool = True


def doubt(
    found: Save, before: Save | None, still: float, *, grew: bool = False, asked: bool = False
) -> Doubt | None:
    """What is against taking a file into force now; None: nothing.

    `before`: the file in force, None at the start; `still`: for how many seconds it has been seen
    as it is; `grew`: by appends, since it was seen before; `asked`: a person wants it loaded.
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
    if not found.ends and (still < ENDLESS_FOR or (in_place and before.ends)):
        return _endless(still, in_place=in_place)
    if not in_place or found.tasks is None:
        return None
    return _in_pieces(found, before, still, grew=grew, asked=asked)


def _endless(still: float, *, in_place: bool) -> Doubt:
    message = "the task file was changed in place, and its last line has no line end"
    if not in_place:
        message = "the last line of the task file has no line end"
    return Doubt(
        message=f"{message}: it may be cut off",
        hint="complete it, and add a line end to its last line",
        for_now=still < ENDLESS_FOR,
    )


def _in_pieces(
    found: Save, before: Save, still: float, *, grew: bool, asked: bool
) -> Doubt | None:  # fmt: skip
    """What is against a sound file that was changed in place and has its last line end."""
    if lost_its_end(found, before):
        if asked and still >= CUT_FOR:
            return None
        return Doubt(
            message=f"the task file lost its end: {_gone(found, before)}, so it may be cut off",
            hint="write the whole file, or rename a new file over FILE; to load it as it is, type, "
            f"{CUT_FOR:g} s after the last change: torch reload",
            for_now=still < CUT_FOR,
        )
    if still >= PIECES_FOR:
        return None
    if grew or is_continued(found, before):
        return Doubt(
            message="text was appended to the task file a moment ago, and more may follow",
            hint=f"it will be loaded when it has not changed for {PIECES_FOR:g} s",
        )
    if found.identity[3] < before.identity[3]:
        return Doubt(
            message="the task file became shorter a moment ago, and more text may follow",
            hint=f"it will be loaded when it has not changed for {PIECES_FOR:g} s",
        )
    return None


def _gone(found: Save, before: Save) -> str:
    """'3 of 10 tasks are gone'"""
    was, now, what = before.tasks or 0, found.tasks or 0, "task"
    if now >= was:
        was, now, what = len(before.lines) // _MARK, len(found.lines) // _MARK, "line"
    gone = was - now
    return f"{gone} of {was} {what}{'' if was == 1 else 's'} {'is' if gone == 1 else 'are'} gone"


# ── comparing two texts by their marks ────────────────────────────────────────────────────

_MARK = 4  # bytes


def marks(data: bytes) -> bytes:
    """For each line a checksum of the text up to its end. So of two texts the first lines are the
    same if their first marks are, and the service need not keep the text."""
    found, total = array("I"), 0
    for line in data.splitlines(keepends=True):
        total = crc32(line, total)
        found.append(total)
    return found.tobytes()


def lost_its_end(found: Save, before: Save) -> bool:
    """Whether a text is the beginning of the one before, its last line perhaps edited."""
    if not found.lines or len(found.lines) >= len(before.lines):
        return False
    same = before.lines.startswith(found.lines)
    begun = found.lines[:-_MARK]
    return same or (bool(begun) and before.lines.startswith(begun))


def is_continued(found: Save, before: Save) -> bool:
    """Whether a text is the one before with more behind it, also on its last line."""
    whole = before.lines if before.ends else before.lines[:-_MARK]
    grown = found.identity[3] > before.identity[3]
    return bool(before.lines) and grown and found.lines.startswith(whole)


def is_ended(data: bytes) -> bool:
    """Whether the last line of a file has its end, or needs none: blank, or the closing brace of a
    file that is one JSON object."""
    last = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    if not data[last:].strip():
        return True
    return data.lstrip().startswith(b"{") and data.rstrip().endswith(b"}")
